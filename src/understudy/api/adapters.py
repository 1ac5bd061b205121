"""Adapters: what chat needs of a training process's output, kept under the server's own names."""

import hashlib
import json
import os
import secrets
import shutil
from pathlib import Path

from understudy.api.blobs import sync_file, sync_folder
from understudy.errors import TrainingError

__all__ = ["keep_adapter", "sweep_adapters"]

# What PEFT and the inference process read.
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")


def keep_adapter(source: Path, adapters: Path) -> Path:
    """Give the adapter in ``source`` a folder of its own, complete or absent.

    Hard links cost no space and outlive the training process's own tidying; where the file
    system knows none, the files are copied.

    Raises:
        TrainingError: ``source`` lacks a file.
        OSError: The disk is full.
    """
    adapters.mkdir(parents=True, exist_ok=True)
    final = adapters / secrets.token_hex(8)
    beside = final.with_suffix(".incoming")
    beside.mkdir()
    try:
        for name in ADAPTER_FILES:
            if not (source / name).is_file():
                raise TrainingError(f"{source}: lacks {name}, so there is no model to use.")
            _link_or_copy(source / name, beside / name)
        _write_manifest(beside)
        sync_folder(beside)
        beside.rename(final)
        sync_folder(adapters)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return final


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        sync_file(target)


def _write_manifest(folder: Path) -> None:
    """The hashes by which the inference process recognises a damaged adapter."""
    entries = {}
    for name in ADAPTER_FILES:
        data = (folder / name).read_bytes()
        entries[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest = {"schema": "understudy.manifest/1", "files": entries}
    with open(folder / "manifest.json", "w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=2)
        file.flush()
        os.fsync(file.fileno())


def sweep_adapters(adapters: Path, used: set[str]) -> None:
    """Remove adapter folders that no model names: leftovers of a crash.

    Folders are told apart by name: the same home may be reached by several paths.
    """
    names = {Path(path).name for path in used}
    for folder in adapters.glob("*"):
        if folder.is_dir() and folder.name not in names:
            shutil.rmtree(folder, ignore_errors=True)
