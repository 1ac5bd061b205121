"""Blobs: bytes kept under the SHA-256 of what they are, complete or absent."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["INCOMING", "Blob", "BlobStore", "TooLarge", "sync_file", "sync_folder"]

INCOMING = ".incoming-"  # begins the names of files that are not whole yet


class TooLarge(Exception):
    """More bytes than allowed were given."""


@dataclass(frozen=True)
class Blob:
    """Bytes on the disk."""

    sha256: str
    bytes: int


class BlobStore:
    """A folder of blobs. Names come from content alone, so no client text touches a path."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str) -> Path:
        """Where a blob lies."""
        return self.root / sha256[:2] / sha256

    def write(self, chunks: Iterable[bytes], *, max_bytes: int) -> Blob:
        """Store bytes, synced before it returns.

        Raises:
            TooLarge: There are more than ``max_bytes``; nothing is kept.
            OSError: The disk is full or cannot be written; nothing is kept.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        beside = self.root / f"{INCOMING}{secrets.token_hex(8)}"
        digest, size = hashlib.sha256(), 0
        try:
            with open(beside, "xb") as file:
                for chunk in chunks:
                    size += len(chunk)
                    if size > max_bytes:
                        raise TooLarge
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            final = self.path(digest.hexdigest())
            final.parent.mkdir(exist_ok=True)
            os.replace(beside, final)
        finally:
            beside.unlink(missing_ok=True)
        for folder in (final.parent, self.root):
            sync_folder(folder)
        return Blob(digest.hexdigest(), size)

    def remove(self, sha256: str) -> None:
        """Forget a blob."""
        self.path(sha256).unlink(missing_ok=True)

    def sweep(self, is_used: Callable[[str], bool]) -> None:
        """Remove what interrupted uploads left: half of a file, or a whole one that nobody was told of.

        Only while no upload runs: one that is about to be recorded looks the same.
        """
        for leftover in self.root.glob(f"{INCOMING}*"):
            leftover.unlink(missing_ok=True)
        for path in self.root.glob("??/*"):
            if not is_used(path.name):
                path.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Wait until the disk has a file that was written by other means."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut."""
    sync_file(folder)
