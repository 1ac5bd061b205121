"""A cast: characters over one base share a batch, and each says what it would say alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from understudy.inference.base import check_base, choose_placement, load_base
from understudy.inference.batch import Batch, Row, make_rows
from understudy.inference.request import ChatRequest
from understudy.inference.sealed import write_sealed
from understudy.inference.stage import Stage
from understudy.inference.voices import Voices
from understudy.training.lora import adapter_files, add_lora
from understudy.training.spec import Lora

from .conftest import Worker, text_of

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
CAST = 16
LONG = "You are Princess Ophelia. " + "The tide is honest, which is more than a lamp can say. " * 2


@pytest.fixture(scope="module")
def cast(tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Sixteen adapters of random weights, of two ranks, for the tiny Llama."""
    root, base = tmp_path_factory.mktemp("cast"), tiny_model("llama")
    files = check_base(base)
    for number in range(CAST):
        rank = 4 + 2 * (number % 2)
        tuned = add_lora(load_base(files, choose_placement(files.parameters)), Lora(rank, 8, 0.0), number)
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)
        write_sealed(root / f"{number:02}", adapter_files(tuned, base))
    return sorted(root.iterdir())


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def request_of(base: Path, adapter: Path | None, name: str, number: int) -> dict[str, Any]:
    """Of four characters one is greedy and one has a long prompt; the lengths differ."""
    system = [{"role": "system", "content": LONG}] if number % 4 == 1 else []
    return {
        "id": name,
        "op": "chat",
        "base": base,
        "adapter": adapter,
        "max_tokens": 12 + number,
        "temperature": 0.0 if number % 4 == 0 else 1.0,
        "seed": number,
        "messages": [*system, {"role": "user", "content": "Who are you? " * (1 + number % 3)}],
    }


def test_sixteen_characters_at_once_say_what_each_says_alone(
    worker: Worker, tiny_model, cast: list[Path]
) -> None:
    base = tiny_model("llama")
    everyone: list[Path | None] = [*cast, None]
    alone = [
        text_of(worker.ask(**request_of(base, adapter, f"alone-{number}", number)))
        for number, adapter in enumerate(everyone)
    ]
    assert len(set(alone)) == len(everyone)  # who speaks can be told from what is said
    for number, adapter in enumerate(everyone):
        worker.send(**request_of(base, adapter, f"together-{number}", number))
    events = worker.until_done(*[f"together-{number}" for number in range(len(everyone))])
    assert [text_of(events[f"together-{number}"]) for number in range(len(everyone))] == alone


def rows_of(voices: Voices, base: Path, adapters: list[Path | None], room: int = 10) -> list[Row]:
    rows = []
    for number, adapter in enumerate(adapters):
        request = ChatRequest(number, base, adapter, [{"role": "user", "content": "Who?"}], temperature=0.0)
        voice = voices.get(base, adapter)
        rows += make_rows(request, voice.renderer.prompt(request.messages).ids, voice, room)
    return rows


def speak(batch: Batch, rows: list[Row]) -> list[list[int]]:
    while batch.active:
        batch.step()
    return [row.tokens for row in rows]


@pytest.mark.parametrize("kept_bytes", [None, 0], ids=["all kept", "each leaves while it speaks"])
def test_one_batch_holds_them_all_in_any_order(tiny_model, cast: list[Path], kept_bytes: int | None) -> None:
    base, voices = tiny_model("llama"), Voices(kept_bytes)
    expected = {}
    for adapter in (None, *cast):
        rows = rows_of(voices, base, [adapter])
        batch = Batch(rows[0].voice.base)
        batch.admit(rows)
        (expected[adapter],) = speak(batch, rows)
    orders: list[list[Path | None]] = [
        [None, *cast[:3], None],
        [cast[5], cast[5], cast[1], cast[5]],
        [*reversed(cast)],
        [cast[2]] * 3,
    ]
    for order in orders:
        rows = rows_of(voices, base, order)
        batch = Batch(rows[0].voice.base)
        batch.admit(rows[:2])
        for row in rows[2:]:  # the others join in mid-sentence
            batch.step()
            batch.admit([row])
        assert speak(batch, rows) == [expected[adapter] for adapter in order]


def test_a_place_on_the_stage_is_taken_over_once_nobody_needs_it(
    tiny_model, cast: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from understudy.inference import stage as stage_module

    monkeypatch.setattr(stage_module, "_STALE_CALLS", 2)
    base, voices = tiny_model("llama"), Voices()
    one: Stage = voices.get(base, None).base.stage
    texts = []
    for adapter in [*cast, *cast[:4]]:
        rows = rows_of(voices, base, [adapter])
        batch = Batch(rows[0].voice.base)
        batch.admit(rows)
        texts += speak(batch, rows)
    assert texts[:4] == texts[CAST:]
    assert len(one._adapters) <= 3


def test_a_character_that_must_be_loaded_joins_those_who_speak(
    tiny_model, cast: list[Path], tmp_path: Path
) -> None:
    """Its files are read beside, a damaged one fails alone, and one that is cancelled says nothing."""
    import shutil

    base, worker = tiny_model("llama"), Worker()
    damaged = shutil.copytree(cast[1], tmp_path / "damaged")
    (damaged / "adapter_config.json").write_text("{")
    (damaged / "manifest.json").unlink()
    speaking = request_of(base, cast[0], "speaking", 0) | {"max_tokens": 150, "temperature": 1.0, "n": 4}
    worker.send(**speaking)
    for number, adapter in enumerate([cast[2], damaged, cast[3]]):
        worker.send(**request_of(base, adapter, f"late-{number}", 2 + number))
    worker.send(id="late-2", op="cancel")
    events = worker.until_done("speaking", "late-0", "late-1", "late-2")
    assert events["late-0"][-1]["event"] == events["speaking"][-1]["event"] == "done"
    assert "cannot be read" in events["late-1"][-1]["message"]
    assert events["late-2"][-1]["cancelled"]
    again = worker.ask(**request_of(base, cast[2], "again", 2))
    assert text_of(again) == text_of(events["late-0"])
    worker.close()


def test_an_adapter_names_what_it_cannot_sit_on(tiny_model, cast: list[Path], tmp_path: Path) -> None:
    import shutil

    from understudy.errors import ModelError

    copy = shutil.copytree(cast[0], tmp_path / "other")
    with pytest.raises(ModelError, match=r"does not fit the base \(model\.layers\.\d+\..* is \d+ x \d+"):
        Voices().get(tiny_model("qwen3"), copy)
