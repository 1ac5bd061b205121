"""Novels: the narrator's word decides who speaks; "he said" decides nothing."""

import csv

import pytest

from understudy.dialogue import ImportOptions, import_dialogues, load_dialogues, read_source
from understudy.dialogue.attribution import speaker_after, speaker_before
from understudy.dialogue.line import UNSURE
from understudy.dialogue.lines_table import write_lines
from understudy.dialogue.quotation import find_quotes, quotation_style
from understudy.errors import DialogueError

BOOK = """CHAPTER I. The Lamps

It was dark in Lanternhill.

"Who is there?" asked Ophelia.

"Only me," said a voice.

"Come in," she said.

"It is late," said the old traveller gravely. "The ferry has gone."

Ophelia laughed and said:

"Then you must stay."

"May I?"

"Of course," thought Ophelia.

"There are rules," Ophelia went on, "and a long story.

"First, no whistling," she said.

The door was labelled "Kitchen".
"""


def read(tmp_path, text=BOOK, name="book.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_source(path, ImportOptions())


def test_only_what_the_text_says_is_believed(tmp_path):
    assert [(line.speaker, line.text) for line in read(tmp_path).lines] == [
        ("Ophelia", "Who is there?"),
        ("voice", "Only me."),
        (UNSURE, "Come in."),
        ("old traveller", "It is late. The ferry has gone."),
        ("Ophelia", "Then you must stay."),
        (UNSURE, "May I?"),
        (UNSURE, "Of course."),
        ("Ophelia", "There are rules, and a long story."),
        ("Ophelia", "First, no whistling."),
    ]


def test_marks_of_other_countries(tmp_path):
    for opening, closing in ("“”", "‘’", "''", "«»", "„“"):
        text = f"{opening}Don’t go!{closing} cried Ophelia.\n\n{opening}Why?{closing} asked Bob.\n" * 2
        reading = read(tmp_path, text)
        assert [(line.speaker, line.text) for line in reading.lines][:2] == [
            ("Ophelia", "Don’t go!"),
            ("Bob", "Why?"),
        ], opening


@pytest.mark.parametrize(
    ("narration", "speaker"),
    [
        (" said Alice.", "Alice"),
        (" Alice replied very readily.", "Alice"),
        (", said the Mock Turtle in a deep voice", "Mock Turtle"),
        (" Mr. Holmes remarked drily", "Mr. Holmes"),
        (" said I.", "I"),
        (" said the little old woman", "little old woman"),
        (" the King went on,", "King"),
        (" she asked Alice", None),
        (" he said", None),
        (" said she", None),
        (" said Dorothy's uncle", None),
        (" Alice looked up.", None),
        ("", None),
    ],
)
def test_who_is_named_after_a_speech(narration, speaker):
    assert speaker_after(narration) == speaker


def test_who_is_announced_before_a_speech():
    assert speaker_before("Then Alice replied, in a low voice:") == "Alice"
    assert speaker_before("He thought of Alice, and said:") is None
    assert speaker_before("Alice said nothing.") is None


def test_apostrophes_are_no_quotation_marks():
    (quote,) = find_quotes(
        "'I can't, for the dogs' sake!' he said, and labelled it 'JAM'.", "straight single"
    )

    assert quote.text == "I can't, for the dogs' sake!"
    assert quotation_style('"A."\n\n\'Tis so.\n\n"B."') == "straight double"


def test_unsure_lines_can_be_corrected_in_a_table(make_character, tmp_path):
    folder, path = make_character("Ophelia", "book.txt", BOOK)
    write_lines(tmp_path / "lines.csv", read_source(path, ImportOptions()).lines)
    rows = list(csv.DictReader((tmp_path / "lines.csv").read_text(encoding="utf-8").split("\n")))
    assert [row["speaker"] for row in rows].count(UNSURE) == 3

    (tmp_path / "lines.csv").write_text(
        (tmp_path / "lines.csv")
        .read_text()
        .replace("?,Come in.", "Ophelia,Come in.")
        .replace("?,May", "Bob,May")
    )
    import_dialogues(folder, tmp_path / "lines.csv")

    said = [[m.content for m in d.messages] for d in load_dialogues(folder.dialogues)]
    assert said[0] == [
        "Who is there?",
        "voice: Only me.",
        "Come in.",
        "old traveller: It is late. The ferry has gone.",
        "Then you must stay.",
    ]


def test_prose_in_which_nobody_is_named_is_refused(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text('"Hi!" she said.\n\n"Ho!" he said in a low, low voice.\n\n' * 5, encoding="utf-8")

    with pytest.raises(DialogueError, match="10 quoted speeches, but no speaker is named"):
        read_source(path, ImportOptions())
