"""Source file: text from anywhere, read line by line where a format allows it, with one clear error."""

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from understudy.errors import ConfigError, DialogueError
from understudy.textfile import BINARY_STARTS

__all__ = ["MAX_TEXT_CHARACTERS", "SourceFile"]

MAX_TEXT_CHARACTERS = 256 * 1024 * 1024
MAX_LINE_CHARACTERS = 64 * 1024 * 1024
HEAD_CHARACTERS = 1024 * 1024
CHUNK_BYTES = 1024 * 1024
COMPRESSED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"BZh": bz2.open,
}
# What reading a torn or hostile archive can raise.
ARCHIVE_FAULTS = (EOFError, zlib.error, lzma.LZMAError, OSError)
ARCHIVES = {b"PK\x03\x04": "an archive or office document", b"%PDF": "a PDF"}


class SourceFile:
    """A text file, also compressed with gzip, xz or bzip2; its encoding is found out.

    ``head`` is the beginning, for recognising formats. ``lines()`` streams in bounded memory,
    ``text`` holds everything and is for formats that need it.

    Args:
        path: The file.
        encoding: Name of an encoding; ``None`` tells UTF-8 and UTF-16 apart, and reads other bytes
            as Windows-1252 with a warning.

    Raises:
        DialogueError: Missing, a folder, empty or not text.
        ConfigError: There is no encoding of that name.
    """

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        self.path = path
        self.warnings: tuple[str, ...] = ()
        self._codec, self.encoding = _known(encoding) if encoding else ("", "")
        with self._bytes() as file:
            start = file.read(65536)
            if not self._codec:
                self._refuse_binary(start)
                self._find_encoding(start, file)
        with self._characters() as text:
            self.head = text.read(HEAD_CHARACTERS).lstrip("\ufeff")
        if not self.head.strip("\ufeff \t\n"):
            raise DialogueError(f"{path}: is empty. Check that the export has finished.")

    @cached_property
    def text(self) -> str:
        """The whole text with plain line breaks.

        Raises:
            DialogueError: It is longer than ``MAX_TEXT_CHARACTERS``.
        """
        if len(self.head) < HEAD_CHARACTERS:
            return self.head
        with self._characters() as file:
            text = file.read(MAX_TEXT_CHARACTERS + 1)
        if len(text) > MAX_TEXT_CHARACTERS:
            raise DialogueError(
                f"{self.path}: has more than {MAX_TEXT_CHARACTERS // 2**20} million characters, and this "
                "format is read in one piece. Cut it into parts."
            )
        return text.lstrip("\ufeff")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the lines without their ends, with their numbers from 1."""
        with self._characters() as file:
            number = 0
            while line := file.readline(MAX_LINE_CHARACTERS + 1):
                number += 1
                if len(line) > MAX_LINE_CHARACTERS:
                    raise DialogueError(
                        f"{self.path}:{number}: is longer than {MAX_LINE_CHARACTERS // 2**20} million "
                        "characters. Check that the file has line breaks."
                    )
                yield number, line.removesuffix("\n")

    def chunks(self) -> Iterator[str]:
        """Yield the text in pieces of about a million characters."""
        with self._characters() as file:
            while chunk := file.read(HEAD_CHARACTERS):
                yield chunk

    @contextmanager
    def _bytes(self) -> Iterator[IO[bytes]]:
        """The decompressed bytes; faults of disk and archive become one error."""
        path = self.path
        try:
            if path.is_dir():
                raise DialogueError(f"{path}: is a folder. Name a file in it.")
            if path.exists() and not path.is_file():
                raise DialogueError(f"{path}: is a device or pipe. Save its content as a file first.")
            with path.open("rb") as raw:
                start = raw.read(8)
            opener = next((o for mark, o in COMPRESSED.items() if start.startswith(mark)), open)
            with opener(path, "rb") as file:
                yield file
        except FileNotFoundError:
            raise DialogueError(f"{path}: no such file. Check the name and the folder.") from None
        except ARCHIVE_FAULTS as cause:
            reason = getattr(cause, "strerror", None) or cause or "the archive ends too early"
            raise DialogueError(f"{path}: cannot be read ({reason}).") from cause
        except ValueError as cause:
            if isinstance(cause, DialogueError):
                raise
            raise DialogueError(f"{path}: cannot be read ({cause}).") from cause  # a NUL in the path

    @contextmanager
    def _characters(self) -> Iterator[io.TextIOWrapper]:
        with self._bytes() as file, io.TextIOWrapper(file, self._codec, errors="replace") as text:
            yield text

    def _refuse_binary(self, start: bytes) -> None:
        """Known pictures and archives, or many control characters at the beginning."""
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _is_bare_utf16(start):
            return
        control = sum(byte < 9 or 13 < byte < 27 or 27 < byte < 32 for byte in start)
        if start.startswith(BINARY_STARTS) or b"\0" in start or control * 50 > len(start):
            kind = next((name for mark, name in ARCHIVES.items() if start.startswith(mark)), "binary")
            raise DialogueError(
                f"{self.path}: is {kind}, not a text file. Export it as text, CSV or JSONL in UTF-8."
            )

    def _find_encoding(self, start: bytes, rest: IO[bytes]) -> None:
        """UTF-8 where the bytes say so, also with a few torn ones; else Windows-1252."""
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._codec, self.encoding = "utf-16", "UTF-16"
            return
        if _is_bare_utf16(start):
            self._codec = "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
            self.encoding = "UTF-16"
            return
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        torn = letters = line = first = 0
        chunk = start
        while chunk:
            text = decoder.decode(chunk)
            if not text.isascii():
                escaped = sum("\udc80" <= letter <= "\udcff" for letter in text)
                if escaped and not torn:
                    at = next(i for i, letter in enumerate(text) if "\udc80" <= letter <= "\udcff")
                    first = line + text.count("\n", 0, at) + 1
                torn += escaped
                letters += sum(letter > "\x7f" for letter in text) - escaped
            line += text.count("\n")
            chunk = rest.read(CHUNK_BYTES)
        tail = len(decoder.decode(b"", final=True))
        self._codec, self.encoding = "utf-8-sig", "UTF-8"
        if torn > letters:
            self._codec, self.encoding = "cp1252", "Windows-1252"
            self.warnings = (
                f"{self.path}:{first}: is not UTF-8; read as Windows-1252. Check accents and quotation "
                "marks, save the file as UTF-8, or name its encoding with --encoding.",
            )
        elif torn or tail:
            self.warnings = (
                f"{self.path}:{first or line + 1}: {torn + tail} bytes are not UTF-8 and cannot be read. "
                "Save the file as UTF-8.",
            )


def _known(encoding: str) -> tuple[str, str]:
    """The codec of a name that the user gave."""
    try:
        info = codecs.lookup(encoding)
    except LookupError:
        info = None
    if info is None or not getattr(info, "_is_text_encoding", True):
        raise ConfigError(
            f"--encoding {encoding!r} is not known. Use a name such as utf-8, cp1252, cp1251 or gb18030."
        )
    codec = "utf-8-sig" if info.name == "utf-8" else info.name
    return codec, info.name.upper()


def _is_bare_utf16(start: bytes) -> bool:
    """Whether every other byte is nearly always NUL, as in Latin text in UTF-16 without a mark."""
    sample = start[:4096]
    pairs = len(sample) // 2
    if pairs < 4:
        return False
    low, high = sample[0::2].count(0), sample[1::2].count(0)
    return (low == 0 and high > 0.7 * pairs) or (high == 0 and low > 0.7 * pairs)
