"""Container: the file around a card. Finds the card's JSON in PNG, CHARX (ZIP) and JSON files."""

import base64
import binascii
import io
import json
import lzma
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.character.png import PNG_SIGNATURE, PngText, TextChunk, read_png_text
from understudy.errors import CardError
from understudy.textfile import json_fault

__all__ = ["CardContents", "read_container"]

MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_CARD_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64

# Keywords that hold a card, the best first (ccv3: Character Card V3; chara: V1 and V2).
KEYWORDS = ("ccv3", "chara")

# What the standard library raises for archives that were damaged on purpose or by accident.
_ZIP_FAULTS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, RuntimeError, NotImplementedError,
    EOFError, OSError, ValueError, IndexError, OverflowError,
)  # fmt: skip

FOREIGN = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"RIFF": "a WebP picture",
    b"%PDF": "a PDF file",
    b"\x1f\x8b": "a gzip file",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
}


@dataclass
class CardContents:
    """The card's JSON object, how it was packed, and what was odd about the packing."""

    value: dict[str, Any]
    packing: str
    warnings: list[str] = field(default_factory=list)


def read_container(path: Path) -> CardContents:
    """Read a card file by what is in it; the file's extension does not matter.

    Raises:
        CardError: The file is missing, too large, damaged, or holds no card.
    """
    data = _read_bytes(path)
    if data.startswith(PNG_SIGNATURE):
        return _from_png(path, data)
    if data[:4] == b"PK\x03\x04" or (data[:3] == b"\xff\xd8\xff" and zipfile.is_zipfile(io.BytesIO(data))):
        return _from_zip(path, data)
    if data.startswith(PNG_SIGNATURE[:4]) or PNG_SIGNATURE.startswith(data):
        raise CardError(f"{path}: is the damaged beginning of a PNG picture. Download the card again.")
    for start, kind in FOREIGN.items():
        if data.startswith(start):
            raise CardError(
                f"{path}: is {kind}, which holds no readable card. "
                "Export the card as PNG or JSON from the program that made it."
            )
    if not _begins_as_json(data):
        raise CardError(
            f"{path}: is no card: neither PNG nor CHARX nor JSON. "
            "A plain text prompt is read with: understudy init NAME --prompt FILE"
        )
    value, warnings = _parse(data, str(path))
    return CardContents(value, "JSON", warnings)


