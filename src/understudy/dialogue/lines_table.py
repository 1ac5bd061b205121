"""Lines table: every line that was read from a source, as a CSV that a person corrects and imports."""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from understudy.atomic import write_chunks
from understudy.dialogue.line import Line

__all__ = ["write_lines"]

HEADER = ("speaker", "text", "episode", "scene", "source")


def write_lines(path: Path, lines: Iterable[Line]) -> None:
    """Write the lines in order. An unsure speaker is ``?``; narration has none.

    After a person has filled in names, the table is imported like any transcript.

    Raises:
        UnderstudyError: The file cannot be written.
    """
    write_chunks(path, _rows(lines))


def _rows(lines: Iterable[Line]) -> Iterator[bytes]:
    yield _row(HEADER)
    for line in lines:
        yield _row((line.speaker or "", line.text, line.group, line.scene, line.source))


def _row(cells: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8", "replace")
