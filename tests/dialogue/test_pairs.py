"""Questions with answers become dialogues; paraphrases of a question stay together."""

import json

import pytest

from understudy.dialogue import ImportOptions, read_source


def read(tmp_path, content, name):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return read_source(path, ImportOptions())


def test_a_table_of_questions_and_answers(tmp_path):
    table = "Question\tAnswer\tMetadata\nHi\tHello!\tx\nHey\tHello!\tx\nBye\tSo long.\ty\nHm\t\ty\n"

    reading = read(tmp_path, table, "tones.tsv")

    assert [[m.content for m in d.messages] for d in reading.dialogues] == [
        ["Hi", "Hello!"],
        ["Hey", "Hello!"],
        ["Bye", "So long."],
    ]
    groups = [dialogue.group for dialogue in reading.dialogues]
    assert groups[0] == groups[1] != groups[2]
    assert reading.details["question column"] == "Question"
    assert reading.skipped == {"row without question or answer": 1}


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Say hi.", "input": "", "output": "Arr!"},
        {"prompt": "Say hi.", "completion": "Arr!"},
        {"Question": "Say hi.", "Answer": "Arr!"},
    ],
)
def test_instruction_files(tmp_path, row):
    for content in (json.dumps(row), json.dumps([row])):
        (dialogue,) = read(tmp_path, content, "pirate.jsonl").dialogues
        assert [m.content for m in dialogue.messages] == ["Say hi.", "Arr!"]


def test_an_instruction_with_input_is_both(tmp_path):
    row = {"instruction": "Translate.", "input": "Guten Tag", "output": "Ahoy"}

    (dialogue,) = read(tmp_path, json.dumps(row), "pirate.jsonl").dialogues

    assert dialogue.messages[0].content == "Translate.\n\nGuten Tag"


@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("personality-chat-tones/Queries_Responses_Humorous_QnAMaker.tsv", 165),
        ("persona-instruct-pirate-and-cat/captain_codebeard_generated.jsonl", 500),
        ("llama-factory-demo/identity.json", 91),
        ("fastchat-sharegpt-dummy/dummy_conversation.json", 500),
        ("assistant-conversations-small/conversations.jsonl", 128),
    ],
)
def test_real_files_of_pairs_and_chats(shared, file, count):
    assert len(read_source(shared / "data" / file, ImportOptions()).dialogues) == count
