"""Plays and 'NAME: line' scripts are read in the layouts in which people write them."""

import pytest

from understudy.dialogue import ImportOptions, read_source
from understudy.errors import DialogueError


def read(tmp_path, text, **options):
    path = tmp_path / "play.txt"
    path.write_text(text, encoding="utf-8")
    return read_source(path, ImportOptions(**options))


def spoken(reading):
    return [(line.speaker, line.text) for line in reading.lines]


def test_names_and_lines_on_one_line(tmp_path):
    text = "Iroh: Tea?\nZuko: No, I said\nthat I hate tea.\nIROH (smiling): Then coffee: black.\n"

    assert spoken(read(tmp_path, text)) == [
        ("Iroh", "Tea?"),
        ("Zuko", "No, I said that I hate tea."),
        ("IROH", "[smiling] Then coffee: black."),
    ]


def test_names_on_a_line_above_the_speech(tmp_path):
    text = (
        "First Citizen:\nBefore we proceed,\nhear me.\n\nAll:\nSpeak.\n\nFirst Citizen:\nYou are resolved?\n"
    )

    assert spoken(read(tmp_path, text)) == [
        ("First Citizen", "Before we proceed, hear me."),
        ("All", "Speak."),
        ("First Citizen", "You are resolved?"),
    ]


def test_names_before_a_full_stop_and_acts(tmp_path):
    text = (
        "FIRST ACT\n\nSCENE\n\nA room.\n\nLane.  Yes, sir.\n\nJack.  No. I think\nnot a cloak-\nroom.\n\n"
        "[Enter Ann.]\n\nLane.  Really.\n\nJack.  Yes.\n\nSECOND ACT\n\nLane.  Tea.\n\nJack.  Thanks.\n\n"
        "Sunday.  It rained.\n"
    )

    reading = read(tmp_path, text)

    assert spoken(reading) == [
        (None, "A room."),
        ("Lane", "Yes, sir."),
        ("Jack", "No. I think not a cloak-room."),
        (None, "[Enter Ann.]"),
        ("Lane", "Really."),
        ("Jack", "Yes."),
        ("Lane", "Tea."),
        ("Jack", "Thanks."),
        (None, "Sunday. It rained."),
    ]
    assert [line.group for line in reading.lines][-2:] == ["SECOND ACT", "SECOND ACT"]
    assert reading.details["layout"] == "Name.  line"


def test_screenplays_with_names_in_capitals(tmp_path):
    block = "INT. TEA SHOP - DAY\n\nSteam rises.\n\n    IROH\n  Tea, {n}?\n\n"
    block += "    ZUKO (O.S.)\n  (sighs)\n  No.\n\n"

    reading = read(tmp_path, "".join(block.replace("{n}", str(n)) for n in range(3)))

    assert [line.speaker for line in reading.lines[:3]] == [None, "IROH", "ZUKO"]
    assert reading.lines[2].text == "(sighs) No."
    assert reading.lines[0].scene != reading.lines[3].scene


@pytest.mark.parametrize(
    "line", ["**Ann:** Hi", "- Ann: Hi", "[00:01:02] Ann: Hi", "00:12 Ann: Hi", "Ann : Hi", "ANN: Hi"]
)
def test_chat_and_interview_notations(tmp_path, line):
    reading = read(tmp_path, f"{line}\nBob: Hello\n{line}\n")

    assert reading.lines[0].text == "Hi"
    assert (reading.lines[0].speaker or "").casefold() == "ann"


def test_narration_below_a_finished_line_is_not_speech(tmp_path):
    text = "Ann: Come in.\nThe door opens slowly.\nBob: Thanks.\n\nThey sit down.\n\nAnn: Tea?\n"

    assert [line.speaker for line in read(tmp_path, text).lines] == ["Ann", None, "Bob", None, "Ann"]


def test_book_header_and_licence_are_left_out(tmp_path):
    text = (
        "Title: A Play\nAuthor: Somebody\n\n*** START OF THE PROJECT GUTENBERG EBOOK ***\n\nAnn: Hi.\n\n"
        "Bob: Ho.\n\nAnn: Hm.\n\n*** END OF THE PROJECT GUTENBERG EBOOK ***\n\nNote: licence\n"
    )

    reading = read(tmp_path, text)

    assert [line.speaker for line in reading.lines] == ["Ann", "Bob", "Ann"]
    assert reading.lines[0].source == "play.txt:6"


def test_prose_is_refused_with_the_known_formats(tmp_path):
    prose = "It was a dark night. Nobody spoke.\n\nThe rain fell on the roofs of the town.\n" * 5

    with pytest.raises(DialogueError, match="in no format"):
        read(tmp_path, prose)
    with pytest.raises(DialogueError, match="no line begins with a speaker"):
        read(tmp_path, prose, format="script")


def test_a_line_of_a_speech_that_looks_like_a_label_stays_in_the_speech(tmp_path):
    text = (
        "BRUTUS:\nCome:\nHalf all honours: his.\n\nSecond murderer:\nStay: whence are you?\n\nBRUTUS:\nNo.\n"
    )

    assert spoken(read(tmp_path, text)) == [
        ("BRUTUS", "Come: Half all honours: his."),
        ("Second murderer", "Stay: whence are you?"),
        ("BRUTUS", "No."),
    ]


def test_all_speeches_of_a_real_corpus_are_found(shared):
    reading = read_source(shared / "data/tiny-shakespeare/input.txt", ImportOptions())

    assert sum(line.speaker is not None for line in reading.lines) == pytest.approx(7107, abs=20)
    assert reading.details["layout"] == "NAME: above its line"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "Ann: " + "word " * 200_000 + "\nBob: x\nAnn: y\n",
        "\n" * 500_000 + "Ann: x\nBob: y\nAnn: z\n",
        "Ann: " + "(" * 20_000 + "x" + ")" * 20_000 + "\nBob: y\nAnn: z\n",
    ],
    ids=["huge line", "empty lines", "nested brackets"],
)
def test_odd_shapes_are_read_in_reasonable_time(tmp_path, text):
    assert [line.speaker for line in read(tmp_path, text).lines] == ["Ann", "Bob", "Ann"]
