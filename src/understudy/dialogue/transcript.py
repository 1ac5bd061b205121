"""Transcript: a table with a speech in each row (CSV, TSV, semicolons) as lines."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from understudy.dialogue.columns import SAMPLE_ROWS, Columns, find_columns
from understudy.dialogue.line import Line, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.source_file import SourceFile
from understudy.dialogue.speaker import normalize_label
from understudy.errors import DialogueError

__all__ = ["looks_like_table", "read_transcript", "table_rows"]

DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
SAMPLE_CHARACTERS = 64 * 1024
MAX_CELL_CHARACTERS = 16 * 1024 * 1024
# Labels of rows that tell what is seen instead of who speaks.
NARRATION = {
    "", "na", "n/a", "nan", "none", "null", "scene description", "narration", "stage direction",
    "stage directions", "scene", "action", "description",
}  # fmt: skip


def looks_like_table(file: SourceFile) -> bool:
    """Whether rows of the beginning fall into the same two or more columns."""
    if {suffix.casefold() for suffix in file.path.suffixes} & {".csv", ".tsv", ".tab"}:
        return True
    sample = file.head[:SAMPLE_CHARACTERS]
    delimiter, quoting = _dialect(sample)
    rows = [row for row in _rows(sample, delimiter, quoting) if row]
    width, _ = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
    agreeing = sum(len(row) == width for row in rows)
    enough = 0.9 if delimiter == "\t" else 0.95
    return width >= 2 and len(rows) >= 3 and agreeing >= enough * len(rows) and delimiter != "|"


def read_transcript(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one line a row.

    Rows without a speaker, or whose label says that they describe the scene, become narration.

    Raises:
        DialogueError: The table cannot be read, or has no columns of speakers and speeches.
    """
    rows, separator = table_rows(file)
    sample = list(islice(rows, SAMPLE_ROWS + 1))
    columns = find_columns(file.path, [row for _, row in sample], options)
    reading = Reading("transcript table", warnings=list(file.warnings))
    reading.details = {"separator": separator, "encoding": file.encoding, **columns.details()}
    for number, row in chain(sample[1 if columns.has_header else 0 :], rows):
        _add_row(reading, row, columns, f"{file.path.name}:{number}")
    _warn_of_swallowed_rows(file.path, reading)
    return reading


def table_rows(file: SourceFile) -> tuple[Iterator[tuple[int, list[str]]], str]:
    """Rows that are not empty, each with the line where it begins, and the separator's name.

    Raises:
        DialogueError: The text is no table, or an empty one; also while the rows are read.
    """
    delimiter, quoting = _dialect(file.head[:SAMPLE_CHARACTERS].lstrip("\ufeff"))
    rows = _sound_rows(file, delimiter, quoting)
    first = next(rows, None)
    if first is None:
        raise DialogueError(f"{file.path}: has separators but no text. Check that the export has finished.")
    return chain([first], rows), DELIMITERS[delimiter]


def _sound_rows(file: SourceFile, delimiter: str, quoting: int) -> Iterator[tuple[int, list[str]]]:
    lines = (line.lstrip("\ufeff") if number == 1 else line for number, line in file.lines())
    try:
        yield from _numbered_rows((f"{line}\n" for line in lines), delimiter, quoting)
    except csv.Error as error:
        raise DialogueError(
            f"{file.path}: cannot be read as a table ({error}). "
            "Look for a quotation mark that is opened and never closed."
        ) from error


def _dialect(sample: str) -> tuple[str, int]:
    """The separator under which the rows agree best on their number of columns."""
    best: tuple[str, int] = (",", csv.QUOTE_MINIMAL)
    best_score = (0.0, 0)
    for delimiter in DELIMITERS:
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            score = _agreement(sample, delimiter, quoting)
            if score > best_score:
                best, best_score = (delimiter, quoting), score
    return best


def _agreement(sample: str, delimiter: str, quoting: int) -> tuple[float, int]:
    """Share and number of rows with the commonest width.

    The number decides where a lone quotation mark would swallow rows without disagreeing.
    """
    try:
        rows = [row for row in _rows(sample, delimiter, quoting) if row]
    except csv.Error:
        return 0.0, 0
    rows = rows[:-1] if len(rows) > 3 else rows  # the sample may end inside the last one
    width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
    return (count / len(rows), count) if width >= 2 else (0.0, 0)


def _rows(text: str, delimiter: str, quoting: int) -> list[list[str]]:
    return [row for _, row in _numbered_rows(io.StringIO(text, newline=""), delimiter, quoting)]


def _numbered_rows(lines: Iterable[str], delimiter: str, quoting: int) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line in which each begins."""
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    number = 1
    for row in reader:
        if any(cell.strip() for cell in row):
            yield number, row
        number = reader.line_num + 1


def _add_row(reading: Reading, row: list[str], columns: Columns, source: str) -> None:
    def cell(position: int | None) -> str:
        return row[position].strip() if position is not None and position < len(row) else ""

    text, label = cell(columns.text), cell(columns.speaker)
    group = " ".join(" ".join(cell(i) for i in columns.group).split())
    if text in ("", "NA"):
        reading.skipped["row without text"] += 1
        return
    if len(row) <= max(columns.text, columns.speaker):
        reading.skipped["row with too few columns"] += 1
        return
    narration = normalize_label(label) in NARRATION
    if narration:
        reading.skipped["narration (no speaker)"] += 1
    reading.lines.append(Line(None if narration else label, text, group, cell(columns.scene), source))


def _warn_of_swallowed_rows(path: Path, reading: Reading) -> None:
    for line in reading.lines:
        if line.text.count("\n") > 100:
            number = line.source.rsplit(":", 1)[-1]
            reading.warnings.append(
                f"{path}:{number}: a cell holds {line.text.count(chr(10))} lines. A quotation mark that is "
                "never closed swallows the rows after it."
            )
