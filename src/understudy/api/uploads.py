"""Uploads: large files in parts, each on the disk before it is acknowledged."""

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field

from understudy.api.blobs import sync_folder
from understudy.api.files import CHUNK_BYTES, FileDesk, file_document
from understudy.api.identity import new_id
from understudy.api.problem import Problem, bad_request, parse, wrong_state
from understudy.api.settings import ServerSettings
from understudy.api.store import StoredFile
from understudy.atomic import write_json

__all__ = ["CompleteUploadRequest", "UploadDesk", "UploadRequest"]

LIFE_SECONDS = 3600
MAX_PART_BYTES = 64 * 1024 * 1024
MAX_PARTS = 10_000
NOTE = "upload.json"


class _Expiry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=2_592_000)


class UploadRequest(BaseModel):
    """POST /v1/uploads."""

    model_config = ConfigDict(extra="forbid", strict=True)

    bytes: int = Field(ge=1)
    filename: str = Field(min_length=1, max_length=512)
    mime_type: str
    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
    expires_after: _Expiry | None = None


class CompleteUploadRequest(BaseModel):
    """POST /v1/uploads/{upload_id}/complete."""

    model_config = ConfigDict(extra="forbid", strict=True)

    part_ids: list[str] = Field(min_length=1, max_length=MAX_PARTS)
    md5: str | None = None


class UploadDesk:
    """Takes parts in and joins them. An upload is a folder: its note and its parts."""

    def __init__(self, settings: ServerSettings, files: FileDesk) -> None:
        self.settings = settings
        self.files = files
        self.root = settings.home / "uploads"

    def sweep(self) -> None:
        """Remove uploads an hour after their end or their time."""
        for folder in self.root.glob("upload_*"):
            note = _read(folder)
            if note is None or note["expires_at"] + LIFE_SECONDS < time.time():
                shutil.rmtree(folder, ignore_errors=True)

    def create(self, body: Any) -> dict[str, Any]:
        """POST /v1/uploads.

        Raises:
            Problem: The request is wrong, or the file would be larger than this server takes.
        """
        wanted = parse(UploadRequest, body)
        if wanted.bytes > self.settings.max_file_bytes:
            limit = self.settings.max_file_bytes
            raise bad_request(
                f"The file would be larger than {limit // (1024 * 1024)} MB, the limit of this server.",
                "bytes",
                "file_too_large",
            )
        self.files.check_purpose(wanted.purpose, wanted.filename)
        self.sweep()
        now = int(time.time())
        upload = {
            "id": new_id("upload_"),
            "object": "upload",
            "bytes": wanted.bytes,
            "created_at": now,
            "filename": wanted.filename,
            "purpose": wanted.purpose,
            "status": "pending",
            "expires_at": now + LIFE_SECONDS,
            "file": None,
        }
        kept = wanted.expires_after.seconds if wanted.expires_after else None
        self._write(upload | {"file_expires_seconds": kept})
        return upload

    def add_part(self, upload_id: str, data: BinaryIO) -> dict[str, Any]:
        """POST /v1/uploads/{id}/parts. Slow for large parts, so call it in a thread.

        Raises:
            Problem: There is no such upload, it takes no more parts, or the part is too large.
        """
        note = self._pending(upload_id)
        folder, part_id = self.root / note["id"], new_id("part_")
        beside = folder / f".{secrets.token_hex(8)}"
        taken = sum(part.stat().st_size for part in folder.glob("part_*"))
        try:
            with open(beside, "xb") as file:
                size = _copy(data, file, min(MAX_PART_BYTES, note["bytes"] - taken))
            if size == 0:
                raise bad_request("The part is empty.", "data")
            beside.rename(folder / part_id)
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(folder)
        return {
            "id": part_id,
            "object": "upload.part",
            "created_at": int(time.time()),
            "upload_id": upload_id,
        }

    def join(self, upload_id: str, body: Any) -> tuple[dict[str, Any], StoredFile]:
        """The first half of POST …/complete, for a thread: the parts as one file, checked.

        Raises:
            Problem: A part is unknown, the size or the checksum is another, or the file is refused.
        """
        wanted = parse(CompleteUploadRequest, body)
        note = self._pending(upload_id)
        paths = [self._part(note["id"], part_id, n) for n, part_id in enumerate(wanted.part_ids)]
        size = sum(path.stat().st_size for path in paths)
        if size != note["bytes"]:
            message = f"The parts have {size} bytes together; the upload was announced with {note['bytes']}."
            raise bad_request(message, "part_ids", "invalid_value")
        if wanted.md5 is not None and _md5(paths) != wanted.md5.lower():
            raise bad_request("The parts together have another MD5 checksum.", "md5", "invalid_value")
        source: Any = _Joined(paths)
        seconds = note["file_expires_seconds"]
        return note, self.files.receive(source, note["filename"], note["purpose"], seconds)

    def complete(self, note: dict[str, Any], stored: StoredFile) -> dict[str, Any]:
        """The second half: make the file known and the upload complete."""
        document = file_document(self.files.record(stored))
        return self._end(note, "completed", document)

    def cancel(self, upload_id: str) -> dict[str, Any]:
        """POST …/cancel: nothing of it is kept."""
        return self._end(self._pending(upload_id), "cancelled", None)

    # --- inside

    def _pending(self, upload_id: str) -> dict[str, Any]:
        known = upload_id.startswith("upload_") and upload_id[7:].isalnum() and upload_id.isascii()
        note = _read(self.root / upload_id) if known else None
        if note is None:
            raise Problem(404, f"No such Upload object: {upload_id[:80]}", param="upload_id")
        if note["status"] == "pending" and note["expires_at"] < time.time():
            note["status"] = "expired"
        if note["status"] != "pending":
            raise wrong_state(f"The upload {upload_id} is {note['status']}.", "upload_id")
        return note

    def _part(self, upload_id: str, part_id: str, number: int) -> Path:
        path = self.root / upload_id / part_id
        if not (part_id.startswith("part_") and part_id[5:].isalnum() and path.is_file()):
            message = f"The upload has no part {part_id[:80]!r}."
            raise bad_request(message, f"part_ids[{number}]", "invalid_value")
        return path

    def _end(self, note: dict[str, Any], status: str, file: dict[str, Any] | None) -> dict[str, Any]:
        ended = note | {"status": status, "file": file}
        self._write(ended)
        for part in (self.root / note["id"]).glob("part_*"):
            part.unlink()
        return {key: value for key, value in ended.items() if key != "file_expires_seconds"}

    def _write(self, note: dict[str, Any]) -> None:
        write_json(self.root / note["id"] / NOTE, note)


class _Joined:
    """Several files read as one, at most one of them open."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._pieces = _pieces(paths)
        self._held = b""

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        self._held = self._held or next(self._pieces, b"")
        data, self._held = self._held[:size], self._held[size:]
        return data


def _pieces(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        with open(path, "rb") as file:
            while piece := file.read(CHUNK_BYTES):
                yield piece


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((folder / NOTE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _copy(source: BinaryIO, target: BinaryIO, most: int) -> int:
    size = 0
    while chunk := source.read(CHUNK_BYTES):
        size += len(chunk)
        if size > most:
            message = "The part is larger than 64 MB, or the parts are more than the announced bytes."
            raise bad_request(message, "data", "part_too_large")
        target.write(chunk)
    target.flush()
    os.fsync(target.fileno())
    return size


def _md5(paths: Sequence[Path]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in _pieces(paths):
        digest.update(piece)
    return digest.hexdigest()
