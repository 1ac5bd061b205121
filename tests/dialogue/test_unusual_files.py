"""Files as people really have them: odd headers, torn rows, two speakers in a line, logs of messengers."""

# ruff: noqa: E501 (a table of files is read by the row)

import json

import pytest

from understudy.character import Character, save_character
from understudy.dialogue import ImportOptions, import_dialogues, load_dialogues, read_source
from understudy.dialogue.discord import PRIVACY
from understudy.errors import DialogueError
from understudy.folder import CharacterFolder


@pytest.fixture
def folder(tmp_path):
    save_character(tmp_path / "mira/character.yaml", Character(name="Mira"))
    return CharacterFolder(tmp_path / "mira")


ASKED = [("user", "Where is the lamp?"), ("assistant", "On the hill.")]
TALK = [*ASKED, ("user", "Who lit it?"), ("assistant", "I did.")]


def imported(folder, tmp_path, name, text, *, speaker="Mira", encoding="utf-8", **options):
    """The report, and all dialogues as lists of roles and words."""
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    speakers = (speaker,) if speaker else ()
    report = import_dialogues(folder, path, ImportOptions(speakers=speakers, **options))
    dialogues = load_dialogues(folder.dialogues)
    return report, [[(m.role, m.content) for m in dialogue.messages] for dialogue in dialogues]


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("header.csv", "Who's talking?;What they say;Ep #\nTom;Where is the lamp?;1\nMira;On the hill.;1\n"
         "Tom;Who lit it?;1\nMira;I did.;1\n", "utf-8"),
        ("mark.csv", "speaker,line\nTom,Where is the lamp?\nMira,On the hill.\nTom,Who lit it?\nMira,I did.\n",
         "utf-8-sig"),
        ("utf16.csv", "speaker\tline\nTom\tWhere is the lamp?\nMira\tOn the hill.\nTom\tWho lit it?\nMira\tI did.\n",
         "utf-16"),
        ("crlf.txt", "TOM: Where is the lamp?\r\nMIRA: On the hill.\r\n\r\nTOM: Who lit it?\r\nMIRA: I did.\r\n",
         "utf-8"),
        ("cr.txt", "TOM: Where is the lamp?\rMIRA: On the hill.\rTOM: Who lit it?\rMIRA: I did.\r", "utf-8"),
        ("tabs.txt", "Tom\tWhere is the lamp?\nMira\tOn the hill.\nTom\tWho lit it?\nMira\tI did.\n", "utf-8"),
        ("times.txt", "00:01\tTom\tWhere is the lamp?\n00:03\tMira\tOn the hill.\n00:05\tTom\tWho lit it?\n"
         "00:09\tMira\tI did.\n", "utf-8"),
        ("bars.txt", "Tom | Where is the lamp?\nMira | On the hill.\nTom | Who lit it?\nMira | I did.\n", "utf-8"),
        ("small.txt", "tom: Where is the lamp?\nmira: On the hill.\ntom: Who lit it?\nmira: I did.\n", "utf-8"),
        ("dashes.txt", "Tom – Where is the lamp?\nMira – On the hill.\nTom – Who lit it?\nMira – I did.\n", "utf-8"),
        ("irc.log", "[10:01] <@Tom> Where is the lamp?\n[10:02] <Mira> On the hill.\n[10:02] * Tom waves\n"
         "[10:03] <@Tom> Who lit it?\n[10:03] <Mira> I did.\n", "utf-8"),
        ("indented.txt", "          TOM\n  Where is the lamp?\n\n          MIRA\n      (smiling)\n  On the\n  hill.\n\n"
         "          TOM\n  Who lit it?\n\n          MIRA (V.O.)\n  I did.\n\n          TOM\n  Hm.\n", "utf-8"),
        ("voices.vtt", "WEBVTT\n\n00:01.000 --> 00:03.000\n<v.loud Tom>Where is the <b>lamp</b>?</v> "
         "<v Mira>On the hill.</v>\n\n00:04.000 --> 00:05.000\n<v Tom>Who lit it?\n\n"
         "00:06.000 --> 00:07.000\n<v Mira>I did.\n", "utf-8"),
        ("labels.srt", "1\n00:00:01,000 --> 00:00:03,000\n- TOM: Where is the lamp? - MIRA: On the hill.\n\n"
         "2\n00:00:04,000 --> 00:00:06,000\nTOM: Who lit it? MIRA: I did.\n", "utf-8"),
        ("events.ass", "[Script Info]\nTitle: x\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, "
         "MarginV, Effect, Text\nDialogue: 0,0:00:01.00,0:00:02.00,Default,Tom,0,0,0,,Where is\\Nthe lamp?\n"
         "Dialogue: 0,0:00:02.00,0:00:03.00,Default,Mira,0,0,0,,{\\i1}On the hill{\\i0}.\n"
         "Dialogue: 0,0:00:03.00,0:00:04.00,Default,Tom,0,0,0,,Who lit it?\n"
         "Dialogue: 0,0:00:04.00,0:00:05.00,Default,Mira,0,0,0,,I did.\n", "utf-8"),
        ("rows.jsonl", '{"speaker": "Tom", "text": "Where is the lamp?"}\n{"speaker": "Mira", "text": "On the hill."}\n'
         '{"speaker": "Tom", "text": "Who lit it?"}\n{"speaker": "Mira", "text": "I did."}\n', "utf-8"),
        ("chat.txt", "[12/01/2024, 10:01:22] Tom: Where is the lamp?\n[12/01/2024, 10:01:40] Mira: On the hill.\n"
         "[12/01/2024, 10:02:00] Tom: <Media omitted>\n[12/01/2024, 10:02:10] Tom: Who lit it?\n"
         "[12/01/2024, 10:02:20] Bo joined using this group's invite link\n"
         "[12/01/2024, 10:02:30] Mira: I did.\n", "utf-8"),
        ("chat2.txt", "12/01/24, 10:01 - Messages and calls are end-to-end encrypted.\n"
         "12/01/24, 10:01 - Tom: Where is the lamp?\n12/01/24, 10:02 - Mira: On the hill.\n"
         "12/01/24, 10:02 - Tom: Who lit it?\n12/01/24, 10:03 - Mira: I did.\n", "utf-8"),
        ("messenger.json", json.dumps({"name": "Mira", "messages": [
            {"id": 1, "type": "message", "from": "Tom", "text": "Where is the lamp?"},
            {"id": 2, "type": "message", "from": "Mira", "text": ["On the ", {"type": "bold", "text": "hill"}, "."]},
            {"id": 3, "type": "service", "actor": "Tom", "action": "pin"},
            {"id": 4, "type": "message", "from": "Tom", "text": "Who lit it?"},
            {"id": 5, "type": "message", "from": "Mira", "text": "I did."}]}), "utf-8"),
        ("wrapped.json", json.dumps({"version": 1, "data": [{"messages": [
            {"role": role, "content": text} for role, text in TALK]}]}), "utf-8"),
        ("roles.json", json.dumps([{"conversations": [
            {"from": "USER", "value": "Where is the lamp?"}, {"from": "Mira", "value": "On the hill.</s>"},
            {"from": "Human", "value": "Who lit it?"}, {"from": "ChatBot", "value": "<think>Me.</think>\nI did."}]}]),
         "utf-8"),
    ],
)  # fmt: skip
def test_the_same_talk_is_read_from_each(folder, tmp_path, name, text, encoding):
    _, dialogues = imported(folder, tmp_path, name, text, encoding=encoding)

    assert [message for dialogue in dialogues for message in dialogue] == TALK


