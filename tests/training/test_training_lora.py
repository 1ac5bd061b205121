"""Adapters, loss and batches on every architecture."""

import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from models import ARCHITECTURES

from understudy.inference.base import check_base, choose_placement, load_base
from understudy.inference.sealed import write_sealed
from understudy.training.batches import plan_epoch, split_by_tokens, steps_per_epoch
from understudy.training.capacity import estimate_need, micro_batch_tokens, refuse_if_too_large
from understudy.training.examples import IGNORE_INDEX, Example
from understudy.training.failure import JobFailed, describe_failure
from understudy.training.lora import adapter_files, add_lora
from understudy.training.packed_attention import pack_attention
from understudy.training.packing import group_by_prefix, packed_tokens, shareable
from understudy.training.predictions import predict
from understudy.training.schedule import rate_at
from understudy.training.spec import Lora

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
LINEAR = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    return


def load(directory: Path):
    files = check_base(directory)
    return load_base(files, choose_placement(files.parameters))


def some_examples(seed: int, lengths: list[int]) -> list[Example]:
    chooser = random.Random(seed)
    examples = []
    for number, length in enumerate(lengths, 1):
        ids = [chooser.randrange(5, 300) for _ in range(length)]
        labels = [token if i > length // 2 else IGNORE_INDEX for i, token in enumerate(ids)]
        examples.append(Example(number, ids, labels))
    return examples


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_linear_layer_but_the_head_is_adapted(
    architecture: str, tiny_model: Callable[[str], Path]
) -> None:
    model = load(tiny_model(architecture))
    linear = {n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"}
    assert {name.rsplit(".", 1)[-1] for name in linear} == LINEAR
    tuned = add_lora(model, Lora(4, 8, 0.0), seed=1)
    adapted = {n.removeprefix("base_model.model.") for n, m in tuned.named_modules() if hasattr(m, "lora_A")}
    assert adapted == linear
    trained = {n for n, p in tuned.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained)
    assert len(trained) == 2 * len(linear)


def opened_alike(seed: int) -> list[Example]:
    """Sequences of which some begin with one prompt, some with another, some with none."""
    chooser = random.Random(seed)
    prompts = [[chooser.randrange(5, 300) for _ in range(length)] for length in (40, 17, 0)]
    examples = []
    for number, (prompt, length) in enumerate(
        [(0, 9), (1, 20), (0, 15), (2, 12), (0, 4), (1, 6), (2, 30)], 1
    ):
        ids = prompts[prompt] + [chooser.randrange(5, 300) for _ in range(length)]
        labels = [t if i > len(prompts[prompt]) + 1 else IGNORE_INDEX for i, t in enumerate(ids)]
        examples.append(Example(number, ids, labels))
    return examples


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("packs", [False, True])
def test_the_loss_is_that_of_the_plain_model_and_so_are_its_gradients(
    architecture: str, packs: bool, tiny_model: Callable[[str], Path]
) -> None:
    model = load(tiny_model(architecture))
    if packs and not pack_attention(model):
        pytest.skip("this model's attention slides over a window, so it reads padded rows")
    tuned = add_lora(model, Lora(4, 8, 0.0), seed=1)
    head = tuned.get_base_model().get_output_embeddings()
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:  # B starts at zero, where A would get no gradient
            torch.nn.init.normal_(parameter, std=0.05)
    examples = [*some_examples(2, [9, 23, 40]), *opened_alike(3)]
    part = predict(tuned, head, examples, torch.device("cpu"))
    loss = -part.logprobs().sum()
    loss.backward()
    own = {n: p.grad.clone() for n, p in tuned.named_parameters() if p.requires_grad}
    tuned.zero_grad()
    expected = torch.zeros(())
    for number, example in enumerate(examples):  # one by one, no padding, full logits
        logits = tuned(input_ids=torch.tensor([example.ids])).logits[0, :-1]
        each = F.cross_entropy(logits, torch.tensor(example.labels[1:]), reduction="sum")
        torch.testing.assert_close(
            -part.logprobs()[part.owners == number].sum().detach(), each.detach(), rtol=1e-5, atol=1e-4
        )
        expected = expected + each
    expected.backward()
    torch.testing.assert_close(loss.detach(), expected.detach(), rtol=1e-5, atol=1e-4)
    assert len(part.targets) == sum(example.learned for example in examples)
    for name, parameter in tuned.named_parameters():
        if parameter.requires_grad:
            largest = float(parameter.grad.abs().max())
            torch.testing.assert_close(own[name], parameter.grad, rtol=0, atol=1e-5 * largest)


def test_what_a_batch_begins_with_alike_is_read_once() -> None:
    examples = opened_alike(3)
    groups = group_by_prefix(examples)
    assert sorted((g.prefix, tuple(sorted(g.members))) for g in groups) == [
        (0, (3, 6)), (17, (1, 5)), (40, (0, 2, 4)),
    ]  # fmt: skip
    assert packed_tokens(examples) == sum(len(e.ids) for e in examples) - 2 * 40 - 17


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 25), st.integers(3, 20)), min_size=1, max_size=12)
)
def test_groups_hold_every_sequence_once_and_share_only_what_is_alike(
    plan: list[tuple[int, int, int]],
) -> None:
    examples = []
    for number, (prompt, shared, length) in enumerate(plan, 1):
        ids = [7 + prompt] * shared + [100 + number + i for i in range(length)]
        labels = [IGNORE_INDEX] * (len(ids) - 2) + ids[-2:]
        examples.append(Example(number, ids, labels))
    groups = group_by_prefix(examples)
    assert sorted(m for g in groups for m in g.members) == list(range(len(examples)))
    for group in groups:
        members = [examples[m] for m in group.members]
        assert all(e.ids[: group.prefix] == members[0].ids[: group.prefix] for e in members)
        # The token before the first learned one predicts it, so each sequence reads that itself.
        assert all(group.prefix <= shareable(e) < len(e.ids) - 2 for e in members)
    assert packed_tokens(examples) <= sum(len(e.ids) for e in examples)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_saved_adapter_loads_in_peft_and_changes_the_logits(
    architecture: str, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    from peft import PeftModel

    tuned = add_lora(load(tiny_model(architecture)), Lora(4, 8, 0.0), seed=1)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    tuned.eval()
    ids = torch.arange(5, 25)[None]
    write_sealed(tmp_path / "model", adapter_files(tuned, tiny_model(architecture)))
    base = load(tiny_model(architecture))
    with torch.no_grad():
        plain = base(input_ids=ids).logits
        again = PeftModel.from_pretrained(base, str(tmp_path / "model")).eval()
        torch.testing.assert_close(again(input_ids=ids).logits, tuned(input_ids=ids).logits)
        assert (again(input_ids=ids).logits - plain).abs().max() > 0.01


@given(st.lists(st.integers(1, 300), min_size=1, max_size=200), st.integers(1, 17), st.integers())
def test_every_example_is_in_exactly_one_batch_of_an_epoch(lengths: list[int], size: int, seed: int) -> None:
    plan = plan_epoch(lengths, size, seed, 0)
    assert sorted(i for batch in plan for i in batch) == list(range(len(lengths)))
    assert len(plan) == steps_per_epoch(len(lengths), size)
    assert max(map(len, plan)) <= size
    assert plan == plan_epoch(lengths, size, seed, 0)


def test_batches_hold_similar_lengths_and_change_with_the_epoch() -> None:
    chooser = random.Random(0)
    lengths = [chooser.randrange(10, 500) for _ in range(640)]
    plan = plan_epoch(lengths, 8, 3, 0)
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in plan)
    assert padded < 1.1 * sum(lengths)
    assert plan != plan_epoch(lengths, 8, 3, 1)
    assert plan != plan_epoch(lengths, 8, 4, 0)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 200))
