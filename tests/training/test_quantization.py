"""Four bits: refused where they cannot be had, counted right, and learned through where they can."""

import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from understudy.inference.base import Placement, check_base, load_base
from understudy.training import quantization
from understudy.training.capacity import estimate_need, refuse_if_too_large
from understudy.training.examples import Example
from understudy.training.failure import JobFailed
from understudy.training.lora import add_lora
from understudy.training.packed_attention import pack_attention
from understudy.training.predictions import predict
from understudy.training.quantization import four_bit_config, prepare_four_bit, why_not_four_bit
from understudy.training.spec import Lora

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
needs_library = pytest.mark.skipif(
    find_spec("bitsandbytes") is None, reason="the extra 'qlora' is not installed"
)
BF16 = Placement(torch.device("cpu"), torch.bfloat16)


def test_a_job_in_four_bits_is_refused_before_it_starts_where_there_is_no_cuda(job: Any) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    job.spec["quantization"] = "4bit"

    (failed,) = job.run()

    assert (failed["code"], failed["param"]) == ("unsupported_value", "hyperparameters.quantization")
    assert "needs an NVIDIA GPU with CUDA" in failed["message"]
    assert "Leave quantization out" in failed["message"]
    assert not list(job.output.glob("checkpoint-*"))


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda name: None)
    assert "pip install 'understudy[qlora]'" in (why_not_four_bit(has_cuda=True) or "")


def test_other_words_for_it_are_refused(job: Any) -> None:
    job.spec["quantization"] = "8bit"
    (failed,) = job.run()
    assert failed["code"] == "invalid_specification"
    assert "'8bit' is not 4bit" in failed["message"]


def test_it_is_another_job_than_without(job: Any, tmp_path: Path) -> None:
    import json

    from understudy.training.spec import load_spec

    prints = set()
    for value in (None, "4bit"):
        (tmp_path / "spec.json").write_text(json.dumps(job.spec | {"quantization": value}))
        prints.add(load_spec(tmp_path / "spec.json").fingerprint())
    assert len(prints) == 2


def test_the_configuration_is_that_of_the_paper() -> None:
    config = four_bit_config()
    assert config.load_in_4bit
    assert config.bnb_4bit_quant_type == "nf4"
    assert config.bnb_4bit_use_double_quant
    assert config.bnb_4bit_compute_dtype == torch.bfloat16


def test_memory_is_counted_in_four_bits() -> None:
    """A Llama of 8 billion parameters fits into 12 GiB so, and not in bf16."""
    text = SimpleNamespace(
        hidden_size=4096, num_hidden_layers=32, intermediate_size=14336, vocab_size=128256,
        tie_word_embeddings=False,
    )  # fmt: skip
    config = SimpleNamespace(get_text_config=lambda: text)
    whole = estimate_need(8_030_261_248, 2, config, 16, 512)
    small = estimate_need(8_030_261_248, 2, config, 16, 512, four_bit=True)

    layers = 8_030_261_248 - 2 * 128256 * 4096
    assert small.weights == pytest.approx(layers * 4.127 / 8 + 2 * 2 * 128256 * 4096, rel=1e-3)
    assert (small.adapter, small.longest_example) == (whole.adapter, whole.longest_example)
    refuse_if_too_large(small, 12 * 2**30, "the GPU")
    with pytest.raises(JobFailed, match=r"weights 15\.0 .* and the GPU has 12\.0 GiB"):
        refuse_if_too_large(whole, 12 * 2**30, "the GPU")


# -- where bitsandbytes is: the real path, on the processor ------------------------------------


def _loaded(base: Path) -> Any:
    model = load_base(check_base(base), BF16, four_bit_config())
    prepare_four_bit(model)
    return model


@needs_library
def test_layers_are_four_bits_and_nothing_else_is(tiny_model: Callable[[str], Path]) -> None:
    model = _loaded(tiny_model("llama"))
    kinds = {name: parameter.dtype for name, parameter in model.named_parameters()}
    layers = {name for name, kind in kinds.items() if kind == torch.uint8}
    assert {name.rsplit(".", 2)[1] for name in layers} == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    }  # fmt: skip
    assert {kind for name, kind in kinds.items() if name not in layers} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in model.parameters())
    counted = estimate_need(check_base(tiny_model("llama")).parameters, 2, model.config, 1, 0, four_bit=True)
    held = sum(p.numel() * p.element_size() for p in model.parameters())
    assert held == pytest.approx(counted.weights, rel=0.05)


@needs_library
def test_gradients_are_those_of_the_same_rounded_matrices(tiny_model: Callable[[str], Path]) -> None:
    """Also after a reading without gradients, as validation and references are."""
    import bitsandbytes.functional as F

    base = tiny_model("llama")
    rounded = load_base(check_base(base), Placement(BF16.device, torch.float32))
    small = _loaded(base)
    with torch.no_grad():
        modules = dict(rounded.named_modules())
        for name, module in small.named_modules():
            if hasattr(module, "support_avx512bf16_for_cpu"):
                weight = F.dequantize_4bit(module.weight.data, module.weight.quant_state)
                modules[name].weight.copy_(weight.float())
    examples = [Example(n, [5 + n, 7, 9, 11, 30 + n, 40], [-100, -100, 9, 11, 30 + n, 40]) for n in range(3)]
    found = []
    for model in (rounded, small):
        pack_attention(model)
        tuned = add_lora(model, Lora(4, 8, 0.0), seed=3)
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                torch.manual_seed(len(name))
                torch.nn.init.normal_(parameter, std=0.1)
        tuned.eval()
        with torch.no_grad():
            tuned(input_ids=torch.tensor([[1, 2, 3]]))
        tuned.train()
        with torch.autocast("cpu", torch.bfloat16):
            loss = -predict(tuned, model.get_output_embeddings(), examples, BF16.device).logprobs().sum()
        loss.backward()
        found.append([p.grad.flatten() for p in tuned.parameters() if p.requires_grad])
    for whole, four in zip(*found, strict=True):
        similar = torch.nn.functional.cosine_similarity(whole, four, 0)
        assert similar > 0.98
        assert four.norm() == pytest.approx(float(whole.norm()), rel=0.15)


@needs_library
@pytest.mark.parametrize("method", ["supervised", "dpo"])
def test_a_job_learns_and_resumes_in_four_bits(
    method: str, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import write_preference_file

    monkeypatch.setattr(quantization, "ALSO_ON_CPU", True)
    job.spec |= {"quantization": "4bit", "lora": {"rank": 4, "alpha": 8, "dropout": 0.0}, "method": method}
    if method == "dpo":
        job.spec["training_file"] = str(write_preference_file(job.root / "pairs.jsonl", 24))
        job.spec["validation_file"] = None

    stopped = job.run(stop_after=8)
    assert stopped[-1]["event"] == "stopped"
    events = job.run()

    started = next(event for event in events if event["event"] == "started")
    assert (started["quantization"], started["precision"], started["resumed_from_step"]) == (
        "4bit",
        "bf16",
        8,
    )
    losses = [e["train_loss"] for e in (*stopped, *events) if e["event"] == "step"]
    assert events[-1]["event"] == "done"
    assert len(losses) == 18
    assert sum(losses[-6:]) < 0.9 * sum(losses[:6])
    assert sys.modules["bitsandbytes"]
    resumed = job.weights()
    shutil.rmtree(job.output)
    job.run()
    assert job.weights() == resumed
