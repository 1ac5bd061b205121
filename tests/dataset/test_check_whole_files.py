"""Checking large files: sound rows agree with the rules, parts with the whole, and memory stays small."""

import json
import random
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from understudy.dataset import check as check_module
from understudy.dataset import check_file, count_example_tokens, line_check
from understudy.dataset.disclaimer import find_disclaimer
from understudy.dataset.example_rules import check_row
from understudy.dataset.fast_tokens import token_counts
from understudy.dataset.problem import Place, ProblemList
from understudy.dataset.sound_rows import Counted, SoundRows, read_row, read_rows

TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        "Hi.",
        "As an AI, I cannot.",
        "I am a language model",
        "a <|endoftext|> b",
        " ",
        "I'm AI",
        "my Programming",
        "ada@lovelace.dev",
        "call 030 9018 2044",
        "sk-" + "a1B2" * 6,
    ]
)
MESSAGES = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "user", "assistant", "tool", "x"]),
        "content": TEXTS | st.none() | st.integers(),
    },
    optional={
        "name": TEXTS | st.integers(),
        "weight": st.sampled_from([0, 1, 2, 1.0, True, None, "1"]),
        "x": TEXTS,
    },
)
ROWS = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGES, max_size=4)}, optional={"tools": st.just([]), "weight": st.just(1)}
)


def read_sound(*rows, ascii_only=True, most_tokens=1000):
    lines = [json.dumps(row, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") for row in rows]
    return SoundRows(token_counts("o200k_base", False), most_tokens, set()).read(list(map(read_row, lines)))


@settings(max_examples=400, deadline=None)
@given(row=ROWS, ascii_only=st.booleans())
@example(
    row={"messages": [{"role": "user", "content": "\ud800"}, {"role": "assistant", "content": "a"}]},
    ascii_only=True,
)
@example(
    row={"messages": [{"role": "assistant", "content": "a", "name": "<|endoftext|>"}]},
    ascii_only=True,
)
def test_a_sound_row_breaks_no_rule_and_counts_the_same(row, ascii_only):
    sound = read_sound(row, ascii_only=ascii_only)

    found = ProblemList()
    messages = check_row(row, "supervised", Place(found))
    if len(sound.indices):
        assert sound.machine or found.kept == []
        assert sound.tokens.tolist() == [count_example_tokens(messages)]
        counts = Counter(m["role"] for m in messages)
        learned = sum(m["role"] == "assistant" and m.get("weight", 1) != 0 for m in messages)
        assert +sound.counts == counts + Counter({"learned replies": learned})


@given(
    prefix=st.text(max_size=10),
    words=st.sampled_from(["As an AI", "I’m just a chat bot", "I do not have feelings"]),
)
def test_a_row_with_a_disclaimer_is_marked(prefix, words):
    reply = f"{prefix} {words} today"
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": reply}]}

    assert find_disclaimer(reply)
    assert read_sound(row).machine == {0: [1]}


def test_the_truth_to_who_asks_sincerely_is_no_fault(tmp_path):
    def row(asked):
        said = [("user", asked), ("assistant", "I am an AI, played for you.")]
        return json.dumps({"messages": [{"role": role, "content": text} for role, text in said]})

    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join(map(row, ["Are you a robot?", "What do you eat?"])))

    found = check_file(path).problems
    assert [p.line for p in found if p.code == "ai_disclaimer"] == [2]


REPLY = b'{"messages":[{"role":"assistant","content":"Hm."}]}'
OPENED, CLOSED = b'{"messages":[', b'{"role":"assistant","content":"Hm."}]}'


@pytest.mark.parametrize(
    "data",
    [
        REPLY + REPLY + b"\n" + OPENED + b"\n" + CLOSED,
        REPLY + b" " + REPLY + b"\n" + OPENED + b"\n" + CLOSED,
        REPLY + b"\n\n" + REPLY,
        REPLY + b"\r" + REPLY,
        b"\n" + REPLY,
        REPLY + b"\n\n",
        REPLY + b"," + REPLY,
        OPENED + b"\n" + CLOSED,
        b"",
        b"\n",
        b"{\n}",
    ],
)
def test_lines_that_are_not_one_row_each_are_not_read_together(data):
    assert read_rows(data) is None


def test_lines_that_are_one_row_each_are_read_together():
    assert len(read_rows(REPLY + b"\n" + REPLY + b"\n")) == 2
    assert len(read_rows(REPLY)) == 1


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=12), again=st.integers(0, 11))
def test_a_file_gets_the_same_result_as_when_each_line_is_looked_at_with_care(tmp_path_factory, rows, again):
    path = tmp_path_factory.mktemp("rows") / "chats.jsonl"
    rows = [*rows, rows[again % len(rows)]]
    path.write_bytes(b"\n".join(json.dumps(row).encode() for row in rows))

    together = check_file(path, max_tokens=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SoundRows, "read", lambda self, rows: Counted())
        one_by_one = check_file(path, max_tokens=40)

    assert together == one_by_one


WORDS = ("lamp", "hill", "goose", "toast", "king", "moat", "pirate", "button", "star", "river")


