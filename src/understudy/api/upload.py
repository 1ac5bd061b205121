"""Upload: a multipart body read as a stream, its file straight to the disk, everything else within limits."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from understudy.api.blobs import INCOMING
from understudy.api.problem import Problem, bad_request

__all__ = ["Upload", "read_upload"]

MAX_FIELDS = 20
MAX_FIELD_BYTES = 65536
MAX_HEADERS = 16
MAX_HEADER_BYTES = 8192
MAX_FILENAME_CHARACTERS = 255
FLUSH_BYTES = 1 << 20


@dataclass
class Upload:
    """What a multipart body held.

    Attributes:
        file: The bytes of the part with a file name, at their beginning; ``None`` without such a part.
        filename: As the client gave it, for showing only.
        fields: The other parts as text.
    """

    file: BinaryIO | None = None
    filename: str = ""
    fields: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def read_upload(request: Request, folder: Path, field: str = "file") -> AsyncIterator[Upload]:
    """Read a multipart body; the file lies in ``folder`` until the block ends.

    Args:
        field: Name of the part that is the file.

    Raises:
        Problem: 400, the body is damaged, or has more parts or larger headers than an upload has.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary or len(boundary) > 256:
        raise bad_request("Send the file as multipart/form-data with the fields 'file' and 'purpose'.")
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    path = folder / f"{INCOMING}{secrets.token_hex(8)}"
    parts = _Parts(path, field)
    try:
        try:
            parser = MultipartParser(boundary, parts.callbacks())
            async for chunk in request.stream():
                parser.write(chunk)
                if parts.waiting_bytes > FLUSH_BYTES:
                    await asyncio.to_thread(parts.flush)
            parser.finalize()
        except FormParserError as error:
            raise bad_request(f"The multipart body cannot be read: {error}") from None
        await asyncio.to_thread(parts.flush)
        yield parts.finish()
    finally:
        parts.close()
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


class _Parts:
    """Takes what the parser finds. Nothing it keeps in memory grows with the body."""

    def __init__(self, path: Path, field: str) -> None:
        self._path, self._field = path, field
        self._upload = Upload()
        self._header = [bytearray(), bytearray()]
        self._headers: dict[str, bytes] = {}
        self._value = bytearray()
        self._name: str | None = None
        self._is_file = self._has_ended = False
        self._waiting: list[bytes] = []
        self.waiting_bytes = 0

    def callbacks(self) -> Any:
        """For ``MultipartParser``."""
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._add_header(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add_header(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": lambda data, start, end: self._add_data(data[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def flush(self) -> None:
        """Write what waits for the disk."""
        if self._waiting and self._upload.file is not None:
            self._upload.file.writelines(self._waiting)
        self._waiting, self.waiting_bytes = [], 0

    def finish(self) -> Upload:
        """Everything that was read.

        Raises:
            Problem: 400, the body breaks off.
        """
        if not self._has_ended:
            raise bad_request("The multipart body cannot be read: it breaks off before its last boundary.")
        if self._upload.file is not None:
            self._upload.file.seek(0)
        return self._upload

    def close(self) -> None:
        """Let the file go."""
        if self._upload.file is not None:
            self._upload.file.close()

    def _begin_part(self) -> None:
        self._headers, self._value = {}, bytearray()
        self._header = [bytearray(), bytearray()]

    def _add_header(self, which: int, data: bytes) -> None:
        self._header[which] += data
        if len(self._header[which]) > MAX_HEADER_BYTES or len(self._headers) >= MAX_HEADERS:
            raise bad_request("The headers of a part of the multipart body are too large.")

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[name.decode("latin-1").lower()] = bytes(value)
        self._header = [bytearray(), bytearray()]

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        if b"name" not in options:
            raise bad_request("The multipart body cannot be read: a part has no name.")
        self._name = options[b"name"].decode("utf-8", "replace")
        self._is_file = b"filename" in options
        if not self._is_file:
            if len(self._upload.fields) >= MAX_FIELDS:
                raise bad_request(f"The multipart body has more than {MAX_FIELDS} fields.")
            return
        if self._name != self._field or self._upload.file is not None:
            message = f"Send exactly one file, in the field '{self._field}'."
            raise bad_request(message, self._field, "invalid_value")
        self._upload.filename = _shown_name(options[b"filename"])
        self._upload.file = open(self._path, "x+b")  # noqa: SIM115

    def _add_data(self, data: bytes) -> None:
        if self._is_file:
            self._waiting.append(data)
            self.waiting_bytes += len(data)
            return
        self._value += data
        if len(self._value) > MAX_FIELD_BYTES:
            raise bad_request(f"The field {str(self._name)[:80]!r} is too long.", str(self._name)[:80])

    def _end_part(self) -> None:
        if not self._is_file and self._name is not None:
            try:
                self._upload.fields[self._name] = self._value.decode("utf-8")
            except UnicodeDecodeError:
                message = f"The field {self._name[:80]!r} is not UTF-8 text."
                raise Problem(400, message, param=self._name[:80], code="invalid_value") from None

    def _end(self) -> None:
        self._has_ended = True


def _shown_name(raw: bytes) -> str:
    """A client's file name for showing: its last part, printable, of bounded length; never a path here."""
    name = raw.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    shown = "".join(c if c.isprintable() else "\ufffd" for c in name)
    if len(shown) > MAX_FILENAME_CHARACTERS:
        stem, dot, ending = shown.rpartition(".")
        kept = f"{dot}{ending}"[:16] if stem else ""
        shown = shown[: MAX_FILENAME_CHARACTERS - len(kept)] + kept
    return shown or "upload"
