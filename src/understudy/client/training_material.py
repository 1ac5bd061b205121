"""Training material: the files that a run sends, checked and counted."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from understudy.errors import DatasetError
from understudy.folder import CharacterFolder, typed

__all__ = ["TrainingMaterial", "dataset_material", "preference_material"]


@dataclass(frozen=True)
class TrainingMaterial:
    """What is learned from.

    Attributes:
        validation_file: ``None`` where there is nothing to validate with.
        tokens: Of the training file, by OpenAI's count.
        recipe: How the file was built from dialogues; empty where it was not.
    """

    training_file: Path
    validation_file: Path | None
    examples: int
    tokens: int
    recipe: dict[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> list[Path]:
        return [path for path in (self.training_file, self.validation_file) if path is not None]


def dataset_material(folder: CharacterFolder) -> TrainingMaterial:
    """The dataset as it was built.

    Raises:
        DatasetError: It is not built, or holds too few examples.
    """
    from understudy.dataset.manifest import load_manifest, split_path

    manifest = load_manifest(folder)
    training, validation = split_path(folder, "training"), split_path(folder, "validation")
    if not training.is_file():
        raise DatasetError(
            f"{training}: no such file. Build the dataset: understudy build {typed(folder.root)}"
        )
    counts = manifest.counts["training"]
    _refuse_few(training, counts.examples, folder)
    has_validation = validation.is_file() and validation.stat().st_size > 0
    recipe = dict(json.loads(json.dumps(asdict(manifest.recipe), default=str)))
    return TrainingMaterial(
        training, validation if has_validation else None, counts.examples, counts.tokens, recipe
    )


def _refuse_few(training: Path, examples: int, folder: CharacterFolder) -> None:
    """Every provider refuses such a file, but only after it was uploaded."""
    from understudy.dataset.build import FEWEST_EXAMPLES

    if examples < FEWEST_EXAMPLES:
        raise DatasetError(
            f"{training}: has {examples} example{'s' * (examples != 1)}; at least {FEWEST_EXAMPLES} are "
            f"needed. Bring more dialogues: understudy import {typed(folder.root)} FILE, "
            f"then understudy build {typed(folder.root)}"
        )


def preference_material(folder: CharacterFolder, given: Path | None) -> TrainingMaterial:
    """A file of preferences: ``given``, or what ``build`` wrote, or the service's format in the folder.

    Raises:
        DatasetError: There is none, or the service would refuse it; all its problems are named.
    """
    from understudy.dataset import check_file

    built = folder.dataset / "preferences.jsonl"
    path = given if given is not None else built if built.is_file() else folder.preferences
    if given is None and path == folder.preferences and _has_collected_pairs(path):
        raise DatasetError(
            f"{path}: holds pairs as they were collected. Write them for training first: "
            f"understudy build {typed(folder.root)}"
        )
    if not path.is_file():
        raise DatasetError(
            f"{path}: no such file. Put pairs of replies there, one a line: "
            '{"input": {"messages": [...]}, "preferred_output": [...], "non_preferred_output": [...]}; '
            "or name the file: --preferences FILE"
        )
    result = check_file(path, method="dpo")
    if not result.ok:
        errors = [problem for problem in result.problems if problem.severity == "error"]
        lines = [
            f"{path}:{f'{p.line}:' if p.line else ''} {p.message} {p.remedy}" for p in errors[:SHOWN_PROBLEMS]
        ]
        more = result.errors - len(lines)
        raise DatasetError("\n".join([*lines, f"… and {more} more problems."] if more else lines))
    return TrainingMaterial(path, None, result.examples, result.tokens)


def _has_collected_pairs(path: Path) -> bool:
    """Whether a file begins with a pair as ``import`` and ``prefer`` keep them."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = next((line for line in file if line.strip()), "")
    try:
        row = json.loads(first)
    except ValueError:
        return False
    return isinstance(row, dict) and {"chosen", "rejected"} <= row.keys()


SHOWN_PROBLEMS = 20
