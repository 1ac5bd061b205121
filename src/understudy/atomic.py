"""Files that are either complete or absent: written beside, synced, then renamed."""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from understudy.errors import UnderstudyError

__all__ = ["copy_file", "write_bytes", "write_chunks", "write_json", "write_jsonl", "write_text"]

CHUNK_BYTES = 1024 * 1024


def write_bytes(path: Path, data: bytes) -> None:
    """``write_chunks`` for bytes that are in memory."""
    write_chunks(path, (data,))


def write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace ``path`` with the chunks in one step; what was there survives any failure, also of theirs.

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
            file.writelines(chunks)
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
    write_chunks(path, ((json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8") for row in rows))


def copy_file(source: Path, path: Path) -> None:
    """``write_chunks`` with the content of another file, in bounded memory."""
    with source.open("rb") as file:
        write_chunks(path, iter(lambda: file.read(CHUNK_BYTES), b""))
