"""OpenAI chat files become dialogues; rows that cannot are counted with the reason."""

import json

import pytest

from understudy.dialogue import ImportOptions, load_dialogues, read_source
from understudy.errors import DialogueError

USER = {"role": "user", "content": "Hi"}
REPLY = {"role": "assistant", "content": "Meow."}


def read(tmp_path, *rows, text=None):
    path = tmp_path / "chat.jsonl"
    path.write_text(text or "\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return read_source(path, ImportOptions())


def said(dialogue):
    return [(m.role, m.content) for m in dialogue.messages]


def test_system_messages_stay_out_and_are_shown(tmp_path):
    reading = read(tmp_path, {"messages": [{"role": "system", "content": "You are a cat."}, USER, REPLY]})

    assert said(reading.dialogues[0]) == [("user", "Hi"), ("assistant", "Meow.")]
    assert "You are a cat." in reading.details["system message, left out"]
    assert reading.dialogues[0].source == "chat.jsonl:1"


def test_weights_and_groups_are_kept_and_ids_come_from_the_words(tmp_path):
    row = {"group": "g1", "category": "long", "messages": [USER, {**REPLY, "weight": 0}, USER, REPLY]}

    first = read(tmp_path, row).dialogues[0]

    assert [message.weight for message in first.messages] == [None, 0, None, None]
    assert (first.group, first.category) == ("chat/g1", "long")
    assert read(tmp_path, USER | {"messages": [USER, REPLY]}, row).dialogues[1].id == first.id


def test_messages_of_one_role_are_joined_and_what_follows_the_last_reply_is_cut(tmp_path):
    reading = read(tmp_path, {"messages": [USER, {"role": "user", "content": "There?"}, REPLY, USER]})

    assert said(reading.dialogues[0]) == [("user", "Hi\nThere?"), ("assistant", "Meow.")]


def test_other_spellings_are_read(tmp_path):
    share = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Meow."}]}
    parts = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, REPLY]}

    reading = read(tmp_path, share, parts)

    assert (
        said(reading.dialogues[0]) == said(reading.dialogues[1]) == [("user", "Hi"), ("assistant", "Meow.")]
    )
    assert len(read(tmp_path, text=json.dumps([share, parts])).dialogues) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": [USER, {"role": "assistant", "tool_calls": [{}]}]}, "tool calls"),
        ({"messages": [USER, {"role": "tool", "content": "3"}, REPLY]}, "tool calls"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, REPLY]}, "picture"),
        ({"messages": [USER]}, "without an assistant"),
        ({"messages": [REPLY]}, "without a user"),
        ({"messages": [USER, {"role": "assistant", "content": ""}]}, "empty message"),
        ({"messages": [USER, {"role": "cat", "content": "x"}]}, "unknown role 'cat'"),
        ({"messages": [USER, "text"]}, "not an object"),
        ({"input": {}, "preferred_output": [], "non_preferred_output": []}, "preference pair"),
        ({"text": "x"}, "without 'messages'"),
        ([1], "not an object"),
    ],
)
def test_rows_that_cannot_be_used_are_counted(tmp_path, row, reason):
    reading = read(tmp_path, {"messages": [USER, REPLY]}, row)

    assert len(reading.dialogues) == 1
    assert [count for why, count in reading.skipped.items() if reason in why] == [1]
    with pytest.raises(DialogueError, match="holds no chat that can be used"):
        read(tmp_path, row)


def test_broken_lines_are_named_and_the_others_kept(tmp_path):
    good = json.dumps({"messages": [USER, REPLY]})

    reading = read(tmp_path, text=f"{good}\n{{oops\n\n{good[:-1]}\n")

    assert len(reading.dialogues) == 1
    assert ["chat.jsonl:2" in reading.warnings[0], "chat.jsonl:4" in reading.warnings[1]] == [True, True]
    assert reading.skipped["line that is not JSON"] == 2


@pytest.mark.parametrize(
    ("line", "fault"), [("[" * 100_000, "nested too deeply"), ("9" * 5000, "many digits")]
)
def test_json_beyond_all_measure_is_named(tmp_path, line, fault):
    good = json.dumps({"messages": [USER, REPLY]})

    reading = read(tmp_path, text=f"{good}\n{line}\n")

    assert len(reading.dialogues) == 1
    assert "chat.jsonl:2" in reading.warnings[0]
    assert fault in reading.warnings[0]

    (tmp_path / "dialogues.jsonl").write_text(f"{line}\n")
    with pytest.raises(DialogueError, match=rf"dialogues.jsonl:1: is not readable JSON \(.*{fault}"):
        load_dialogues(tmp_path / "dialogues.jsonl")


def test_the_toy_and_the_tool_file_of_the_cookbook(shared):
    folder = shared / "data/openai-cookbook-chat-jsonl"

    toy = read_source(folder / "toy_chat_fine_tuning.jsonl", ImportOptions())

    assert len(toy.dialogues) == 4
    assert toy.skipped["row without a user's message"] == 1
    with pytest.raises(DialogueError, match="103 x row with tool calls"):
        read_source(folder / "drone_training.jsonl", ImportOptions())
