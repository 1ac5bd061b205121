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

__all__ = ["TornRows", "looks_like_table", "read_transcript", "table_rows", "usual_width"]

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
    if width < 2 or len(rows) < 3 or agreeing < enough * len(rows):
        return False
    if delimiter == "|":  # A table of Markdown begins and ends its rows with bars.
        return not any(line.lstrip().startswith("|") for line in sample.split("\n"))
    return delimiter == "\t" or not _is_prose(rows)


def _is_prose(rows: list[list[str]]) -> bool:
    """Whether most separators are followed by a blank, as commas in sentences are and those of tables not."""
    cells = [cell for row in rows for cell in row[1:] if cell]
    return sum(cell.startswith(" ") for cell in cells) > 0.5 * len(cells)


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
    torn = TornRows(usual_width([row for _, row in sample]), columns.text, separator)
    for number, row in chain(sample[1 if columns.has_header else 0 :], rows):
        _add_row(reading, torn.whole(row, number), columns, f"{file.path.name}:{number}")
    reading.warnings += torn.warnings(file.path)
    _warn_of_swallowed_rows(file.path, reading)
    return reading


def usual_width(rows: list[list[str]]) -> int:
    """Columns of the first row, or of most rows, where that is more."""
    first = len(rows[0]) - next((n for n, cell in enumerate(reversed(rows[0])) if cell.strip()), 0)
    return max(first, Counter(map(len, rows)).most_common(1)[0][0])


class TornRows:
    """Rows with more cells than columns: a text with the separator in it that nobody put between quotes.

    Args:
        width: Columns of the table.
        column: The one whose text was torn.
        separator: Name of the separator.
    """

    def __init__(self, width: int, column: int, separator: str) -> None:
        self.width, self.column = width, column
        self.mark = next(mark for mark, name in DELIMITERS.items() if name == separator)
        self.count = self.first = 0

    def whole(self, row: list[str], number: int) -> list[str]:
        """The row with its text in one cell again."""
        while len(row) > self.width and not row[-1].strip():
            row = row[:-1]
        surplus = len(row) - self.width
        if surplus <= 0 or self.column >= self.width:
            return row
        self.count, self.first = self.count + 1, self.first or number
        end = self.column + surplus + 1
        return [*row[: self.column], self.mark.join(row[self.column : end]), *row[end:]]

    def warnings(self, path: Path) -> list[str]:
        if not self.count:
            return []
        rows = "1 row holds" if self.count == 1 else f"{self.count} rows hold"
        return [
            f"{path}:{self.first}: {rows} more separators than there are columns; they were taken for a part "
            "of the text. Put such texts between quotation marks."
        ]


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
