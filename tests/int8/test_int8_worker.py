"""The int8 process, spoken to as the server speaks to it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inference.conftest import Worker, text_of

from understudy.rendering import Renderer

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
Chat = Callable[..., list[dict[str, Any]]]
LONG = "You are Princess Ophelia. " + "The tide is honest, which is more than a lamp can say. " * 3


def greedy_by_plain_reading(folder: Path, messages: list[dict[str, str]], length: int) -> str:
    """What CTranslate2 finds likeliest when it reads everything anew for each token."""
    import ctranslate2
    import numpy as np

    generator = ctranslate2.Generator(str(folder), compute_type="int8", intra_threads=1)
    renderer = Renderer.load(folder)
    ids = list(renderer.prompt(messages).ids)
    begin = len(ids)
    while len(ids) < begin + length:
        token = int(np.array(generator.forward_batch([ids]))[0, -1].argmax())
        if token in renderer.stop_ids:
            break
        ids.append(token)
    data = b"".join(renderer.token_bytes(i) for i in ids[begin:] if i not in renderer.tokenizer.control_ids)
    return data.decode(errors="replace")


@pytest.mark.parametrize("system", [None, LONG], ids=["short", "long prompt"])
def test_greedy_replies_are_those_of_a_plain_reading(
    chat: Chat, worker: Worker, exported: Path, system: str | None
) -> None:
    before = [{"role": "system", "content": system}] if system else []
    asked = ("Who are you?", "Where do you live?", "Tell me of the tide, the lamp and the garden.")
    for content in asked:
        worker.send(
            id=content, op="chat", base=exported, temperature=0, max_tokens=16,
            messages=[*before, {"role": "user", "content": content}],
        )  # fmt: skip
    events = worker.until_done(*asked)
    same = sum(
        text_of(events[content])
        == greedy_by_plain_reading(exported, [*before, {"role": "user", "content": content}], 16)
        for content in asked
    )
    assert same >= 2  # two words may tie within rounding
    for content in asked:
        start, *_, finish, done = events[content]
        assert start["prompt_tokens"] > 5
        assert finish["finish_reason"] in ("stop", "length")
        assert 0 < finish["completion_tokens"] <= 16
        assert done["event"] == "done"


def test_a_seed_repeats_a_reply_beside_others_and_no_seed_does_not(
    chat: Chat, worker: Worker, exported
) -> None:
    settings = {"temperature": 1.2, "max_tokens": 20}
    alone = text_of(chat("And the garden?", seed=7, **settings))
    for number in range(6):
        worker.send(
            id=f"crowd-{number}", op="chat", base=exported, **settings,
            messages=[{"role": "user", "content": "And the garden?"}],
        )  # fmt: skip
    worker.send(
        id="wanted", op="chat", base=exported, seed=7, **settings,
        messages=[{"role": "user", "content": "And the garden?"}],
    )  # fmt: skip
    crowd = [f"crowd-{number}" for number in range(6)]
    events = worker.until_done(*crowd, "wanted")
    assert text_of(events["wanted"]) == alone
    texts = {text_of(events[name]) for name in crowd}
    assert len(texts) == 6
    assert alone not in texts
    assert text_of(chat("And the garden?", seed=8, **settings)) != alone


def test_choices_of_one_seed_differ_and_repeat(chat: Chat) -> None:
    first, again = (chat(seed=3, n=3, temperature=1.0, max_tokens=12) for _ in range(2))
    texts = [text_of(first, index) for index in range(3)]
    assert texts == [text_of(again, index) for index in range(3)]
    assert len(set(texts)) == 3


def test_top_p_keeps_the_likeliest_words(chat: Chat) -> None:
    greedy = text_of(chat(temperature=0, max_tokens=8))
    assert text_of(chat(temperature=1.0, top_p=0, max_tokens=8)) == greedy
    narrow = {text_of(chat(temperature=1.0, top_p=0.0001, max_tokens=8)) for _ in range(4)}
    assert narrow == {greedy}
    wide = {text_of(chat(temperature=2.0, max_tokens=8)) for _ in range(4)}
    assert len(wide) == 4


def test_stop_strings_and_lengths_end_a_reply(chat: Chat) -> None:
    whole = text_of(chat(temperature=0, max_tokens=24))
    stop = whole[len(whole) // 2 :][:3]
    events = chat(temperature=0, max_tokens=24, stop=[stop])
    assert text_of(events) == whole[: whole.index(stop)]
    assert next(e for e in events if e["event"] == "finish")["finish_reason"] == "stop"
    short = chat(temperature=0, max_tokens=3)
    finish = next(e for e in short if e["event"] == "finish")
    assert (finish["finish_reason"], finish["completion_tokens"]) == ("length", 3)


def test_a_cancelled_request_ends_and_others_go_on(worker: Worker, exported: Path) -> None:
    messages = [{"role": "user", "content": "Sing, and do not stop."}]
    worker.send(id="gone", op="chat", base=exported, messages=messages, temperature=1.0, max_tokens=200)
    worker.send(id="gone", op="cancel")
    worker.send(id="stays", op="chat", base=exported, messages=messages, temperature=1.0, max_tokens=8)
    events = worker.until_done("gone", "stays")
    assert events["gone"][-1]["event"] == "done"
    assert events["stays"][-2]["event"] == "finish"


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"logprobs": True}, "unsupported_parameter", "logprobs"),
        ({"frequency_penalty": 0.5}, "unsupported_parameter", "frequency_penalty"),
        ({"presence_penalty": -0.5}, "unsupported_parameter", "presence_penalty"),
        ({"messages": [{"role": "user", "content": "tea " * 400}]}, "context_length_exceeded", "messages"),
        ({"messages": [{"role": "nobody", "content": "?"}]}, "invalid_value", "messages"),
        ({"op": "score"}, "invalid_request", "op"),
        ({"base": "/nowhere"}, "invalid_model", "model"),
        ({"temperature": 9}, "invalid_value", "temperature"),
    ],
)
def test_what_it_cannot_do_is_said(chat: Chat, change: dict[str, Any], code: str, param: str) -> None:
    (event,) = chat(**change)
    assert (event["event"], event["code"], event["param"]) == ("error", code, param)
    assert text_of(chat(temperature=0, max_tokens=4))  # and the next one is answered


def test_a_model_that_was_changed_is_not_spoken_with(worker: Worker, exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(exported, folder)
    data = bytearray((folder / "model.bin").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.bin").write_bytes(data)
    messages = [{"role": "user", "content": "Who are you?"}]
    (event,) = worker.ask(id="changed", op="chat", base=folder, messages=messages)
    assert event["code"] == "invalid_model"
    assert "has changed since it was written" in event["message"]
    (folder / "parity.json").unlink()
    (event,) = worker.ask(id="unproved", op="chat", base=folder, messages=messages)
    assert "never shown to say what the trained model says" in event["message"]


def test_it_needs_no_torch(exported: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from understudy.int8.voice import Int8Voice; "
        f"Int8Voice(Path({str(exported)!r}), 1); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_prompts_that_are_kept_leave_and_come_back(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from understudy.inference.request import ChatRequest
    from understudy.int8 import voice as module
    from understudy.int8.line import gather

    voice = module.Int8Voice(exported, 1)

    def reply(system: str) -> str:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": "Who are you?"}]
        lines = voice.lines(ChatRequest(1, exported, None, messages, temperature=0.0, max_tokens=8))
        assert len(lines[0].begin) >= 32
        said = lines[0]
        voice.speak(gather(lines), lambda line, over: None)
        return said.text.take(final=True)[0]

    prompts = [f"{number}. {LONG}" for number in range(4)]
    first = [reply(prompt) for prompt in prompts]
    assert len(voice._kept) == 4
    monkeypatch.setattr(module, "_KEPT_BYTES", voice.parity.cache_bytes_per_token * 150)
    assert [reply(prompt) for prompt in prompts] == first
    assert 0 < len(voice._kept) < 4
