"""Row file: replies as they come, kept at once and found again, so that a stop loses nothing."""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from understudy.atomic import write_jsonl

__all__ = ["Progress", "Row", "RowFile", "bounded", "row_key"]

Row = dict[str, Any]


@dataclass
class Progress:
    """How far the asking is. ``fresh`` are the requests made now, not found in the file.

    ``note`` is what else a person wants to see, for example what was spent.
    """

    what: str
    total: int
    report: Callable[["Progress"], None] = lambda progress: None
    done: int = 0
    fresh: int = 0
    started: float = field(default_factory=time.monotonic)
    note: str = ""

    def advance(self, *, fresh: bool) -> None:
        self.done += 1
        self.fresh += fresh
        self.report(self)

    @property
    def per_second(self) -> float:
        """Requests a second since the first; 0 before anything was asked."""
        elapsed = time.monotonic() - self.started
        return self.fresh / elapsed if self.fresh and elapsed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.done) / self.per_second if self.per_second else None


class RowFile:
    """JSON lines that are appended as they come and found again by their key.

    A torn last line, left by a crash, is skipped and asked again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        for line in self._lines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and isinstance(row.get("key"), str):
                self.rows[row["key"]] = row
        self._file: TextIO | None = None

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return []

    def append(self, row: Row) -> None:
        """Keep a row at once."""
        self.rows[row["key"]] = row
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = self.path.is_file() and not self.path.read_bytes().endswith(b"\n")
            self._file = self.path.open("a", encoding="utf-8")
            self._file.write("\n" if torn else "")
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self, keep: Iterable[str] | None = None) -> None:
        """Close the file; with ``keep``, leave just these rows, in this order."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if keep is not None:
            write_jsonl(self.path, [self.rows[key] for key in keep if key in self.rows])


def row_key(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


async def bounded(jobs: Sequence[Callable[[], Awaitable[None]]], concurrency: int) -> None:
    """Run the jobs, a few at a time, in order; the first fault stops the rest."""
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            await job()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(jobs))):
                group.create_task(work())
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None
