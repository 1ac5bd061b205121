"""Cell talk: tables in which one cell holds a whole conversation, ``Name: line`` by ``Name: line``."""

import re
from itertools import chain, islice

from understudy.dialogue.columns import column_key
from understudy.dialogue.line import Line, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.source_file import SourceFile
from understudy.dialogue.transcript import looks_like_table, table_rows
from understudy.errors import DialogueError

__all__ = ["looks_like_cell_talk", "read_cell_talk"]

_TURN = re.compile(r"^\s*(?P<label>[^\W\d_][\w .'’-]{0,30}?)\s*:\s*(?P<text>\S.*)$")
SAMPLE_ROWS = 200
LEAST_SHARE = 0.5


def looks_like_cell_talk(file: SourceFile) -> bool:
    """Whether half of the rows or more have a cell with several labelled lines."""
    if not looks_like_table(file):
        return False
    try:
        rows = [row for _, row in islice(table_rows(file)[0], SAMPLE_ROWS)]
    except DialogueError:
        return False
    return _talk_column(rows) is not None


def _talk_column(rows: list[list[str]]) -> int | None:
    """The column whose cells hold conversations in most rows."""
    width = max(map(len, rows), default=0)
    shares = [sum(_turns(row[i]) >= 2 for row in rows if i < len(row)) for i in range(width)]
    best = max(range(width), key=lambda i: shares[i], default=None)
    # The first row may be a header.
    enough = best is not None and shares[best] >= max(1, LEAST_SHARE * (len(rows) - 1))
    return best if enough else None


def _turns(cell: str) -> int:
    lines = [line for line in cell.split("\n") if line.strip()]
    found = sum(_TURN.match(line) is not None for line in lines)
    return found if found >= 0.8 * len(lines) else 0


def read_cell_talk(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one line a labelled line; each cell is a conversation and a group.

    Raises:
        DialogueError: No column holds conversations.
    """
    rows, separator = table_rows(file)
    sample = list(islice(rows, SAMPLE_ROWS))
    header = [cell.strip() for cell in sample[0][1]]
    column = _talk_column([row for _, row in sample])
    if options.text_column:
        keys = [column_key(cell) for cell in header]
        if column_key(options.text_column) not in keys:
            raise DialogueError(
                f"{file.path}: has no column {options.text_column!r}. "
                f"The columns are: {', '.join(header[:20])}."
            )
        column = keys.index(column_key(options.text_column))
    if column is None:
        raise DialogueError(
            f"{file.path}: no column holds whole conversations, with lines such as 'Name: words' in one cell."
        )
    reading = Reading("table of conversations", warnings=list(file.warnings))
    name = header[column] if column < len(header) else ""
    titled = not _turns(name)
    reading.details = {
        "separator": separator,
        "encoding": file.encoding,
        "conversation column": name if titled else f"column {column + 1}",
    }
    for number, row in chain(sample[1 if titled else 0 :], rows):
        cell = row[column] if column < len(row) else ""
        if _turns(cell):
            _add_cell(reading, cell, number, file.path.name)
        else:
            reading.skipped["row without a conversation"] += 1
    return reading


def _add_cell(reading: Reading, cell: str, number: int, file: str) -> None:
    for offset, line in enumerate(cell.split("\n")):
        if match := _TURN.match(line):
            label = " ".join(match["label"].split())
            reading.lines.append(
                Line(label, match["text"].strip(), str(number), "", f"{file}:{number + offset}")
            )
        elif line.strip():
            reading.skipped["line without a speaker in a cell"] += 1
