"""PNG text: the chunks in which character cards travel.

Layout and chunk types: PNG specification, third edition, section 11.3.3 (tEXt, zTXt, iTXt).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["PNG_SIGNATURE", "PngText", "TextChunk", "read_png_text"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_KINDS = (b"tEXt", b"zTXt", b"iTXt")
MAX_TEXT_BYTES = 32 * 1024 * 1024  # a compressed chunk of a few kilobytes can claim gigabytes


@dataclass(frozen=True)
class TextChunk:
    """One text chunk: its keyword, its uncompressed bytes, and whether the file ended inside it."""

    keyword: str
    data: bytes
    kind: str
    torn: bool = False


@dataclass(frozen=True)
class PngText:
    """All readable text chunks in file order, and what was wrong with the file."""

    chunks: tuple[TextChunk, ...]
    warnings: tuple[str, ...]
    torn: bool


def read_png_text(data: bytes) -> PngText:
    """Read the text chunks wherever they stand, also after the image data.

    A wrong checksum is a warning, not an error: editors that add a card often forget it. Of a
    file that was cut off, what is there is returned.
    """
    chunks: list[TextChunk] = []
    warnings: list[str] = []
    torn = False
    for kind, body, good_crc, complete in _chunks(data):
        torn = torn or not complete
        if kind not in TEXT_KINDS:
            continue
        if complete and not good_crc:
            warnings.append(f"the {kind.decode()} chunk has a wrong checksum; it was read all the same")
        try:
            keyword, text = _text(kind, body)
        except (ValueError, zlib.error) as error:
            warnings.append(f"a {kind.decode()} chunk cannot be read ({error}); it was skipped")
            continue
        chunks.append(TextChunk(keyword, text, kind.decode(), not complete))
    if torn:
        warnings.append("the PNG file is cut off; what was left of it was read")
    return PngText(tuple(chunks), tuple(warnings), torn)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool, bool]]:
    """Yield ``(type, body, checksum is right, chunk is complete)``."""
    at, ended = len(PNG_SIGNATURE), False
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        crc = data[at + 8 + length : at + 12 + length]
        complete = len(body) == length and len(crc) == 4
        if not kind.isalpha() or (ended and not complete):
            break  # bytes that are no chunk: something was glued to the end of the picture
        yield kind, body, crc == struct.pack(">I", zlib.crc32(kind + body)), complete
        ended = ended or kind == b"IEND"
        at += 12 + length
    if not ended and at <= len(data):
        yield b"none", b"", True, False


def _text(kind: bytes, body: bytes) -> tuple[str, bytes]:
    raw_keyword, separator, rest = body.partition(b"\0")
    if not separator:
        raise ValueError("it has no keyword")
    keyword = raw_keyword.decode("latin-1")
    if kind == b"zTXt":
        return keyword, _inflate(rest[1:])
    if kind == b"iTXt":
        flags, rest = rest[:2], rest[2:]
        _language, _, rest = rest.partition(b"\0")
        _translated, _, rest = rest.partition(b"\0")
        return keyword, _inflate(rest) if flags[:1] == b"\1" else rest
    return keyword, rest


def _inflate(data: bytes) -> bytes:
    """Uncompress up to ``MAX_TEXT_BYTES``; a torn stream gives what was in it."""
    inflater = zlib.decompressobj()
    text = inflater.decompress(data, MAX_TEXT_BYTES)
    if inflater.unconsumed_tail:
        raise ValueError(f"it holds more than {MAX_TEXT_BYTES // 2**20} MiB of text")
    return text
