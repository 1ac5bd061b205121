"""Text file: bytes from anywhere, read as text with one clear error."""

import json
from dataclasses import dataclass
from pathlib import Path

from understudy.errors import UnderstudyError

__all__ = ["TextFile", "json_fault", "read_text_file"]

MAX_BYTES = 256 * 1024 * 1024
BINARY_STARTS = (b"\x89PNG", b"PK\x03\x04", b"%PDF", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"\x7fELF")


@dataclass(frozen=True)
class TextFile:
    """Text with plain line breaks, its encoding, and what was odd about it."""

    text: str
    encoding: str
    warnings: tuple[str, ...] = ()


def read_text_file(path: Path, error: type[UnderstudyError], *, max_bytes: int = MAX_BYTES) -> TextFile:
    """Read UTF-8 or UTF-16 text; other bytes are read as Windows-1252 with a warning.

    Args:
        path: The file.
        error: Which error of the family to raise.
        max_bytes: Larger files are refused.

    Raises:
        UnderstudyError: Of the given kind: missing, a folder, empty, too large or not text.
    """
    data = _read(path, error, max_bytes)
    warnings: tuple[str, ...] = ()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text, encoding = data.decode("utf-16", errors="replace"), "UTF-16"
    elif _is_binary(data):
        raise error(f"{path}: is not a text file. Export it as text, CSV or JSONL in UTF-8.")
    else:
        text, encoding, warnings = _decode(data, path)
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    if not text.strip():
        raise error(f"{path}: is empty. Check that the export has finished.")
    return TextFile(text, encoding, warnings)


def _read(path: Path, error: type[UnderstudyError], max_bytes: int) -> bytes:
    try:
        if path.is_dir():
            raise error(f"{path}: is a folder. Name a file in it.")
        if path.exists() and not path.is_file():
            raise error(f"{path}: is a device or pipe. Save its content as a file first.")
        size = path.stat().st_size
        if size > max_bytes:
            raise error(
                f"{path}: has {size / 2**20:.0f} MiB; files of up to {max_bytes / 2**20:.0f} MiB are read. "
                "Cut it into parts."
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise error(f"{path}: no such file. Check the name and the folder.") from None
    except UnderstudyError:
        raise
    except (OSError, ValueError) as cause:  # ValueError: a NUL in the path
        raise error(f"{path}: cannot be read ({getattr(cause, 'strerror', None) or cause}).") from cause


def _is_binary(data: bytes) -> bool:
    """Known pictures and archives, NUL bytes, or many control characters at the beginning."""
    head = data[:65536]
    control = sum(byte < 9 or 13 < byte < 27 or 27 < byte < 32 for byte in head)
    return data.startswith(BINARY_STARTS) or b"\0" in head or control * 50 > len(head)


def _decode(data: bytes, path: Path) -> tuple[str, str, tuple[str, ...]]:
    try:
        return data.decode("utf-8-sig"), "UTF-8", ()
    except UnicodeDecodeError as cause:
        line = data[: cause.start].count(b"\n") + 1
        warning = (
            f"{path}:{line}: is not UTF-8; read as Windows-1252. Check accents and quotation marks, "
            "or save the file as UTF-8."
        )
        return data.decode("cp1252", errors="replace"), "Windows-1252", (warning,)


def json_fault(error: ValueError | RecursionError) -> str:
    """What is wrong with JSON text that ``json.loads`` refused, in words for a person."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.removesuffix(' at')} at column {error.colno}"
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    return "holds a number with too many digits"
