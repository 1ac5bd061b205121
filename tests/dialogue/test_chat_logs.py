"""Chat logs: SillyTavern with swipes, Discord exports, ChatterBot YAML, Markdown, turns and trees in JSON."""

import json

import pytest
from written import jsonl

from understudy.dialogue import ImportOptions, import_dialogues, load_dialogues, read_source
from understudy.dialogue.preference import load_preferences
from understudy.errors import DialogueError


def read(tmp_path, name, text, **options):
    path = tmp_path / name
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return read_source(path, ImportOptions(**options))


def spoken(reading):
    return [(line.speaker, line.text) for line in reading.lines]


TAVERN = jsonl(
    [
        {"user_name": "Anon", "character_name": "Lia", "chat_metadata": {}},
        {"name": "Lia", "is_user": False, "is_system": False, "mes": "*waves*\nHi {{user}}! (I am {{char}})"},
        {"name": "System", "is_user": False, "is_system": True, "mes": "hidden"},
        {"name": "Anon", "is_user": True, "mes": "Tea?"},
        {
            "name": "Lia",
            "is_user": False,
            "mes": "Yes!",
            "swipes": ["As an AI, I cannot.", "Yes!", None, " "],
        },
        {"name": "Anon", "is_user": True, "mes": ""},
    ]
)


def test_a_tavern_chat_keeps_line_breaks_and_brackets_and_fills_macros(tmp_path):
    reading = read(tmp_path, "chat.jsonl", TAVERN)

    assert spoken(reading) == [("Lia", "*waves*\nHi Anon! (I am Lia)"), ("Anon", "Tea?"), ("Lia", "Yes!")]
    assert reading.skipped == {"hidden or system message": 1, "empty message": 1}
    assert (reading.characters, reading.details["user"]) == (("Lia",), "Anon")


def test_swipes_become_preferences_under_the_messages_they_answered(make_character):
    folder, path = make_character("Princess Lia of the Lamps", "chat.jsonl", TAVERN)

    report = import_dialogues(folder, path)
    import_dialogues(folder, path)

    (dialogue,) = load_dialogues(folder.dialogues)
    (preference,) = load_preferences(folder.preferences)
    assert (report.preferences, report.preferences_added, report.speakers) == (1, 1, ["Lia"])
    assert (preference.chosen, preference.rejected) == ("Yes!", "As an AI, I cannot.")
    assert [m.content for m in preference.messages] == ["*waves*\nHi Anon! (I am Lia)", "Tea?"]
    assert preference.group == dialogue.group


def discord(*messages):
    return {"guild": {"name": "g"}, "channel": {"name": "tavern"}, "messages": list(messages)}


def message(author, content, time="2026-01-01T10:00:00+00:00", kind="Default", **author_keys):
    return {"type": kind, "timestamp": time, "content": content, "author": {"name": author, **author_keys}}


def test_discord_messages_without_notices_and_codes(tmp_path):
    reading = read(
        tmp_path,
        "tavern.json",
        discord(
            message("ann", "Hi <@!123>  <:wave:99> (all)", nickname="Ann"),
            message("bob", "", kind="GuildMemberJoin"),
            message("bob", ""),
            message("bob", "Ho", time="2026-01-01T11:00:00+00:00"),
            "junk",
        ),
    )

    assert spoken(reading) == [("Ann", "Hi   :wave: (all)"), ("bob", "Ho")]
    assert [line.group for line in reading.lines] == ["tavern/2026-01-01"] * 2
    assert reading.lines[0].scene != reading.lines[1].scene
    assert sum(reading.skipped.values()) == 3
    assert "Ask them before you train" in reading.warnings[-1]


def test_discord_authors_can_be_named_otherwise(tmp_path):
    chat = discord(message("ann", "Hi", nickname="Queen"), message("bob", "Ho"))

    assert read(tmp_path, "c.json", chat).lines[0].speaker == "Queen"
    assert read(tmp_path, "c.json", chat, speaker_column="name").lines[0].speaker == "ann"


def test_chatterbot_lines_alternate_and_words_stay_words(tmp_path):
    text = "categories:\n- food\nconversations:\n- - Hungry?\n  - Yes\n- - A\n  - B\n  - C\n- - only\n"
    text += "- - [x]\n  - y\n"

    reading = read(tmp_path, "food.yml", text)

    assert [[m.content for m in d.messages] for d in reading.dialogues] == [["Hungry?", "Yes"], ["A", "B"]]
    assert {d.category for d in reading.dialogues} == {"food"}
    assert sum(reading.skipped.values()) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conversations:\n- - 'open\n", r"food\.yml:\d+: is not YAML"),
        ("conversations: text\n", "has no list 'conversations'"),
        ("conversations:\n- - one\n", "no conversation of two lines"),
        ("conversations:\n" + "[" * 5000, "is not YAML"),
    ],
)
def test_faulty_yaml_is_named(tmp_path, text, message):
    with pytest.raises(DialogueError, match=message):
        read(tmp_path, "food.yml", text)


