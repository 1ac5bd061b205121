"""The inference process, spoken to as the server speaks to it."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Worker, text_of

LONG = "You are Princess Ophelia. " + "The tide is honest, which is more than a lamp can say. " * 4


def ask_many(worker: Worker, requests: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    for request in requests:
        worker.send(**request)
    return worker.until_done(*[request["id"] for request in requests])


def test_same_seed_gives_the_same_text_whatever_is_batched_beside(worker: Worker, tiny_model, chat) -> None:
    settings = {"temperature": 1.0, "seed": 11, "max_tokens": 24}
    alone = text_of(chat("What do you know about smartphones?", **settings))
    base = tiny_model("llama")
    crowd = [
        {
            "id": f"crowd-{i}",
            "op": "chat",
            "base": base,
            "max_tokens": 5 + 3 * i,
            "temperature": 1.2,
            "messages": [{"role": "user", "content": "Good evening. " * (i + 1)}],
        }
        for i in range(9)
    ]
    wanted = {
        "id": "wanted",
        "op": "chat",
        "base": base,
        "messages": [{"role": "user", "content": "What do you know about smartphones?"}],
        **settings,
    }
    events = ask_many(worker, [*crowd[:5], wanted, *crowd[5:]])
    assert text_of(events["wanted"]) == alone
    assert len(alone) > 5


def test_greedy_text_stays_the_same_when_rows_join_and_leave(worker: Worker, tiny_model, chat) -> None:
    base = tiny_model("llama")
    words = ["Who?", "Where do you live, princess?", "And the garden, the lamp and the tide?"]
    alone = [text_of(chat(word, temperature=0, max_tokens=30)) for word in words]
    requests = [
        {
            "id": f"join-{i}",
            "op": "chat",
            "base": base,
            "temperature": 0,
            "max_tokens": 30,
            "n": 7,
            "messages": [{"role": "user", "content": word}],
        }
        for i, word in enumerate(words)
    ]
    events = ask_many(worker, requests)  # 21 rows, more than fit at once
    for i, expected in enumerate(alone):
        assert {text_of(events[f"join-{i}"], index) for index in range(7)} == {expected}


def test_a_seed_gives_each_choice_its_own_text(chat) -> None:
    first = chat(temperature=1.0, seed=5, n=3, max_tokens=16)
    again = chat(temperature=1.0, seed=5, n=3, max_tokens=16)
    texts = [text_of(first, index) for index in range(3)]
    assert len(set(texts)) == 3
    assert texts == [text_of(again, index) for index in range(3)]


def test_stop_strings_end_the_reply_and_are_not_shown(chat) -> None:
    texts = {seed: text_of(chat(temperature=1.0, seed=seed, max_tokens=60)) for seed in range(12)}
    seed, whole = max(texts.items(), key=lambda item: len(item[1]))
    stop = whole[10:14]
    assert len(stop) == 4
    events = chat(temperature=1.0, seed=seed, max_tokens=60, stop=[stop, "never this"])
    assert text_of(events) == whole[: whole.index(stop)]
    assert next(e for e in events if e["event"] == "finish")["finish_reason"] == "stop"


def test_max_tokens_ends_the_reply_with_length(chat) -> None:
    events = chat(temperature=1.0, seed=1, max_tokens=3)
    finish = next(e for e in events if e["event"] == "finish")
    assert (finish["finish_reason"], finish["completion_tokens"]) == ("length", 3)
    assert events[0]["event"] == "start"
    assert events[0]["prompt_tokens"] > 5
    assert events[-1]["event"] == "done"


def test_top_p_zero_is_greedy(chat) -> None:
    greedy = text_of(chat(temperature=0, max_tokens=20))
    assert text_of(chat(temperature=1.5, top_p=0.0, seed=1, max_tokens=20)) == greedy


def test_penalties_change_what_repeats(chat) -> None:
    plain = text_of(chat(temperature=0, max_tokens=60))
    punished = text_of(chat(temperature=0, max_tokens=60, frequency_penalty=2.0, presence_penalty=2.0))
    assert punished != plain


def test_logprobs_are_those_of_the_score(worker: Worker, tiny_model, chat) -> None:
    """Speaking and scoring are two ways to the same number; the score adds the end of the turn."""
    base, messages = tiny_model("llama"), [{"role": "user", "content": "Who are you?"}]
    compared = 0
    for seed in range(40):
        events = chat(temperature=0.7, seed=seed, max_tokens=2, logprobs=True, top_logprobs=2)
        finish = next(e for e in events if e["event"] == "finish")
        notes = [note for e in events if e["event"] == "delta" for note in e["logprobs"]]
        assert len(notes) == finish["completion_tokens"]
        assert all(len(note["top_logprobs"]) == 2 for note in notes)
        reply = {"role": "assistant", "content": text_of(events)}
        scored = worker.ask(id=f"sum-{seed}", op="score", base=base, messages=[*messages, reply])[-1]
        (row,) = scored["messages"]
        assert (row["index"], row["bytes"]) == (1, len(reply["content"].encode()))
        if row["tokens"] == len(notes) + 1:  # else the tokenizer would have cut the text in another way
            compared += 1
            end = row["logprob"] - sum(note["logprob"] for note in notes)
            assert -15 < end < 0.0
    assert compared


def test_score_gives_one_row_for_each_assistant_message(worker: Worker, tiny_model) -> None:
    messages = [
        {"role": "assistant", "content": "Welcome, traveller."},
        {"role": "user", "content": "Who are you?"},
        {"role": "assistant", "content": "Ophelia, naïve 🙂", "weight": 0},
    ]
    (event,) = worker.ask(id="score-2", op="score", base=tiny_model("llama"), messages=messages)
    assert [row["index"] for row in event["messages"]] == [0, 2]
    assert event["messages"][1]["bytes"] == len("Ophelia, naïve 🙂".encode())
    assert all(math.isfinite(row["logprob"]) and row["logprob"] < 0 for row in event["messages"])


def test_score_is_the_same_alone_batched_and_with_a_stored_prefix(worker: Worker, tiny_model) -> None:
    base = tiny_model("llama")

    def conversation(i: int) -> list[dict[str, str]]:
        return [
            {"role": "system", "content": LONG},
            {"role": "user", "content": f"Question {i}?"},
            {"role": "assistant", "content": f"Answer {'so ' * i}"},
        ]

    requests = [
        {"id": f"many-{i}", "op": "score", "base": base, "messages": conversation(i)} for i in range(6)
    ]
    together = {k: v[-1]["messages"] for k, v in ask_many(worker, requests).items()}
    for i in range(6):
        alone = worker.ask(id=f"one-{i}", op="score", base=base, messages=conversation(i))[-1]["messages"]
        assert alone[0]["logprob"] == pytest.approx(together[f"many-{i}"][0]["logprob"], abs=1e-3)


def test_a_prompt_beyond_the_context_is_refused_with_limit_and_size(chat) -> None:
    (event,) = chat("tide " * 400)
    assert event["code"] == "context_length_exceeded"
    assert event["param"] == "messages"
    assert "256 tokens" in event["message"]
    assert "resulted in" in event["message"]


def test_room_left_in_the_context_bounds_the_reply(worker: Worker, tiny_model, chat) -> None:
    content = "tide " * 70
    events = chat(content, temperature=1.0, seed=3, max_tokens=5000)
    finish = next((e for e in events if e["event"] == "finish"), None)
    assert finish is not None
    assert events[0]["prompt_tokens"] + finish["completion_tokens"] <= 256


def test_cancel_ends_a_request_and_leaves_the_others(worker: Worker, tiny_model) -> None:
    base, messages = tiny_model("llama"), [{"role": "user", "content": "Who are you?"}]
    shared = {"op": "chat", "base": base, "messages": messages, "temperature": 1.0}
    worker.send(id="long", n=8, max_tokens=200, **shared)
    worker.send(id="short", max_tokens=200, seed=4, **shared)
    worker.send(id="long", op="cancel")
    events = worker.until_done("long", "short")
    assert events["long"][-1] == {"id": "long", "event": "done", "cancelled": True}
    assert events["short"][-1] == {"id": "short", "event": "done"}


def test_cancelling_what_is_unknown_changes_nothing(worker: Worker, chat) -> None:
    worker.send(id="nobody", op="cancel")
    assert chat(max_tokens=2)[-1]["event"] == "done"


@pytest.mark.parametrize(
    ("line", "param"),
    [
        ("{oops", None),
        ("[]", None),
        ('{"op": "chat"}', "id"),
        ('{"id": 1, "op": "sing"}', "op"),
        ('{"id": 1, "op": "chat"}', "base"),
        ('{"id": 1, "op": "chat", "base": "x"}', "messages"),
        ('{"id": 1, "op": "chat", "base": "x", "messages": [{}], "temperature": 9}', "temperature"),
        ('{"id": 1, "op": "chat", "base": "x", "messages": [{}], "n": "2"}', "n"),
    ],
)
def test_a_broken_line_is_answered_and_the_worker_lives(worker: Worker, chat, line: str, param) -> None:
    worker.send_line(line)
    event = worker.read()
    assert (event["event"], event["param"]) == ("error", param)
    assert event["id"] == (json.loads(line).get("id") if line.startswith('{"id"') else None)
    assert chat(max_tokens=1)[-1]["event"] == "done"


def test_a_missing_model_fails_its_request_alone(worker: Worker, chat, tmp_path: Path) -> None:
    (event,) = chat(base=tmp_path / "nothing")
    assert (event["event"], event["code"]) == ("error", "invalid_model")
    assert "no such model directory" in event["message"]
    assert chat(max_tokens=1)[-1]["event"] == "done"


def test_messages_that_cannot_be_rendered_fail_alone(worker: Worker, chat) -> None:
    (event,) = chat(messages=[{"role": "wizard", "content": "?"}])
    assert (event["event"], event["param"]) == ("error", "messages")


def test_text_in_many_alphabets_is_never_cut_inside_a_character(chat) -> None:
    """Random weights write random bytes: what is streamed must join to what one decoding gives."""
    events = chat(temperature=2.0, seed=9, max_tokens=120, logprobs=True)
    notes = [note for e in events if e["event"] == "delta" for note in e["logprobs"]]
    whole = bytes(b for note in notes for b in note["bytes"]).decode("utf-8", errors="replace")
    for name in ("<pad>", "<bos>", "<|im_start|>"):  # control tokens are noted, never shown
        whole = whole.replace(name, "")
    assert text_of(events) == whole


def test_the_end_of_input_ends_the_worker(tiny_model: Callable[[str], Path]) -> None:
    process = Worker()
    process.send(id="x", op="shutdown")
    process.process.wait(timeout=60)
    assert process.process.returncode == 0
    process.process.stdin.close()
    process.process.stdout.close()