def test_a_text_with_separators_and_no_quotation_marks_is_whole(folder, tmp_path):
    text = "speaker;line;episode\nTom;Wo ist die Lampe?;1\nMira;Auf dem Hügel; wo sonst; sag?;1\nTom;Ja;1;;\nMira;Gut.;1\n"
    report, dialogues = imported(folder, tmp_path, "talk.csv", text)

    assert dialogues[0][1] == ("assistant", "Auf dem Hügel; wo sonst; sag?")
    assert [warning.partition("talk.csv")[2] for warning in report.warnings] == [
        ":3: 1 row holds more separators than there are columns; they were taken for a part of the text. "
        "Put such texts between quotation marks."
    ]
    _, pairs = imported(folder, tmp_path, "pairs.csv", "question,answer\nWhere?,Up, on the hill.\nWho?,I.\n")
    assert ("assistant", "Up, on the hill.") in [m for dialogue in pairs for m in dialogue]


def test_windows_text_is_read_with_a_warning_that_names_the_line(folder, tmp_path):
    text = "TOM: Hm.\nMIRA: Café… naïve – “so”.\n"
    report, dialogues = imported(folder, tmp_path, "old.txt", text, encoding="cp1252")

    assert dialogues == [[("user", "Hm."), ("assistant", "Café… naïve – “so”.")]]
    assert "old.txt:2: is not UTF-8; read as Windows-1252" in report.warnings[0]