def _begins_as_json(data: bytes) -> bool:
    """Whether the first visible character could begin a JSON value, in UTF-8 or UTF-16."""
    head = data[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")
    return head[:1] in (b"{", b"[", b'"') or head[:1].isdigit() or not head


def _read_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise CardError(f"{path}: is a folder. Name the card file in it.")
        if path.exists() and not path.is_file():
            raise CardError(f"{path}: is a device or pipe. Save its content as a file first.")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise CardError(
                f"{path}: has {size / 2**20:.0f} MiB; cards of up to {MAX_FILE_BYTES // 2**20} MiB are read. "
                "Export it without its pictures."
            )
        data = path.read_bytes()
    except FileNotFoundError:
        raise CardError(f"{path}: no such file. Check the name and the folder.") from None
    except CardError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise CardError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    if not data.strip(b"\0 \t\r\n"):
        raise CardError(f"{path}: is empty. Download or export the card again.")
    return data


def _from_png(path: Path, data: bytes) -> CardContents:
    png = read_png_text(data)
    warnings = [f"{path}: {warning}." for warning in png.warnings]
    cards, problems = _cards_in(path, png, warnings)
    if not cards:
        raise CardError("\n".join(problems) or _no_card(path, png))
    chunk, value = cards[0]
    warnings += [f"{problem} The {chunk.keyword!r} chunk was used instead." for problem in problems]
    if any(_fields(other) != _fields(value) for _, other in cards[1:]):
        warnings.append(
            f"{path}: holds two cards that differ; {chunk.keyword!r} was used "
            f"({_differences(value, [other for _, other in cards[1:]])} differ)."
        )
    return CardContents(value, f"PNG, {chunk.kind} {chunk.keyword!r}", warnings)


def _cards_in(
    path: Path, png: PngText, warnings: list[str]
) -> tuple[list[tuple[TextChunk, dict[str, Any]]], list[str]]:
    """The readable cards, best keyword first, and the problems of the unreadable ones."""
    cards, problems = [], []
    for wanted in KEYWORDS:
        for chunk in png.chunks:
            if chunk.keyword.strip().casefold() != wanted:
                continue
            try:
                value, odd = _parse(_decode(chunk.data, f"{path}, chunk {chunk.keyword!r}"), str(path))
            except CardError as error:
                cause = " The file is cut off there: download the card again." if chunk.torn else ""
                problems.append(f"{error}{cause}")
                continue
            cards.append((chunk, value))
            warnings += odd
    return cards, problems


def _no_card(path: Path, png: PngText) -> str:
    if png.torn:
        return f"{path}: the PNG file is cut off before its card. Download the card again."
    found = ", ".join(sorted({repr(chunk.keyword) for chunk in png.chunks})) or "none"
    return (
        f"{path}: this picture holds no card (no 'chara' or 'ccv3' text; texts found: {found}). Picture "
        "editors, messengers and previews strip the card: get the original file, or the card as JSON."
    )


def _fields(value: dict[str, Any]) -> dict[str, Any]:
    """What matters when two cards are compared: V1 fields at the top or V2/V3 fields in ``data``."""
    fields = value.get("data")
    fields = fields if isinstance(fields, dict) else value
    empty: tuple[Any, ...] = ("", None, [], {})
    ignored = ("spec", "spec_version", "data", "extensions")
    return {k: v for k, v in fields.items() if k not in ignored and v not in empty}


def _differences(value: dict[str, Any], others: list[dict[str, Any]]) -> str:
    mine = _fields(value)
    names = {
        k for other in map(_fields, others) for k in mine.keys() | other.keys() if mine.get(k) != other.get(k)
    }
    return ", ".join(sorted(names)[:5])


def _decode(data: bytes, where: str) -> bytes:
    """Undo base64: with or without padding and line breaks, standard or URL alphabet."""
    packed = bytes(data.translate(None, b" \t\r\n\0"))
    if packed.startswith((b"{", b"\xef\xbb\xbf{")):
        return data  # some writers put the JSON there as it is
    packed = packed.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CardError(
            f"{where}: the card's base64 text is damaged ({error}). Download or export the card again."
        ) from error


def _from_zip(path: Path, data: bytes) -> CardContents:
    try:
        text = _zip_member(data, "card.json")
    except _ZIP_FAULTS as error:
        raise CardError(
            f"{path}: the CHARX archive is damaged or locked ({error}). Download or export the card again."
        ) from error
    if text is None:
        raise CardError(f"{path}: this archive holds no card.json, so it is not a CHARX card.")
    value, warnings = _parse(text, f"{path}, card.json")
    return CardContents(value, "CHARX", warnings)


def _zip_member(data: bytes, name: str) -> bytes | None:
    """The member nearest to the root, up to just over ``MAX_CARD_BYTES``."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [n for n in archive.namelist() if n.rsplit("/", 1)[-1].casefold() == name]
        if not names:
            return None
        with archive.open(min(names, key=len)) as member:
            return member.read(MAX_CARD_BYTES + 1)


def _parse(data: bytes, where: str) -> tuple[dict[str, Any], list[str]]:
    if len(data) > MAX_CARD_BYTES:
        raise CardError(f"{where}: the card has more than {MAX_CARD_BYTES // 2**20} MiB of text; not read.")
    text, warnings = _as_text(data, where)
    try:
        value = json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        raise CardError(
            f"{where}: line {error.lineno}, column {error.colno}: is not JSON ({error.msg}). "
            "Export the card again, or mend that place in a text editor."
        ) from error
    except (RecursionError, ValueError) as error:
        raise CardError(f"{where}: the card's JSON {json_fault(error)}. Export the card again.") from error
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise CardError(f"{where}: holds JSON, but no card: a card is one object with a 'name'.")
    return _clean(value, where), warnings


def _as_text(data: bytes, where: str) -> tuple[str, list[str]]:
    """Decode UTF-8 or UTF-16; other bytes are read as Windows-1252 with a warning."""
    data = data.strip(b"\0") if not data.startswith((b"\xff\xfe", b"\xfe\xff")) else data
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding), []
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
        return text, [f"{where}: is not UTF-8; read as Windows-1252. Check accents and quotation marks."]


def _clean(value: Any, where: str, depth: int = 0) -> Any:
    """Bring every text to plain line breaks and valid characters, so that any file can hold it."""
    if depth > MAX_DEPTH:
        raise CardError(f"{where}: the card's JSON is nested more than {MAX_DEPTH} levels deep; not read.")
    if isinstance(value, dict):
        return {_clean(k, where): _clean(v, where, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_clean(item, where, depth + 1) for item in value]
    if isinstance(value, float):
        return value if value - value == 0 else None  # NaN and the infinities are not JSON
    if isinstance(value, str):
        text = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
        text = "\n".join(line.rstrip() for line in text.replace("\t", "    ").split("\n"))
        return re.sub(r"\n{4,}", "\n\n\n", text)
    return value
