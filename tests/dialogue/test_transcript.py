"""Tables of speeches are read whatever their separator, columns and quirks."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from understudy.dialogue import ImportOptions, read_source
from understudy.errors import DialogueError

ROWS = "speaker,text\nAnn,Hello there.\nBob,Who is it?\nAnn,It is me.\nBob,Come in.\n"


def read(tmp_path, content, name="show.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_source(path, ImportOptions(**options))


def spoken(reading):
    return [(line.speaker, line.text) for line in reading.lines]


EXPECTED = [("Ann", "Hello there."), ("Bob", "Who is it?"), ("Ann", "It is me."), ("Bob", "Come in.")]


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        ROWS.replace(",", "\t"),
        ROWS.replace(",", ";"),
        ROWS.replace(",", "|"),
        ROWS.replace("\n", "\r\n"),
        ROWS.replace("\n", "\r"),
        b"\xef\xbb\xbf" + ROWS.encode(),
        ROWS.encode("utf-16"),
        ROWS.replace("speaker,text", "Character,Dialogue"),
        ROWS.replace("speaker,text\n", ""),
        ROWS.replace("Ann,", '"Ann",').replace("Hello there.", '"Hello there."'),
        "\n\n" + ROWS + "\n\n",
    ],
    ids=[
        "comma",
        "tab",
        "semicolon",
        "bar",
        "CRLF",
        "CR",
        "BOM",
        "UTF-16",
        "names",
        "no header",
        "quoted",
        "blank",
    ],
)
def test_separators_line_ends_and_encodings(tmp_path, content):
    assert spoken(read(tmp_path, content)) == EXPECTED


def test_tab_separated_quotation_marks_are_words(tmp_path):
    reading = read(tmp_path, 'who\tline\nAnn\t"Yes, he said\nBob\tReally?\nAnn\tReally.\n', "show.tsv")

    assert spoken(reading)[0] == ("Ann", '"Yes, he said')
    assert len(reading.lines) == 3


def test_line_breaks_inside_cells_and_line_numbers(tmp_path):
    reading = read(tmp_path, 'speaker,text\nAnn,"One\ntwo"\nBob,"Say ""hi"""\n')

    assert spoken(reading) == [("Ann", "One\ntwo"), ("Bob", 'Say "hi"')]
    assert [line.source for line in reading.lines] == ["show.csv:2", "show.csv:4"]


def test_narration_and_empty_rows_are_counted(tmp_path):
    rows = "speaker,text\nAnn,Hi.\nScene Description,They walk.\nNA,They stop.\n,A bell.\n"
    rows += "Bob,NA\nBob,\nBob,Yes it is.\n"

    reading = read(tmp_path, rows)

    assert [line.speaker for line in reading.lines] == ["Ann", None, None, None, "Bob"]
    assert reading.skipped == {"narration (no speaker)": 3, "row without text": 2}


def test_columns_are_found_by_content_when_names_say_nothing(tmp_path):
    rows = "".join(f"{i},{'Ann' if i % 2 else 'Bob'},This is line number {i} of it,x\n" for i in range(1, 20))

    reading = read(tmp_path, "a,b,c,d\n" + rows)

    assert reading.details["speaker column"] == "b"
    assert reading.details["text column"] == "c"


def test_the_column_that_holds_the_speaker_is_the_speaker_column(tmp_path):
    rows = "name,actor,text\nMrs Smith,Ann,Hello to you.\nMr Jones,Bob,Hello to me.\n"

    assert read(tmp_path, rows, speakers=("ann",)).details["speaker column"] == "actor"
    assert read(tmp_path, rows).details["speaker column"] == "name"


def test_columns_can_be_overridden_by_name_and_number(tmp_path):
    rows = "who,a,b,ep\nAnn,one one,two two,1\nBob,three three,four four,1\n"

    reading = read(tmp_path, rows, speaker_column="WHO", text_column="3", group_column="ep,who")

    assert spoken(reading) == [("Ann", "two two"), ("Bob", "four four")]
    assert [line.group for line in reading.lines] == ["1 Ann", "1 Bob"]


def test_numbered_episodes_are_told_apart_by_season(tmp_path):
    rows = "season,episode,speaker,text\n1,1,Ann,Hi to you.\n2,1,Bob,Hi to me.\n"

    reading = read(tmp_path, rows)

    assert [line.group for line in reading.lines] == ["1 1", "2 1"]
    assert reading.details["group column"] == "season + episode"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", {}, "is empty"),
        (b"\n\n", {}, "is empty"),
        (b"\x89PNG\r\n\x1a\n1234", {}, "not a text file"),
        (b"PK\x03\x04....", {}, "not a text file"),
        ("text\nHello there you.\nHow are you.\n", {}, "one column only"),
        (
            "speaker,text\nAnn,Hi you.\n",
            {"text_column": "line"},
            "no column 'line'. The columns are: speaker, text",
        ),
        ("speaker,text\nAnn,Hi you.\n", {"speaker_column": "9"}, "no column '9'"),
        ("id,speaker\n1,Ann\n2,Bob\n3,Ann\n4,Bob\n", {}, "no column holds speeches.*--text-column"),
        ('speaker,text\nAnn,"' + "x" * (17 * 2**20) + "\n", {}, "never closed"),
    ],
)
def test_bad_tables_get_one_clear_message(tmp_path, content, options, message):
    with pytest.raises(DialogueError, match=message) as caught:
        read(tmp_path, content, **options)

    assert "show.csv" in str(caught.value)


def test_a_quotation_mark_that_swallows_rows_is_announced(tmp_path):
    sound = 'Ann,"Yes, I think so."\n' * 4000  # more than what the separator is guessed from
    rows = ROWS + sound + 'Ann,"Never closed\n' + "Bob,More words here.\n" * 200

    assert any("swallows" in warning for warning in read(tmp_path, rows).warnings)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DialogueError, match="no such file"):
        read_source(tmp_path / "none.csv", ImportOptions())
    with pytest.raises(DialogueError, match="is a folder"):
        read_source(tmp_path, ImportOptions())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=300) | st.text('ab,;\t|"\n\r :.{}[]', max_size=300).map(str.encode),
    name=st.sampled_from(["show.csv", "show.tsv", "show.txt", "show.jsonl"]),
)
def test_any_file_is_read_or_refused(tmp_path, data, name):
    try:
        reading = read(tmp_path, data, name)
    except DialogueError:
        return
    assert reading.format
