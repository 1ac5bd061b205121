"""Sealed: directories that are either complete and unchanged, or recognised as damaged.

A sealed directory carries ``manifest.json`` with the SHA-256 of every other file. It is built
beside its final place, every file is synced, the manifest is written last, and one rename makes
it visible. Adapters and checkpoints are sealed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from understudy.errors import ModelError

__all__ = ["MANIFEST", "check_sealed", "remove_partial", "seal", "write_sealed"]

MANIFEST = "manifest.json"
_SCHEMA = "understudy.manifest/1"


def write_sealed(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` as a sealed directory; what was at ``directory`` before survives a failure.

    Raises:
        OSError: The disk is full or may not be written; nothing is left behind.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    beside = directory.parent / f".{directory.name}.partial"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir()
        entries = {}
        for name, data in files.items():
            write_synced(beside / name, data)
            entries[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        manifest = {"schema": _SCHEMA, "files": entries}
        write_synced(beside / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
        _sync_directory(beside)
        _swap(beside, directory)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def seal(directory: Path, names: Iterable[str]) -> None:
    """Write the manifest of files that lie in a directory already; others in it may change."""
    entries = {
        name: {"sha256": _sha256(directory / name), "bytes": (directory / name).stat().st_size}
        for name in names
    }
    manifest = {"schema": _SCHEMA, "files": entries}
    write_synced(directory / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())


def write_synced(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it.

    Raises:
        OSError: The disk is full or may not be written.
    """
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _swap(beside: Path, directory: Path) -> None:
    """Rename into place; an older directory of the same name steps aside first."""
    old = directory.parent / f".{directory.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        directory.rename(old)
    beside.rename(directory)
    _sync_directory(directory.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync_directory(directory: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_partial(root: Path) -> None:
    """Remove what an interrupted write left beside; bring back a directory that had stepped aside."""
    for old in root.glob(".*.old"):
        place = root / old.name[1 : -len(".old")]
        if not place.exists():
            old.rename(place)
        else:
            shutil.rmtree(old, ignore_errors=True)
    for partial in root.glob(".*.partial"):
        shutil.rmtree(partial, ignore_errors=True)


def check_sealed(directory: Path) -> None:
    """Compare every file with the manifest.

    Raises:
        ModelError: The manifest is missing or unreadable, or a file is missing or changed.
    """
    path = directory / MANIFEST
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["files"]
        expected = {str(name): str(entry["sha256"]) for name, entry in entries.items()}
    except FileNotFoundError:
        raise ModelError(f"{directory}: has no manifest.json, so it was never finished.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: cannot be read ({error}).") from error
    for name, digest in expected.items():
        file = directory / name
        if not file.is_file():
            raise ModelError(f"{file}: is missing, so this model is damaged. Train it again.")
        if _sha256(file) != digest:
            raise ModelError(
                f"{file}: has changed since it was written, so this model is damaged. "
                "Train it again, or take it from a backup."
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
