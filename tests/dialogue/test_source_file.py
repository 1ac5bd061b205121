"""Files as they come: encodings, archives, torn bytes, lists and lines of any length, in bounded memory."""

import bz2
import gzip
import json
import lzma
import tracemalloc

import pytest

from understudy.dialogue import ImportOptions, read_source
from understudy.dialogue import source_file as source_file_module
from understudy.dialogue.json_rows import JsonRows
from understudy.dialogue.source_file import SourceFile
from understudy.errors import ConfigError, DialogueError

SCRIPT = "Zoë: Où est le thé?\nIroh: Voilà.\n"


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-8", "UTF-8"), ("utf-16", "UTF-16"), ("utf-16-be", "UTF-16"), ("cp1252", "Windows-1252")],
)
def test_encodings_are_found_out(tmp_path, encoding, told):
    (tmp_path / "a.txt").write_bytes(SCRIPT.encode(encoding))

    file = SourceFile(tmp_path / "a.txt")

    assert (file.text, file.encoding) == (SCRIPT, told)
    assert bool(file.warnings) == (told == "Windows-1252")


def test_other_encodings_can_be_named(tmp_path):
    (tmp_path / "a.txt").write_bytes("Зоя: Чай?\nАйро: Да.\n".encode("cp1251"))

    assert read_source(tmp_path / "a.txt", ImportOptions(encoding="cp1251")).lines[0].speaker == "Зоя"
    for wrong in ("cp9999", "rot13", "zip"):
        with pytest.raises(ConfigError, match="--encoding"):
            SourceFile(tmp_path / "a.txt", wrong)


def test_a_few_torn_bytes_do_not_change_the_encoding(tmp_path):
    (tmp_path / "a.txt").write_bytes(("é" * 50 + "\n").encode() + b"\xe9\n" + "é\n".encode()[:-2])

    file = SourceFile(tmp_path / "a.txt")

    assert file.encoding == "UTF-8"
    assert file.text.startswith("é" * 50)
    assert "a.txt:2: 2 bytes are not UTF-8" in file.warnings[0]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_are_read_and_torn_ones_named(tmp_path, compress):
    data = compress(SCRIPT.encode() * 1000)
    (tmp_path / "a.txt.z").write_bytes(data)
    (tmp_path / "torn.z").write_bytes(data[: len(data) // 2])

    assert SourceFile(tmp_path / "a.txt.z").text == SCRIPT * 1000
    with pytest.raises(DialogueError, match=r"torn\.z: cannot be read"):
        SourceFile(tmp_path / "torn.z")


def test_text_of_any_size_streams_but_is_not_held_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(source_file_module, "MAX_TEXT_CHARACTERS", 2_000_000)
    monkeypatch.setattr(source_file_module, "MAX_LINE_CHARACTERS", 1_000)
    (tmp_path / "long.txt").write_text("Ann: hi\n" * 300_000)
    (tmp_path / "wide.txt").write_text("x" * 1_500_000)

    assert sum(1 for _ in SourceFile(tmp_path / "long.txt").lines()) == 300_000
    with pytest.raises(DialogueError, match="more than 1 million characters"):
        _ = SourceFile(tmp_path / "long.txt").text
    with pytest.raises(DialogueError, match=r"wide\.txt:1: is longer than"):
        list(SourceFile(tmp_path / "wide.txt").lines())


def row(number):
    return {
        "messages": [
            {"role": "user", "content": f"Question {number}?"},
            {"role": "assistant", "content": "Yes."},
        ]
    }


@pytest.mark.parametrize("as_list", [True, False])
def test_rows_arrive_one_by_one_in_bounded_memory(tmp_path, as_list):
    rows = [row(number) for number in range(60_000)]
    text = json.dumps(rows) if as_list else "\n".join(map(json.dumps, rows))
    path = tmp_path / "rows.json"
    path.write_text(text)
    file = SourceFile(path)

    tracemalloc.start()
    found = sum(1 for _ in JsonRows(file))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found == 60_000
    # Head and two pieces of a million characters; the file has seven.
    assert len(text) > 6_000_000
    assert peak < 6_000_000


def test_a_list_with_one_long_entry_and_odd_spacing(tmp_path):
    path = tmp_path / "rows.json"
    rows = [row(1), {"messages": "x" * 3_000_000}, row(2)]
    path.write_text("\ufeff [\n" + " ,\n\n".join(map(json.dumps, rows)) + "\n]\n")

    assert [value for _, value in JsonRows(SourceFile(path))] == rows


def test_a_fault_in_a_list_keeps_what_came_before_and_is_named(tmp_path):
    path = tmp_path / "rows.json"
    good = ",\n".join(json.dumps(row(number)) for number in range(3))
    path.write_text(f"[{good},\n{{oops}},\n" + ",\n".join(json.dumps(row(n)) for n in range(9)) + "]")

    reading = read_source(path, ImportOptions())

    assert len(reading.dialogues) == 3
    assert "rows.json:4: entry 4 of the list: is not JSON" in reading.warnings[0]


def test_one_object_over_many_lines(tmp_path):
    path = tmp_path / "one.json"
    path.write_text(json.dumps({**row(1), "tags": ["a", "b"], "list": list(range(40))}, indent=1))

    assert len(read_source(path, ImportOptions()).dialogues) == 1


def test_json_lines_that_are_lists_are_rows(tmp_path):
    path = tmp_path / "lists.jsonl"
    path.write_text("[1]\n[2]\n")

    assert list(JsonRows(SourceFile(path))) == [(1, [1]), (2, [2])]
