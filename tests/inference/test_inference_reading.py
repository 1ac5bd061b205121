"""Cache, prefixes and joined rows against the plain forward pass, for every architecture."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from models import ARCHITECTURES

from understudy.errors import ModelError
from understudy.inference.base import check_base, choose_placement, load_base
from understudy.inference.batch import Batch, Row, make_rows
from understudy.inference.prefixes import common_length
from understudy.inference.reading import Sequence_, read
from understudy.inference.request import ChatRequest
from understudy.inference.voices import Voice, Voices

TEXTS = [
    "Who are you?",
    "What do you know about smartphones? Is it a kind of shell, sir, or a letter that nobody sends?",
    "And the tide?",
]


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield


def voice_of(directory: Path) -> Voice:
    return Voices().get(directory, None)


def rows_of(voice: Voice, texts: list[str], room: int = 12) -> list[Row]:
    rows = []
    for number, text in enumerate(texts):
        messages = [{"role": "user", "content": text}]
        request = ChatRequest(number, Path(), None, messages, temperature=0.0)
        rows += make_rows(request, voice.renderer.prompt(messages).ids, voice, room)
    return rows


def plain_greedy(model: Any, voice: Voice, prompt: list[int], room: int) -> list[int]:
    """The definition of greedy decoding: the whole text anew for every token, no cache."""
    ids = list(prompt)
    while len(ids) < len(prompt) + room:
        token = int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
        if token in voice.stop_ids:
            break
        ids.append(token)
    return ids[len(prompt) :]


def note_tokens(rows: list[Row], spoken: dict[int, list[int]]) -> None:
    """Note the tokens of all rows, as they came."""
    for row in rows:
        tokens = spoken.setdefault(row.request.id, [])
        if row.written > len(tokens):
            tokens.append(row.tokens[-1])


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_joined_and_cached_rows_speak_as_the_plain_model(
    architecture: str, tiny_model: Callable[[str], Path]
) -> None:
    directory = tiny_model(architecture)
    voice = voice_of(directory)
    files = check_base(directory)
    plain = load_base(files, choose_placement(files.parameters))
    rows = rows_of(voice, TEXTS)
    batch, spoken = Batch(voice.base), {}
    batch.admit(rows[:2])
    note_tokens(rows, spoken)
    for step in range(20):
        if step == 3:
            batch.admit(rows[2:])  # joins while the others are in mid-sentence
        else:
            batch.step()
        note_tokens(rows, spoken)
    for row in rows:
        assert spoken[row.request.id] == plain_greedy(plain, voice, row.prompt, 12), row.request.id


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_stored_prefix_changes_no_logits(architecture: str, tiny_model: Callable[[str], Path]) -> None:
    directory = tiny_model(architecture)
    voice = voice_of(directory)
    files = check_base(directory)
    plain = load_base(files, choose_placement(files.parameters))
    generator = torch.Generator().manual_seed(3)
    common = torch.randint(10, 300, (90,), generator=generator).tolist()
    endings = [torch.randint(10, 300, (n,), generator=generator).tolist() for n in (1, 7, 20)]
    empty = voice.preambles.empty
    sequences = [Sequence_(common + end, [90 + len(end) - 1], voice, empty) for end in endings]
    for _ in range(2):  # the first time it is read and stored, the second time only used
        for members, parts, _layers in read(sequences, keep=True):
            for member, logits in zip(members, parts, strict=True):
                expected = plain(input_ids=torch.tensor([sequences[member].ids])).logits[0, -1:]
                torch.testing.assert_close(logits, expected, atol=2e-4, rtol=1e-4)
    stored, length = voice.preambles.empty.prefixes.best([*common, 5], 1000)
    assert stored is not None
    assert length == 90


@pytest.mark.parametrize("system", [None, "You are a lighthouse keeper who counts the ships. " * 6])
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_a_conversation_goes_on_from_what_it_has_read_and_written(
    architecture: str, system: str | None, tiny_model: Callable[[str], Path]
) -> None:
    """Two conversations side by side: their histories are stored as they end, and change no logits."""
    directory = tiny_model(architecture)
    voice = voice_of(directory)
    files = check_base(directory)
    plain = load_base(files, choose_placement(files.parameters))
    begun = [{"role": "system", "content": system}] if system else []
    talks = [[*begun, {"role": "user", "content": text * 8}] for text in TEXTS[:2]]
    rows = []
    for number, talk in enumerate(talks):
        request = ChatRequest(number, Path(), None, talk, temperature=0.0)
        rows += make_rows(request, voice.renderer.prompt(talk).ids, voice, 40 + 9 * number)
    shared = rows[0].preamble if rows[0].preamble.layers is not None else None
    batch = Batch(voice.base, shared)
    batch.admit(rows)
    while batch.active:
        batch.step()
    for row in rows:
        assert row.finish_reason == "length"
        read_ids = [*row.prompt, *row.tokens]
        stored, length = row.preamble.prefixes.best([*read_ids, 5], 10_000)
        assert stored is not None
        assert length == len(read_ids) - 1, "the last token was written and never read"
        again = [*read_ids, 7, 8, 9]
        ((_, (logits,), _),) = read([Sequence_(again, [len(again) - 1], voice, row.preamble)], keep=True)
        expected = plain(input_ids=torch.tensor([[*row.preamble.ids, *again]])).logits[0, -1:]
        torch.testing.assert_close(logits, expected, atol=2e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_logprobs_of_spoken_tokens_equal_those_of_one_pass(tiny_model: Callable[[str], Path]) -> None:
    voice = voice_of(tiny_model("gemma3_text"))
    request = ChatRequest(
        0, Path(), None, [{"role": "user", "content": TEXTS[1]}], seed=1, n=3, logprobs=True
    )
    prompt = voice.renderer.prompt(request.messages).ids
    rows = make_rows(request, prompt, voice, 25)
    batch, spoken = Batch(voice.base), {}
    for row in rows:
        row.request = ChatRequest(row.index, Path(), None, request.messages, logprobs=True)
    batch.admit(rows)
    note_tokens(rows, spoken)
    while batch.active:
        batch.step()
        note_tokens(rows, spoken)
    for row in rows:
        noted = [note["logprob"] for note in row.text.take(final=True)[1]]
        tokens = spoken[row.index]
        places = list(range(len(prompt) - 1, len(prompt) + len(tokens) - 1))
        ((_, (logits,), _),) = read([Sequence_(prompt + tokens, places, voice, voice.preambles.empty)])
        expected = torch.log_softmax(logits, -1)[range(len(tokens)), tokens]
        torch.testing.assert_close(torch.tensor(noted), expected, atol=1e-4, rtol=1e-4)
        assert len(noted) == len(tokens) == row.written


LONG_PROMPT = "You are Princess Ophelia. " + "The tide is honest, which is more than a lamp can say. " * 3


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_shared_system_prompt_changes_nothing_that_is_said(
    architecture: str, tiny_model: Callable[[str], Path]
) -> None:
    directory = tiny_model(architecture)
    voice = voice_of(directory)
    files = check_base(directory)
    plain = load_base(files, choose_placement(files.parameters))
    rows, prompts = [], []
    for number, text in enumerate(TEXTS):
        messages = [{"role": "system", "content": LONG_PROMPT}, {"role": "user", "content": text}]
        request = ChatRequest(number, Path(), None, messages, temperature=0.0)
        prompts.append(voice.renderer.prompt(messages).ids)
        rows += make_rows(request, prompts[-1], voice, 10)
    shares = architecture not in ("gemma2", "gemma3_text", "mistral")  # their attention slides
    assert (rows[0].preamble.length > 30) == shares
    assert len({id(row.preamble) for row in rows}) == 1
    batch, spoken = Batch(voice.base, rows[0].preamble), {}
    batch.admit(rows[:2])
    note_tokens(rows, spoken)
    for step in range(16):
        if step == 3:
            batch.admit(rows[2:])
        else:
            batch.step()
        note_tokens(rows, spoken)
    for row, prompt in zip(rows, prompts, strict=True):
        assert spoken[row.request.id] == plain_greedy(plain, voice, prompt, 10)


@pytest.mark.parametrize(("heads", "groups", "queries"), [(4, 4, 1), (4, 2, 1), (6, 2, 5), (4, 1, 3)])
def test_split_attention_is_attention(heads: int, groups: int, queries: int) -> None:
    from understudy.inference.shared_attention import attend_split

    rows, own, shared, size = 3, 7, 11, 8
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    query, key, value = (
        draw(rows, heads, queries, size),
        draw(rows, groups, own, size),
        draw(rows, groups, own, size),
    )
    keys, values = draw(groups, shared, size), draw(groups, shared, size)
    mask = torch.ones(queries, own, dtype=torch.bool).tril(own - queries)[None, None].repeat(rows, 1, 1, 1)
    mask[1, ..., :2] = False  # padding on the left
    whole_keys = torch.cat([keys.expand(rows, -1, -1, -1), key], 2).repeat_interleave(heads // groups, 1)
    whole_values = torch.cat([values.expand(rows, -1, -1, -1), value], 2).repeat_interleave(
        heads // groups, 1
    )
    whole_mask = torch.cat([torch.ones(rows, 1, queries, shared, dtype=torch.bool), mask], -1)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, whole_keys, whole_values, attn_mask=whole_mask, scale=0.3
    ).transpose(1, 2)
    torch.testing.assert_close(attend_split(query, key, value, keys, values, mask, 0.3), expected)


def test_common_length_counts_equal_beginnings() -> None:
    assert common_length([1, 2, 3], [1, 2, 3, 4]) == 3
    assert common_length([1, 2, 9, 4], [1, 2, 3, 4]) == 2
    assert common_length([], [1]) == 0
    assert common_length([7], [1]) == 0


def test_the_story_model_tells_a_story(shared: Path) -> None:
    """A real model whose tied embeddings are stored as the head alone."""
    directory = shared / "models" / "tinystories-656k"
    voice = voice_of(directory)
    encode = voice.renderer.tokenizer._first.encode
    model = voice.base.model
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    text = "<|start_story|>Once upon a time, there was a little boy named Tim."
    ids = torch.tensor([encode(text, add_special_tokens=False).ids])
    story = ids
    for _ in range(40):
        story = torch.cat([story, model(input_ids=story).logits[:, -1:].argmax(-1)], 1)
    told = voice.renderer.decode(story[0].tolist())
    assert sum(word in told for word in ("he ", "to ", "the ", "a ", "was ", "day")) >= 4
    assert float(model(input_ids=ids, labels=ids).loss) < 2.2


def test_weights_that_are_missing_or_cut_are_refused(
    tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    directory = shutil.copytree(tiny_model("qwen3"), tmp_path / "model")
    weights = directory / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cut off: fetch the file again"):
        check_base(directory)
    weights.write_bytes(whole)
    tensors = load_file(weights)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    files = check_base(directory)
    with pytest.raises(ModelError, match=r"1 weights are missing.*up_proj"):
        load_base(files, choose_placement(files.parameters))


def test_pickles_unknown_types_and_empty_folders_are_refused(
    tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    import json
    import shutil

    with pytest.raises(ModelError, match="no such model directory"):
        check_base(tmp_path / "none")
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        check_base(tmp_path)
    directory = shutil.copytree(tiny_model("llama"), tmp_path / "model")
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(ModelError, match="only as pickle files"):
        check_base(directory)
    (directory / "pytorch_model.bin").rename(directory / "model.safetensors")
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "model_type": "hal9000"}))
    files = check_base(directory)
    with pytest.raises(ModelError, match="architecture 'hal9000' is unknown"):
        load_base(files, choose_placement(files.parameters))
    (directory / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    with pytest.raises(ModelError, match=r"other shapes|do not belong|belong together"):
        load_base(files, choose_placement(files.parameters))


def test_conversations_under_many_prompts_share_one_limit(
    tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import understudy.inference.preamble as module

    voice = voice_of(tiny_model("llama"))
    shelf = voice.preambles
    found = []
    for number in range(3):
        text = f"You are keeper {number} of the lighthouse. " * 9
        talk = [{"role": "system", "content": text}, {"role": "user", "content": TEXTS[1] * 4}]
        request = ChatRequest(number, Path(), None, talk, temperature=0.0)
        (row,) = make_rows(request, voice.renderer.prompt(talk).ids, voice, 30)
        batch = Batch(voice.base, row.preamble)
        batch.admit([row])
        while batch.active:
            batch.step()
        found.append(row.preamble.prefixes)
    sizes = [store.size_bytes for store in found]
    assert all(sizes)
    monkeypatch.setattr(module, "_CONVERSATION_BYTES", sum(sizes[1:]))
    shelf.trim()
    assert [store.size_bytes for store in found] == [0, *sizes[1:]], (
        "the least recently used prompt's go first"
    )
