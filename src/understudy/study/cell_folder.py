"""Cell folder: a character's folder of its own for each cell, with exactly what the cell learns."""

import hashlib
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from understudy import __version__
from understudy.atomic import copy_file, write_jsonl
from understudy.dataset import Recipe, SplitCounts
from understudy.dataset.examples import Example
from understudy.dataset.manifest import Manifest, hash_file, save_manifest, split_path
from understudy.dialogue import save_dialogues
from understudy.folder import CharacterFolder
from understudy.study.budget import Schedule
from understudy.study.cell_plan import CellPlan

__all__ = ["filled_up", "write_cell"]


def write_cell(folder: CharacterFolder, place: Path, plan: CellPlan) -> CharacterFolder:
    """Write ``character.yaml``, ``dialogues.jsonl`` and ``dataset/`` of one cell; the manifest last.

    Equal plans give equal files, so that a training that was done is found again.

    Args:
        folder: The character's own folder.
        place: Where the cell lies.
    """
    cell = CharacterFolder(place)
    copy_file(folder.character, cell.character)
    save_dialogues(cell.dialogues, plan.examples.dialogues)
    training = split_path(cell, "training")
    rows = filled_up(plan.examples.rows, plan.stages[0].schedule, plan.cell.seed)
    write_jsonl(training, ({"messages": list(row)} for row in rows))
    save_manifest(cell, _manifest(cell, plan, len(rows)))
    return cell


def filled_up(rows: Sequence[Example], schedule: Schedule, seed: int) -> list[Example]:
    """The rows, and a second sight of some, drawn by the seed, until the file is as long as planned."""
    missing = schedule.rows - len(rows)
    order = sorted(range(len(rows)), key=lambda i: hashlib.sha256(f"{seed}\x1f{i}".encode()).digest())
    return [*rows, *(rows[order[i % len(rows)]] for i in range(missing))]


def _manifest(cell: CharacterFolder, plan: CellPlan, rows: int) -> Manifest:
    examples = plan.examples
    # Nothing is held out here: that was done for all cells together.
    recipe = Recipe(
        system_prompt=plan.cell.system_prompt,  # type: ignore[arg-type]
        shape=plan.cell.shape,  # type: ignore[arg-type]
        seed=plan.cell.seed,
        validation_share=0,
        development_share=0,
        test_share=0,
    )
    groups = {dialogue.group for dialogue in examples.dialogues}
    counts = SplitCounts(
        groups=len(groups),
        dialogues=len(examples.dialogues),
        examples=rows,
        replies=sum(message["role"] == "assistant" for row in examples.rows for message in row),
        tokens=round(examples.tokens * rows / max(1, len(examples.rows))),
    )
    training = split_path(cell, "training")
    return Manifest(
        recipe=recipe,
        counts={"training": counts},
        groups=dict.fromkeys(sorted(groups), "training"),
        dropped={},
        inputs={path.name: hash_file(path) for path in (cell.character, cell.dialogues)},
        outputs={training.name: hash_file(training)},
        system_prompts=examples.prompts,
        notes=[f"{rows - len(examples.rows)} examples stand twice, to fill up the last batches of a pass."],
        versions={"understudy": __version__},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def clear_cell(place: Path) -> None:
    """Remove a cell with its runs, to measure it anew."""
    shutil.rmtree(place, ignore_errors=True)
