"""JSON rows: the entries of a JSONL file or of one JSON list, one at a time, faults named."""

import json
import re
from collections.abc import Iterator
from typing import Any

from understudy.dialogue.source_file import SourceFile
from understudy.textfile import json_fault

__all__ = ["JsonRows"]

_GAP = re.compile(r"[\s,\ufeff]*")
# A fault nearer to the end of what was read may be an entry that continues.
MARGIN_CHARACTERS = 64
MAX_NAMED_PROBLEMS = 20
WRAPPERS = ("data", "rows", "items", "examples", "train")


class JsonRows:
    """Iterates over ``(number, entry)``; memory holds one entry, however long the file is.

    ``number`` is the line in JSONL, the position in a list. ``problems`` names what is not JSON,
    ``faults`` counts it.
    """

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.problems: list[str] = []
        self.faults = 0
        self.is_list = file.head.lstrip("\ufeff \t\n").startswith("[") and not self._first_line_is_list()

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        for number, row in self._entries() if self.is_list else self._lines():
            inner = None
            if isinstance(row, dict):
                inner = next((row[key] for key in WRAPPERS if _are_rows(row.get(key))), None)
            if inner is None:
                yield number, row
            else:  # One object around all rows, as data sets are exported.
                yield from enumerate(inner, 1)

    def _first_line_is_list(self) -> bool:
        """A file whose every line is a list is JSONL; one list over the whole file is not."""
        lines = self.file.head.strip("\ufeff \t\n").split("\n", 2)
        if len(lines) < 2:
            return False
        try:
            return isinstance(json.loads(lines[0]), list)
        except (ValueError, RecursionError):
            return False

    def _fault(self, where: str, error: ValueError | RecursionError) -> None:
        self.faults += 1
        if len(self.problems) < MAX_NAMED_PROBLEMS:
            kind = "JSON" if isinstance(error, json.JSONDecodeError) else "readable JSON"
            self.problems.append(f"{where}: is not {kind} ({json_fault(error)}).")

    def _lines(self) -> Iterator[tuple[int, Any]]:
        early: list[tuple[int, Any]] = []  # before the first object it may be one object over many lines
        found = False
        for number, line in self.file.lines():
            text = line.strip("\ufeff \t")
            if not text:
                continue
            try:
                row: Any = json.loads(text)
            except (ValueError, RecursionError) as error:
                row = error
            if not found and not isinstance(row, dict) and len(early) < MAX_NAMED_PROBLEMS:
                early.append((number, row))
                continue
            found = found or isinstance(row, dict)
            if found:
                yield from self._sound([*early, (number, row)])
                early = []
            else:
                self.faults += 1
        whole = None if found else self._whole()
        if whole is not None:
            self.problems, self.faults = [], 0
            early = [(1, whole)]
        yield from self._sound(early)

    def _sound(self, rows: list[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """Yield what is JSON, note what is not."""
        for number, row in rows:
            if isinstance(row, ValueError | RecursionError):
                self._fault(f"{self.file.path}:{number}", row)
            else:
                yield number, row

    def _whole(self) -> dict[str, Any] | None:
        """The file as one object over many lines."""
        try:
            value = json.loads(self.file.text.lstrip("\ufeff"))
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def _entries(self) -> Iterator[tuple[int, Any]]:
        """Entries of one list, decoded as they arrive."""
        decoder, chunks = json.JSONDecoder(), self.file.chunks()
        buffer = next(chunks).lstrip("\ufeff \t\n")[1:]
        more, position, line, number = True, 0, 1, 0
        while True:
            position = _GAP.match(buffer, position).end()  # type: ignore[union-attr]
            if buffer.startswith("]", position):
                return
            try:
                value, end = decoder.raw_decode(buffer, position)
                if end < len(buffer) or not more:
                    number, position = number + 1, end
                    yield number, value
                    continue
            except (ValueError, RecursionError) as error:
                if not more or _is_final(error, len(buffer)):
                    at = line + buffer.count("\n", 0, getattr(error, "pos", position))
                    self._fault(f"{self.file.path}:{at}: entry {number + 1} of the list", error)
                    return
            line += buffer.count("\n", 0, position)
            buffer, position, more = _grow(buffer[position:], chunks)


def _are_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _grow(rest: str, chunks: Iterator[str]) -> tuple[str, int, bool]:
    """At least double what is left, so that a long entry is not decoded a thousand times."""
    parts, wanted = [rest], max(1, len(rest))
    while wanted > 0 and (chunk := next(chunks, "")):
        parts.append(chunk)
        wanted -= len(chunk)
    return "".join(parts), 0, len(parts) > 1


def _is_final(error: ValueError | RecursionError, length: int) -> bool:
    """Whether more text could not mend the fault."""
    if not isinstance(error, json.JSONDecodeError):
        return True
    unfinished = error.msg.startswith(("Unterminated string", "Invalid \\"))
    return not unfinished and error.pos < length - MARGIN_CHARACTERS
