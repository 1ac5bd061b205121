"""Frozen probes: a set is written once, with its hash, before any model sees it, and never changes after."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from understudy.atomic import write_json
from understudy.character.character import Character
from understudy.dialogue import Dialogue
from understudy.errors import EvaluationError
from understudy.evaluation.looks import count_looks, exported_on
from understudy.evaluation.probe import Probe
from understudy.evaluation.probes import ProbeSet, SetName, build_probes
from understudy.evaluation.row_file import row_key
from understudy.evaluation.scripts import Script

__all__ = ["FrozenProbes", "freeze_probes", "read_frozen"]

SCHEMA = "understudy.probes/1"


@dataclass(frozen=True)
class FrozenProbes:
    """A set as it was frozen. ``replaced`` says why a former set was put aside, and how often it was seen."""

    set: ProbeSet
    sha256: str
    frozen_at: str
    folder: Path
    replaced: str | None = None

    def describe(self, looks: int) -> dict[str, Any]:
        return {
            "set": self.set.name,
            "looks": looks,
            "frozen_at": self.frozen_at,
            "sha256": self.sha256,
            "replaced": self.replaced,
        }


def freeze_probes(
    folder: Path,
    character: Character,
    training: Sequence[Dialogue],
    held_out: Sequence[Dialogue],
    name: SetName = "final",
) -> FrozenProbes:
    """The frozen set of a character, made now where there is none.

    Args:
        folder: Where the sets lie, one file each.

    Raises:
        EvaluationError: The file was changed after it was frozen, or cannot be read.
    """
    path = folder / f"{name}.json"
    inputs = _inputs(character, training, held_out)
    found = _read(path)
    if found is not None:
        _refuse_change(path, found)
        if found["inputs"] == inputs:
            return _thawed(path, found, held_out)
    replaced = _put_aside(path, found) if found is not None else None
    made = build_probes(character, training, held_out, name)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    body = _body(made)
    row = {
        "schema": SCHEMA,
        "set": name,
        "frozen_at": now,
        "inputs": inputs,
        "replaced": replaced,
        "sha256": _sha256(body),
        **body,
    }
    write_json(path, row)
    return FrozenProbes(_with_note(made, replaced), row["sha256"], now, folder, replaced)


def read_frozen(path: Path) -> FrozenProbes:
    """A frozen set from its file alone: without conversations, whose lines lie in the dataset.

    Raises:
        EvaluationError: The file is missing, was changed after it was frozen, or cannot be read.
    """
    found = _read(path)
    if found is None:
        raise EvaluationError(
            f"{path}: no such file. Restore it from version control, or evaluate again to freeze a new set."
        )
    _refuse_change(path, found)
    return _thawed(path, {**found, "conversations": []}, [])


def _inputs(character: Character, training: Sequence[Dialogue], held_out: Sequence[Dialogue]) -> str:
    """Hash of what the set is made from. The program is no part of it: a newer one keeps what is frozen."""
    asked = sorted({m.content for d in training for m in d.messages if m.role == "user"})
    lines = [[d.id, d.group, [m.as_chat() for m in d.messages]] for d in held_out]
    return row_key(character.model_dump(mode="json"), asked, lines)


def _body(made: ProbeSet) -> dict[str, Any]:
    return {
        "dropped": made.dropped,
        "notes": list(made.notes),
        "conversations": [d.id for d in made.conversations],
        "probes": [p.as_row() for p in made.probes],
        "scripts": [s.as_row() for s in made.scripts],
    }


def _sha256(body: Mapping[str, Any]) -> str:
    return row_key(*(body[key] for key in ("dropped", "notes", "conversations", "probes", "scripts")))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: cannot be read as JSON ({error}). {_MEND}") from error
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise EvaluationError(f"{path}: is not a set of probes of this version. {_MEND}")
    return value


_MEND = (
    "Restore it from version control; or delete it, and a new set is frozen, whose verdicts cannot be "
    "compared with earlier ones."
)


def _refuse_change(path: Path, found: Mapping[str, Any]) -> None:
    try:
        same = _sha256(found) == found["sha256"]
    except KeyError:
        same = False
    if not same:
        raise EvaluationError(f"{path}: was changed after it was frozen (its hash does not fit). {_MEND}")


def _thawed(path: Path, found: Mapping[str, Any], held_out: Sequence[Dialogue]) -> FrozenProbes:
    dialogues = {d.id: d for d in held_out}
    made = ProbeSet(
        found["set"],
        tuple(Probe.from_row(row) for row in found["probes"]),
        tuple(Script.from_row(row) for row in found["scripts"]),
        tuple(dialogues[name] for name in found["conversations"]),
        dict(found["dropped"]),
        tuple(found["notes"]),
    )
    replaced = found.get("replaced")
    noted = _with_note(_with_note(made, replaced), _exported(path.parent, found))
    return FrozenProbes(noted, found["sha256"], found["frozen_at"], path.parent, replaced)


def _exported(folder: Path, found: Mapping[str, Any]) -> str | None:
    """That others hold the set too, which nobody can count."""
    day = exported_on(folder, found["sha256"])
    if day is None:
        return None
    return (
        f"The {found['set']} set was exported on {day}. The export is one look; what others got on it since "
        "is not counted."
    )


def _put_aside(path: Path, found: Mapping[str, Any]) -> str:
    """Keep the former set beside, and say in a sentence what happened to it."""
    looks = count_looks(path.parent, found["sha256"])
    former = path.parent / "former" / f"{path.stem}-{found['sha256'][:12]}.json"
    write_json(former, dict(found))
    return (
        f"The sheet or the dialogues changed, so a new {found['set']} set was frozen; the former one "
        f"({found['sha256'][:12]}) had been looked at {looks} times."
    )


def _with_note(made: ProbeSet, note: str | None) -> ProbeSet:
    return replace(made, notes=(*made.notes, note)) if note else made
