"""Manifest: what a dataset was made of, and the proof that it still is."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from understudy.atomic import write_json
from understudy.dataset.recipe import SPLITS, Recipe, Split
from understudy.dialogue import Dialogue, load_dialogues
from understudy.errors import DatasetError
from understudy.folder import CharacterFolder, typed

__all__ = [
    "Manifest",
    "SplitCounts",
    "hash_file",
    "load_manifest",
    "save_manifest",
    "split_dialogues",
    "split_path",
]

SCHEMA = "understudy.dataset/1"


@dataclass(frozen=True)
class SplitCounts:
    """What one split holds. ``tokens`` are OpenAI's (o200k_base), by the cookbook's formula."""

    groups: int
    dialogues: int
    examples: int
    replies: int
    tokens: int
    model_tokens: int | None = None
    categories: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """The file that is written last: a dataset without it is not finished.

    groups: The split of every group. dropped: training dialogues left out, with the held-out
    dialogue whose line each repeats. left_out: training dialogues of which the recipe wants fewer. kinds:
    dialogues by kind, for each split. lengths: training examples by length (``picture.LENGTH_BOUNDS``).
    preferences: pairs written for training. base_model: whose tokenizer counted ``model_tokens``.
    reused: nothing had changed, so the files were left as they were (not stored).
    """

    recipe: Recipe
    counts: dict[Split, SplitCounts]
    groups: dict[str, Split]
    dropped: dict[str, str]
    inputs: dict[str, str]
    outputs: dict[str, str]
    system_prompts: dict[str, int]
    notes: list[str]
    versions: dict[str, str]
    created_at: str
    base_model: str | None = None
    left_out: list[str] = field(default_factory=list)
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)
    preferences: int = 0
    reused: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The manifest as JSON holds it."""
        values = asdict(self)
        del values["reused"]
        return {"schema": SCHEMA, **values}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Manifest":
        """Read what ``as_dict`` wrote."""
        counts = {split: SplitCounts(**row) for split, row in values["counts"].items()}
        rest = {
            key: values[key]
            for key in (
                "groups",
                "dropped",
                "inputs",
                "outputs",
                "system_prompts",
                "notes",
                "versions",
                "created_at",
            )
        }
        return cls(
            recipe=Recipe.from_dict(values["recipe"]),
            counts=counts,
            base_model=values.get("base_model"),
            left_out=values.get("left_out", []),
            kinds=values.get("kinds", {}),
            lengths=values.get("lengths", []),
            preferences=values.get("preferences", 0),
            **rest,
        )


def split_path(folder: CharacterFolder, split: str) -> Path:
    """The training file of one split."""
    return folder.dataset / f"{split}.jsonl"


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_manifest(folder: CharacterFolder, manifest: Manifest) -> None:
    """Write ``dataset/manifest.json``; call it after the files that it describes."""
    write_json(folder.dataset / "manifest.json", manifest.as_dict())


def load_manifest(folder: CharacterFolder) -> Manifest:
    """Read ``dataset/manifest.json``.

    Raises:
        DatasetError: There is none, or it is damaged or of another version.
    """
    path = folder.dataset / "manifest.json"
    again = f"Build the dataset: understudy build {typed(folder.root)}"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file. {again}") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}). {again}") from error
    try:
        if values["schema"] != SCHEMA:
            raise ValueError(f"schema {values['schema']!r}")
        return Manifest.from_dict(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"{path}: is not a manifest of this version ({error}). {again}") from error


def split_dialogues(folder: CharacterFolder, split: str) -> list[Dialogue]:
    """The dialogues of one split, whole, from ``dialogues.jsonl``; training ones without the dropped.

    Raises:
        DatasetError: No such split, or the dialogues have changed since the dataset was built.
    """
    if split not in SPLITS:
        raise DatasetError(f"There is no split {split!r}; choose one of {', '.join(SPLITS)}.")
    manifest = load_manifest(folder)
    if hash_file(folder.dialogues) != manifest.inputs.get("dialogues.jsonl"):
        raise DatasetError(
            f"{folder.dialogues}: has changed since the dataset was built, so nobody knows what is "
            f"held out. Build it again: understudy build {typed(folder.root)}"
        )
    left_out = {*manifest.dropped, *manifest.left_out}
    return [
        dialogue
        for dialogue in load_dialogues(folder.dialogues)
        if manifest.groups.get(dialogue.group) == split and dialogue.id not in left_out
    ]
