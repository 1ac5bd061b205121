"""Subtitles: labels, dashes, voices; a cue that nobody signs is unsure, not guessed."""

import pytest

from understudy.dialogue import ImportOptions, import_dialogues, load_dialogues, read_source
from understudy.dialogue.line import UNSURE
from understudy.errors import DialogueError


def read(tmp_path, text, name="show.srt", **options):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_source(path, ImportOptions(**options))


def spoken(reading):
    return [(line.speaker, line.text) for line in reading.lines]


SRT = """1
00:00:01,000 --> 00:00:02,000
OPHELIA: The lamps are

2
00:00:02,100 --> 00:00:03,000
<i>burning low.</i>

3
00:00:04,000 --> 00:00:05,000
Who said that?

4
00:00:06,000 --> 00:00:08,000
- TRAVELLER: I did.
- OPHELIA: Oh.

5
00:00:09,000 --> 00:00:10,000
[door creaks]

6
00:00:11,000 --> 00:00:12,000
♪ Row, row ♪

7
00:05:00,000 --> 00:05:02,000
[Ophelia] {\\an8}Good morning.
"""


def test_labels_dashes_and_sentences_that_run_on(tmp_path):
    reading = read(tmp_path, SRT)

    assert spoken(reading) == [
        ("OPHELIA", "The lamps are"),
        ("OPHELIA", "burning low."),
        (UNSURE, "Who said that?"),
        ("TRAVELLER", "I did."),
        ("OPHELIA", "Oh."),
        ("OPHELIA", "Good morning."),
    ]
    assert reading.skipped == {"sound or direction only": 1, "song": 1}
    assert reading.lines[-1].scene != reading.lines[0].scene


def test_an_unsure_line_ends_the_conversation(make_character):
    folder, path = make_character("Ophelia", "show.srt", SRT)

    report = import_dialogues(folder, path)

    assert [[m.content for m in d.messages] for d in load_dialogues(folder.dialogues)] == [["I did.", "Oh."]]
    assert report.skipped["line whose speaker is unsure"] == 1


def test_voices_of_web_subtitles(tmp_path):
    text = (
        "WEBVTT - Meeting\n\nSTYLE\n::cue { color: red }\n\n1\n00:01.000 --> 00:02.000 align:start\n"
        "<v.loud Anna Lind>Tea &amp; cake?</v>\n\n00:03.000 --> 00:04.000\n"
        "<v Bob><c.blue>Yes,</c> please</v>\n"
    )

    assert spoken(read(tmp_path, text, "meeting.vtt")) == [
        ("Anna Lind", "Tea & cake?"),
        ("Bob", "Yes, please"),
    ]


def test_a_time_or_a_word_before_a_colon_is_no_name(tmp_path):
    text = "1\n00:00:01,000 --> 00:00:02,000\nANN: Come at 10:30.\n\n"
    text += "2\n00:00:03,000 --> 00:00:04,000\nListen: go.\n"

    assert spoken(read(tmp_path, text)) == [("ANN", "Come at 10:30."), (UNSURE, "Listen: go.")]


def test_subtitles_without_labels_are_refused_with_the_reason(tmp_path):
    cues = "".join(f"{n}\n00:00:{n:02},000 --> 00:00:{n:02},900\nHello there.\n\n" for n in range(1, 9))

    with pytest.raises(DialogueError, match="8 cues, but hardly any tells who speaks"):
        read(tmp_path, cues)
