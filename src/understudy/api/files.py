"""Files: uploads, checked as far as an answer at once requires, and what jobs produce."""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from understudy.api.blobs import BlobStore, TooLarge
from understudy.api.complexity import MAX_VALUES, has_too_many_values
from understudy.api.identity import new_id
from understudy.api.problem import Problem, bad_request, unknown_file
from understudy.api.settings import ServerSettings
from understudy.api.store import Store, StoredFile

__all__ = ["FileDesk", "file_document"]

UPLOAD_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
JSONL_PURPOSES = ("fine-tune", "batch")
CHUNK_BYTES = 1 << 20
BATCH_FILE_SECONDS = 30 * 24 * 3600


class FileDesk:
    """Takes files in and hands them out."""

    def __init__(self, settings: ServerSettings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.blobs = BlobStore(settings.blobs)

    def receive(
        self, source: BinaryIO, filename: str, purpose: str, expires_after_seconds: int | None
    ) -> StoredFile:
        """Put an upload on the disk and check it; ``record`` then makes it known.

        Slow for large files, so call it in a thread; it leaves the store alone.

        Raises:
            Problem: The purpose is unknown, the file is empty or too large, or a line of it is
                not a JSON object.
        """
        self.check_purpose(purpose, filename)
        limit = self.settings.max_file_bytes
        try:
            blob = self.blobs.write(iter(lambda: source.read(CHUNK_BYTES), b""), max_bytes=limit)
        except TooLarge:
            raise Problem(
                413,
                f"The file is larger than {limit // (1024 * 1024)} MB, the limit of this server.",
                param="file",
                code="file_too_large",
            ) from None
        try:
            if blob.bytes == 0:
                raise bad_request("The file is empty.", "file")
            if purpose in JSONL_PURPOSES:
                check_jsonl(
                    self.blobs.path(blob.sha256), self.settings.max_line_bytes, self.settings.max_lines
                )
        except Problem:
            if not self.store.blob_is_used(blob.sha256):
                self.blobs.remove(blob.sha256)
            raise
        now = int(time.time())
        kept = expires_after_seconds or (BATCH_FILE_SECONDS if purpose == "batch" else None)
        expires = now + kept if kept else None
        return StoredFile(new_id("file-"), blob.sha256, blob.bytes, now, expires, filename, purpose)

    def record(self, file: StoredFile) -> StoredFile:
        """Make a received file known to clients.

        Raises:
            Problem: 500, its bytes were removed meanwhile with a deleted twin; clients send it again.
        """
        if not self.path(file).is_file():
            raise Problem(500, "The file was deleted while it was uploaded.", type="server_error")
        self.forget_expired()
        self.store.add_file(file)
        return file

    def produce(self, content: bytes, filename: str, purpose: str) -> StoredFile:
        """Add a file that the server itself made."""
        return self.record(self.prepare(content, filename, purpose))

    def prepare(self, content: bytes, filename: str, purpose: str) -> StoredFile:
        """Put a file that the server itself made on the disk; the caller makes it known."""
        blob = self.blobs.write([content], max_bytes=max(1, len(content)))
        return StoredFile(new_id("file-"), blob.sha256, blob.bytes, int(time.time()), None, filename, purpose)

    def get(self, file_id: str) -> StoredFile:
        """One file.

        Raises:
            Problem: 404, there is none.
        """
        file = self.store.file(file_id)
        if file is None:
            raise unknown_file(file_id)
        return file

    def path(self, file: StoredFile) -> Path:
        """Where the bytes of a file lie."""
        return self.blobs.path(file.blob)

    def delete(self, file_id: str) -> dict[str, Any]:
        """Forget a file, and its bytes as soon as nothing needs them."""
        self._forget(self.get(file_id))
        return {"id": file_id, "object": "file", "deleted": True}

    def forget_expired(self) -> None:
        """Forget files whose time is over."""
        for file in self.store.expired_files():
            self._forget(file)

    def _forget(self, file: StoredFile) -> None:
        self.store.delete_file(file.id)
        if not self.store.blob_is_used(file.blob):
            self.blobs.remove(file.blob)

    def check_purpose(self, purpose: str, filename: str) -> None:
        """Refuse purposes that are unknown, and names that do not fit them.

        A name without an ending passes: ``openai`` before 1.0 calls every upload ``file``, later ones call
        bytes ``upload``. Every line is checked anyway.

        Raises:
            Problem: 400, naming what is supported.
        """
        if purpose not in UPLOAD_PURPOSES:
            supported = ", ".join(repr(name) for name in UPLOAD_PURPOSES)
            raise bad_request(
                f"Invalid value: '{purpose[:80]}'. Supported values are: {supported}.",
                "purpose",
                "invalid_value",
            )
        if purpose in JSONL_PURPOSES and PurePosixPath(filename).suffix.lower() not in ("", ".jsonl"):
            raise bad_request(
                f"Invalid file format for purpose '{purpose}'. Only .jsonl files are accepted.",
                "file",
                "invalid_file_format",
            )


def file_document(file: StoredFile) -> dict[str, Any]:
    """The file as clients see it."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created_at,
        "expires_at": file.expires_at,
        "filename": file.filename,
        # The response type of strict clients knows no 'evals'.
        "purpose": "user_data" if file.purpose == "evals" else file.purpose,
        "status": "processed",
        "status_details": None,
    }


# --- JSON Lines -------------------------------------------------------------------------------


def check_jsonl(path: Path, max_line_bytes: int, max_lines: int) -> None:
    """Refuse a file in which a line is not a JSON object. Content is checked by the job.

    Raises:
        Problem: 400 naming the line and its first characters.
    """
    seen = 0
    for number, line in _lines(path, max_line_bytes):
        if number > max_lines:
            raise bad_request(
                f"The file has more than {max_lines:,} lines, the limit of this server.",
                "file",
                "invalid_jsonl_file",
            )
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.strip():
            continue
        seen += 1
        reason = _not_an_object(line)
        if reason:
            start = line[:40].decode("utf-8", "replace").strip()
            raise bad_request(
                f"Expected file to have JSONL format with one JSON object per line. Line {number} "
                f"{reason}. (line {number} begins with: {start!r})",
                "file",
                "invalid_jsonl_file",
            )
    if not seen:
        raise bad_request("The file holds no line with a JSON object.", "file", "invalid_jsonl_file")


def _lines(path: Path, max_line_bytes: int) -> Iterator[tuple[int, bytes]]:
    with open(path, "rb") as file:
        lines: Iterable[bytes] = iter(lambda: file.readline(max_line_bytes + 1), b"")
        for number, line in enumerate(lines, 1):
            if len(line) > max_line_bytes:
                raise bad_request(
                    f"Line {number} is longer than {max_line_bytes // (1024 * 1024)} MB. "
                    "Every example must be on a line of its own.",
                    "file",
                    "invalid_jsonl_file",
                )
            yield number, line


def _not_an_object(line: bytes) -> str | None:
    """Why a line is not a JSON object, or ``None``."""
    if has_too_many_values(line):
        return f"holds more than {MAX_VALUES:,} values"
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return f"is not UTF-8 text (byte {error.start + 1})"
    except json.JSONDecodeError as error:
        return f"is not valid JSON ({error.msg} at column {error.colno})"
    except RecursionError:
        return "is nested too deeply"
    except ValueError:
        return "holds a number with too many digits"
    return None if isinstance(value, dict) else "is not a JSON object"
