"""Files that are either complete or absent: written beside, synced, then renamed."""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from understudy.errors import UnderstudyError

__all__ = ["write_bytes", "write_json", "write_jsonl", "write_text"]


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` with ``data`` in one step; what was there survives any failure.

    Raises:
        UnderstudyError: The folder cannot be written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UnderstudyError(
            f"{path}: cannot be written ({error.strerror}). Choose a folder that you may write to."
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).chmod(0o644)
        os.replace(beside, path)
    except OSError as error:
        raise UnderstudyError(
            f"{path}: cannot be written ({error.strerror}). What was there before is unchanged."
        ) from error
    finally:
        if os.path.exists(beside):
            os.unlink(beside)


def write_text(path: Path, text: str) -> None:
    """``write_bytes`` for UTF-8 text."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Mapping[str, Any] | list[Any]) -> None:
    """``write_bytes`` for one indented JSON value."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """``write_bytes`` for one JSON object a line."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