def test_markdown_speeches_run_over_paragraphs_and_escapes_go(tmp_path):
    text = "# Show 1\n\n**Ann Lee:** Hello \\[laughs\\]\n\nAnd [more](http://x.y).\n\n**Bob:** Hi.\n\n"
    text += "**Break:**\n"

    reading = read(tmp_path, "show.md", text)

    assert spoken(reading) == [("Ann Lee", "Hello [laughs]\n\nAnd more."), ("Bob", "Hi.")]
    assert reading.lines[0].group == "Show 1"
    assert reading.skipped["speaker without a speech"] == 1


def test_saved_chats_keep_code_and_name_the_assistant(make_character):
    text = "## User\n\nHow?\n\n## Assistant\n\nSo:\n\n```\n## User\nx = 1\n```\n\n"
    text += "## User\n\nThanks (really).\n\n## Assistant\n\nBye.\n"
    folder, path = make_character("Ophelia", "chat.md", text)

    import_dialogues(folder, path)

    (dialogue,) = load_dialogues(folder.dialogues)
    assert [m.content for m in dialogue.messages] == [
        "How?",
        "So:\n\n```\n## User\nx = 1\n```",
        "Thanks (really).",
        "Bye.",
    ]


def test_prose_in_markdown_is_no_transcript(tmp_path):
    text = "# Title\n\nSome **bold** text.\n\n## One\n\ntext\n\n## Two\n\ntext\n"
    with pytest.raises(DialogueError, match="in no format"):
        read(tmp_path, "notes.md", text)


def test_trees_of_replies_give_the_best_path_and_the_worse_replies(make_character):
    def node(text, role, *replies, rank=None):
        return {"text": text, "role": role, "rank": rank, "replies": list(replies)}

    tree = {
        "message_tree_id": "t1",
        "prompt": node(
            "Hi?",
            "prompter",
            node("Worse.", "assistant", rank=1),
            node("Best.", "assistant", node("Thanks.", "prompter"), rank=0),
            {"text": "gone", "role": "assistant", "rank": 2, "deleted": True},
        ),
    }
    folder, path = make_character("Ophelia", "trees.jsonl", jsonl([tree]))

    import_dialogues(folder, path)

    assert [m.content for m in load_dialogues(folder.dialogues)[0].messages] == ["Hi?", "Best."]
    assert [(p.chosen, p.rejected) for p in load_preferences(folder.preferences)] == [("Best.", "Worse.")]


def test_turns_take_other_keys_when_asked(tmp_path):
    rows = [{"id": 7, "dialogue": [{"who": "A", "speaker": "x", "text": "Hi", "note": "n"}]}]

    assert spoken(read(tmp_path, "t.json", rows, format="turns")) == [("x", "Hi")]
    assert spoken(
        read(tmp_path, "t.json", rows, format="turns", speaker_column="who", text_column="note")
    ) == [("A", "n")]


def test_preference_pairs_are_read_in_both_spellings(make_character):
    rows = [
        {
            "input": {"messages": [{"role": "user", "content": "Hi"}]},
            "preferred_output": [{"role": "assistant", "content": "Ahoy!"}],
            "non_preferred_output": [{"role": "assistant", "content": "Hello."}],
        },
        {
            "prompt": "Bye",
            "chosen": [{"role": "user", "content": "Bye"}, {"role": "assistant", "content": "Fair winds!"}],
            "rejected": [{"role": "user", "content": "Bye"}, {"role": "assistant", "content": "Goodbye."}],
        },
        {"prompt": "Tea?", "chosen": "Aye.", "rejected": "Yes."},
        {"prompt": "Tea?", "chosen": "Aye.", "rejected": ""},
    ]
    folder, path = make_character("Ophelia", "pairs.jsonl", jsonl(rows))

    report = import_dialogues(folder, path)

    assert report.format == "chat, preference pairs"
    assert [(p.messages[-1].content, p.chosen, p.rejected) for p in load_preferences(folder.preferences)] == [
        ("Hi", "Ahoy!", "Hello."),
        ("Bye", "Fair winds!", "Goodbye."),
        ("Tea?", "Aye.", "Yes."),
    ]


def test_keys_of_questions_and_answers_can_be_named(tmp_path):
    rows = jsonl([{"q": "Hi", "a": "Ho", "prompt": "x", "output": "y"}])
    reading = read(tmp_path, "x.jsonl", rows, question_column="q", answer_column="a")
    assert [m.content for m in reading.dialogues[0].messages] == ["Hi", "Ho"]

    table = read(
        tmp_path,
        "x.csv",
        "q,answer,note\nHi,Ho,Hm\n",
        format="pairs",
        question_column="1",
        answer_column="note",
    )
    assert [m.content for m in table.dialogues[0].messages] == ["Hi", "Hm"]
    with pytest.raises(DialogueError, match=r"has no column 'z'\. The columns are: q, answer"):
        read(tmp_path, "x.csv", "q,answer\nHi,Ho\n", format="pairs", question_column="z")


def test_whole_conversations_in_a_cell(tmp_path):
    text = 'persona,talk\np,"Ann: Hi.\nBob: Ho: hm.\nnobody\nAnn: A.\nBob: B."\nq,"none"\n'

    reading = read(tmp_path, "talks.csv", text, format="conversations")

    assert spoken(reading) == [("Ann", "Hi."), ("Bob", "Ho: hm."), ("Ann", "A."), ("Bob", "B.")]
    assert reading.lines[1].source == "talks.csv:3"
    assert sum(reading.skipped.values()) == 2
