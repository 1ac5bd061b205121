"""Journal: what was reported of each step, so that a report lost with its server is told again."""

import json
import os
from pathlib import Path
from typing import Any

from understudy.inference.sealed import write_synced

__all__ = ["Journal"]

STEPS = "steps.jsonl"


class Journal:
    """One line for each finished step.

    A line outlives the process at once, and a power cut as soon as a checkpoint follows it.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / STEPS

    def rewind(self, step: int) -> list[dict[str, Any]]:
        """Forget steps after ``step``, which will be taken again, and give the others in order.

        Raises:
            OSError: The disk is full or may not be written.
        """
        reports = [report for report in self._read() if report["step"] <= step]
        beside = self._path.with_name(f".{STEPS}.partial")
        write_synced(beside, "".join(_line(report) for report in reports).encode())
        os.replace(beside, self._path)
        return reports

    def append(self, report: dict[str, Any]) -> None:
        """Add the report of one step.

        Raises:
            OSError: The disk is full or may not be written.
        """
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(report))

    def sync(self) -> None:
        """Wait until the disk has every line.

        Raises:
            OSError: The disk cannot be written.
        """
        with self._path.open("a", encoding="utf-8") as file:
            os.fsync(file.fileno())

    def _read(self) -> list[dict[str, Any]]:
        """Whole lines only: the last may be torn."""
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        reports = []
        for line in text.splitlines():
            try:
                report = json.loads(line)
                if isinstance(report["step"], int):
                    reports.append(report)
            except (ValueError, KeyError, TypeError):
                continue
        return reports


def _line(report: dict[str, Any]) -> str:
    return json.dumps(report, separators=(",", ":")) + "\n"