def test_prose_with_commas_is_no_table(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("„Wo ist die Lampe?“, fragte Tom.\n\n„Hier“, sagte Mira.\n\n„Wer?“, fragte Tom.\n")
    with pytest.raises(DialogueError, match="is in no format"):
        read_source(path, ImportOptions())


def test_a_colon_in_a_subtitle_is_no_speaker(folder, tmp_path):
    text = (
        "1\n00:00:01,000 --> 00:00:03,000\nTOM: I say this. Remember: no lamps - none.\n\n"
        "2\n00:00:04,000 --> 00:00:06,000\nMIRA: Good. - Really?\n\n"
        "3\n00:00:07,000 --> 00:00:08,000\n- Who goes there? - Nobody.\n\n"
        "4\n00:00:09,000 --> 00:00:10,000\nMIRA: Hm.\n"
    )
    report, dialogues = imported(folder, tmp_path, "show.srt", text)

    assert dialogues == [
        [("user", "I say this. Remember: no lamps - none."), ("assistant", "Good. - Really?")]
    ]
    assert report.skipped["line whose speaker is unsure"] == 1


def test_threads_of_a_channel_are_conversations_of_their_own(folder, tmp_path):
    def message(number, name, text, **more):
        time = f"2024-01-01T10:{number:02}:00+00:00"
        author = {"id": name, "name": name.casefold(), "nickname": name}
        return {
            "id": str(number),
            "type": "Default",
            "timestamp": time,
            "content": text,
            "author": author,
        } | more

    thread = {"name": "lamps", "messages": [message(4, "Tom", "Who lit it?"), message(5, "Mira", "I did.")]}
    started = message(3, "Tom", "lamps", type="ThreadCreated", thread=thread)
    listed = {
        "channel": {"name": "night"},
        "messages": [message(8, "Tom", "Awake?"), message(9, "Mira", "No.")],
    }
    channel = {
        "channel": {"name": "hill"},
        "messages": [message(1, "Tom", "Where is the lamp?"), message(2, "Mira", "On the hill."), started],
        "threads": [listed],
    }
    report, dialogues = imported(folder, tmp_path, "hill.json", json.dumps(channel))

    assert dialogues == [ASKED, TALK[2:], [("user", "Awake?"), ("assistant", "No.")]]
    assert report.details["channel"] == "hill"
    assert report.warnings == [PRIVACY]
    groups = {dialogue.group for dialogue in load_dialogues(folder.dialogues)}
    assert groups == {
        "hill/hill/2024-01-01/1",
        "hill/hill/lamps/2024-01-01/1",
        "hill/hill/night/2024-01-01/1",
    }


def test_the_branch_that_was_seen_last_is_read_from_a_saved_chat(folder, tmp_path):
    def node(key, parent, children, role=None, *parts):
        content = {"content_type": "text", "parts": list(parts)}
        message = {"author": {"role": role}, "content": content} if role else None
        return key, {"id": key, "message": message, "parent": parent, "children": children}

    nodes = dict(
        [
            node("root", None, ["a"]),
            node("a", "root", ["b", "c"], "user", "Where is the lamp?"),
            node("b", "a", [], "assistant", "I am an AI."),
            node("c", "a", ["d"], "assistant", "On the hill."),
            node("d", "c", ["e"], "tool", "looked it up"),
            node("e", "d", ["f"], "user", {"asset": "a picture"}, "Who lit it?"),
            node("f", "e", [], "assistant", "I did."),
        ]
    )
    saved = [{"title": "Lamps", "mapping": nodes, "current_node": "f"}, {"title": "Nothing", "mapping": {}}]
    _, dialogues = imported(folder, tmp_path, "conversations.json", json.dumps(saved), speaker="")

    assert dialogues == [TALK]


def test_templates_end_marks_and_reasoning_are_no_part_of_what_is_said(folder, tmp_path):
    template = "Below is an instruction that describes a task. Write a response.\n\n### Instruction:\n{}\n\n### Response:"
    rows = [
        {
            "prompt": template.format("Greet me.\n\n### Input:\nI am Tom."),
            "answer": "Hello, Tom.###eos_token###",
        },
        {"text": f"{template.format('Sing.')}\nLa la la.<|endoftext|>"},
        {"prompt": "Why?", "answer": "He asks why.</think>\n\nBecause.<|im_end|>\n"},
        {"prompt": "Nothing", "answer": "<think>Hm.</think></s>"},
    ]
    report, dialogues = imported(folder, tmp_path, "rows.jsonl", "\n".join(map(json.dumps, rows)))

    assert dialogues == [
        [("user", "Greet me.\n\nI am Tom."), ("assistant", "Hello, Tom.")],
        [("user", "Sing."), ("assistant", "La la la.")],
        [("user", "Why?"), ("assistant", "Because.")],
    ]
    assert report.skipped["row without a question or an answer"] == 1
    assert report.skipped["instruction template (unwrapped)"] == 1


def test_code_behind_a_speech_and_marks_for_programs_are_left_out(folder, tmp_path):
    text = (
        "Tom and Mira talk.\n\n###ENDPREAMBLE###\n\n### Human:\nWhere is the lamp?\\n\\n\n\n### Mira:\nOn the\nhill.\\n\\n`;\n\n"
        "### Human:\nWho lit it? \\n\n\n### Mira:\nI did. \\n\\n`;\n\n###ENDSEEDCHAT###\n\nMira was born on a hill.\n"
    )
    _, dialogues = imported(folder, tmp_path, "Mira.txt", text)

    said = [(role, " ".join(content.split())) for dialogue in dialogues for role, content in dialogue]
    assert said == TALK


def test_swipes_without_reasoning_are_kept_as_worse_replies(folder, tmp_path):
    rows = [
        {"user_name": "Tom", "character_name": "Mira"},
        {"name": "Tom", "is_user": True, "mes": "Where is the lamp?"},
        {"name": "Mira", "is_user": False, "mes": "<think>Well.</think>On the hill.", "swipe_id": 1,
         "swipes": ["I am an AI.", "<think>Well.</think>On the hill.", "Up.", "Up."]},
    ]  # fmt: skip
    report, dialogues = imported(folder, tmp_path, "chat.jsonl", "\n".join(map(json.dumps, rows)), speaker="")

    assert dialogues == [ASKED]
    assert report.preferences == 2


def test_placeholders_that_nobody_filled_in_are_named(folder, tmp_path):
    row = {"instruction": "Who are you?", "input": "", "output": "I am {{name}}, made by {{ author }}."}
    report, _ = imported(folder, tmp_path, "identity.json", json.dumps([row]))

    assert "replies hold 2 placeholders ({{ author }}, {{name}})" in report.warnings[0]


def test_what_is_no_text_is_told_what_it_may_be(tmp_path, shared):
    page = tmp_path / "page.txt"
    page.write_text("<html><body><p>Tom says hello to all.</p></body></html>")
    with pytest.raises(DialogueError, match="is a web page"):
        read_source(page, ImportOptions())
    for name in ("Shodan_v2.png", "luna-starweaver-v3.json", "baseline_v3_small.charx"):
        with pytest.raises(DialogueError, match="understudy init NAME --card"):
            read_source(shared / "data/character-cards" / name, ImportOptions())