def test_pieces_keep_every_example_and_stay_small(lengths: list[int], most: int) -> None:
    examples = some_examples(1, lengths)
    pieces = split_by_tokens(examples, most)
    assert sorted(e.number for piece in pieces for e in piece) == [e.number for e in examples]
    for piece in pieces:
        assert len(piece) == 1 or len(piece) * max(len(e.ids) for e in piece) <= most


def test_the_learning_rate_warms_up_peaks_and_falls_to_a_tenth() -> None:
    rates = [rate_at(step, 100, 1.0) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[4] == 1.0
    assert rates[-1] == pytest.approx(0.1, abs=0.01)
    assert all(a >= b for a, b in itertools.pairwise(rates[5:]))
    assert rate_at(0, 1, 1.0) == 1.0


def test_a_base_beyond_memory_is_refused_with_the_sum(tiny_model: Callable[[str], Path]) -> None:
    from transformers import LlamaConfig

    config = LlamaConfig(hidden_size=8192, num_hidden_layers=80, intermediate_size=28672, vocab_size=128256)
    need = estimate_need(70_000_000_000, 2, config, 16, 2048)
    with pytest.raises(
        JobFailed, match=r"weights 130\.4 \+ adapter.* = .* GiB, and this machine has 24\.0 GiB"
    ):
        refuse_if_too_large(need, 24 * 2**30, "this machine")
    refuse_if_too_large(need, 400 * 2**30, "this machine")
    assert micro_batch_tokens(need, 400 * 2**30, 2048) >= 2048


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(28, "No space left on device"), "disk_full"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        (PermissionError(13, "Permission denied"), "server_error"),
        (ZeroDivisionError("x"), "server_error"),
    ],
)
def test_every_failure_gets_a_code_and_a_message(error: Exception, code: str) -> None:
    failure = describe_failure(error)
    assert failure.code == code
    assert len(str(failure)) > 20