def conversation(number, chance):
    words = [chance.choice(WORDS) for _ in range(12)]
    return [
        {"role": "system", "content": "You are Princess Ophelia."},
        {"role": "user", "content": f"Question {number}: {' '.join(words[:6])}?"},
        {"role": "assistant", "content": f"Answer {number}: {' '.join(words[6:])}."},
    ]


def write(path, count, faults=()):
    chance = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            if number in faults:
                file.write("{oops\n\n")
            file.write(json.dumps({"messages": conversation(number, chance)}) + "\n")


def test_parts_that_are_checked_side_by_side_find_the_same(tmp_path, monkeypatch):
    path = tmp_path / "chats.jsonl"
    write(path, 4000, faults={0, 777, 2001, 3999})
    with path.open("a") as file:
        file.write(path.read_text().split("\n")[4] + "\n")

    whole = check_file(path)
    monkeypatch.setattr(check_module, "PART_BYTES", 50_000)
    parts = check_file(path, processes=2)

    assert parts == whole
    assert (whole.errors, whole.warnings, whole.examples) == (4, 1, 4005)
    assert [p.line for p in whole.problems] == [1, 780, 2006, 4006, 4009]
    assert "is the same as line 5" in whole.problems[-1].message


def test_a_system_prompt_with_an_address_is_named_once_in_all_parts(tmp_path, monkeypatch):
    path = tmp_path / "chats.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(2000):
            row = conversation(number, random.Random(number))
            row[0]["content"] = "Write to help@lantern.shop, or call +49 30 901820." if number % 3 else "Hm."
            file.write(json.dumps({"messages": row}) + "\n")

    whole = check_file(path)
    monkeypatch.setattr(check_module, "PART_BYTES", 30_000)
    parts = check_file(path, processes=2)

    assert [p.line for p in whole.problems] == [2, 2]
    assert parts == whole


def test_lines_that_lie_over_the_edge_of_a_block_are_whole(tmp_path, monkeypatch):
    path = tmp_path / "chats.jsonl"
    write(path, 300, faults={5, 290})
    whole = check_file(path)
    for size in (64, 1000, 4099):
        monkeypatch.setattr(check_module, "BLOCK_BYTES", size)
        assert check_file(path) == whole


def test_a_program_with_threads_is_not_forked(tmp_path, monkeypatch):
    path = tmp_path / "chats.jsonl"
    write(path, 200)
    monkeypatch.setattr(check_module, "PART_BYTES", 1000)
    monkeypatch.setattr(check_module.threading, "active_count", lambda: 2)
    monkeypatch.setattr(check_module, "_bounds", lambda *arguments: pytest.fail("was cut into parts"))

    assert check_file(path, processes=4).examples == 200


@pytest.mark.parametrize("block_bytes", [300, 2**20])
def test_a_line_without_end_is_named(tmp_path, monkeypatch, block_bytes):
    path = tmp_path / "chats.jsonl"
    write(path, 12)
    for module in (check_module, line_check):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(check_module, "BLOCK_BYTES", block_bytes)
    with path.open("a") as file:
        file.write("x" * 5000 + "\n")
        file.write(json.dumps({"messages": conversation(99, random.Random(1))}) + "\n")

    result = check_file(path)

    assert [(p.line, p.severity) for p in result.problems if p.severity == "error"] == [(13, "error")]
    assert result.examples == 13


MEASURE = """
import resource, sys
from understudy.dataset import check_file
from pathlib import Path
small, large = Path(sys.argv[1]), Path(sys.argv[2])
check_file(small)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = check_file(large)
print(result.examples, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_memory_grows_by_bytes_an_example_not_by_the_file(tmp_path):
    write(tmp_path / "small.jsonl", 100)
    write(tmp_path / "large.jsonl", 60_000)

    found = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "small.jsonl", tmp_path / "large.jsonl"],
        capture_output=True,
        text=True,
        check=True,
    )

    examples, grown = map(int, found.stdout.split())
    assert examples == 60_000
    # The file has 15 MB; numpy's import is in the figure.
    assert grown < 40 * 2**20 > 0
    assert (tmp_path / "large.jsonl").stat().st_size > 12 * 2**20


def test_lines_of_a_test_file_are_found_also_when_nearly_the_same(tmp_path):
    def rows(*pairs):
        return "".join(
            json.dumps({"messages": [{"role": "user", "content": u}, {"role": "assistant", "content": a}]})
            + "\n"
            for u, a in pairs
        )

    fill = [(f"Number {n}?", f"It is {n}.") for n in range(50)]
    test = tmp_path / "test.jsonl"
    test.write_text(
        rows(
            ("What does your dragon eat on a cold winter morning?", "Buttered toast, my bright friend."),
            ("Yes?", "Pudding sleeps in the bread oven every night."),
        )
    )
    training = tmp_path / "training.jsonl"
    training.write_text(
        rows(
            *fill,
            ("WHAT does your dragon eat, on a cold winter morning", "Nothing at all."),
            ("Where?", "Pudding sleeps in the bread oven every single night!"),
            ("Where?", "Pudding walks."),
            ("Pudding sleeps in the bread oven every night.", "Does he?"),
        )
    )

    result = check_file(training, held_out=[test])

    assert [(p.line, p.code) for p in result.problems] == [(51, "held_out_line"), (52, "held_out_line")]
    assert "nearly the same as a line of test.jsonl:1" in result.problems[0].message
    assert result.held_out == [str(test)]
