"""Batch journal: the answers of a batch as they come, so that a killed server asks nothing twice."""

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["BatchJournal"]

SUCCEEDED, FAILED = "output.jsonl", "errors.jsonl"


class BatchJournal:
    """Two files of JSON lines in a folder: what succeeded and what did not.

    Attributes:
        completed: Number of lines that succeeded.
        failed: Number of lines that failed.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = {True: folder / SUCCEEDED, False: folder / FAILED}
        self._answered: set[str] = set()
        counts = {}
        for good, path in self._paths.items():
            _cut_torn_end(path)
            ids = [row["custom_id"] for row in _rows(path)]
            counts[good] = len(ids)
            self._answered |= set(ids)
        self.completed, self.failed = counts[True], counts[False]

    def __contains__(self, custom_id: object) -> bool:
        return custom_id in self._answered

    def path(self, *, good: bool) -> Path:
        """The file of what succeeded, or of what failed."""
        return self._paths[good]

    def add(
        self,
        custom_id: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        body: Any = None,
        error: dict[str, str] | None = None,
    ) -> None:
        """Note the answer to one line: a response, or an error where none was given."""
        good = status is not None and status < 400
        response = None if status is None else {"status_code": status, "request_id": request_id, "body": body}
        row = {
            "id": f"batch_req_{secrets.token_hex(12)}",
            "custom_id": custom_id,
            "response": response,
            "error": error,
        }
        with open(self._paths[good], "ab") as file:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self._answered.add(custom_id)
        self.completed += good
        self.failed += not good

    def usage(self) -> dict[str, Any]:
        """Sum of the tokens that the answers report."""
        read = cached = written = 0
        for row in _rows(self._paths[True]):
            usage = row["response"]["body"].get("usage") or {}
            read += usage.get("prompt_tokens", 0)
            cached += (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
            written += usage.get("completion_tokens", 0)
        return {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": cached},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        }


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with open(path, "rb") as file:
            for line in file:
                yield json.loads(line)


def _cut_torn_end(path: Path) -> None:
    """Drop half a line at the end: it was being written when the server was killed."""
    if not path.exists():
        return
    with open(path, "rb+") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end and (file.seek(end - 1), file.read(1))[1] != b"\n":
            end -= 1
        if end < size:
            file.truncate(end)
