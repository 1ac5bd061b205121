"""Case: what is evaluated, and the hashes by which a verdict is known to be current."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from understudy.character.character import Character, load_character
from understudy.dataset import Manifest, load_manifest, split_dialogues
from understudy.dialogue import Dialogue
from understudy.evaluation.arms import Arm, build_arms
from understudy.evaluation.casting import Casting
from understudy.evaluation.frozen_probes import FrozenProbes, freeze_probes
from understudy.evaluation.run_record import RunRecord, read_run
from understudy.evaluation.settings import Settings
from understudy.folder import CharacterFolder

__all__ = ["Case", "open_case", "sha256"]

Split = Literal["training", "validation", "development", "test"]
SEEN: dict[str, tuple[Split, ...]] = {
    # Validation and development dialogues steered the training, so they count as seen.
    "final": ("training", "validation", "development"),
    "development": ("training", "validation"),
}
HELD_OUT: dict[str, Split] = {"final": "test", "development": "development"}


@dataclass(frozen=True)
class Case:
    """The character, its data by side of the split, and the trained run. ``held_out`` was never trained."""

    folder: CharacterFolder
    run: RunRecord
    character: Character
    manifest: Manifest
    training: list[Dialogue]
    held_out: list[Dialogue]
    settings: Settings
    casting: Casting

    def hashes(self) -> dict[str, str]:
        """Hashes of everything that goes in; equal ones mean that a verdict is current."""
        casting = json.dumps(self.casting.as_row(), sort_keys=True)
        return {
            "character.yaml": sha256(self.folder.character.read_bytes()),
            "dialogues.jsonl": self.manifest.inputs.get("dialogues.jsonl", ""),
            "manifest.json": sha256((self.folder.dataset / "manifest.json").read_bytes()),
            "models": sha256(f"{self.run.base_model}\n{self.run.tuned_model}\n{casting}".encode()),
            "settings": self.settings.sha256(),
            "program": sha256(b"".join(p.read_bytes() for p in _program_files())),
        }

    def freeze(self) -> FrozenProbes:
        """The frozen probes of the set that the settings name."""
        name = self.settings.probe_set
        return freeze_probes(self.folder.probes, self.character, self.training, self.held_out, name)

    def arms(self) -> list[Arm]:
        """All arms, those that are only priced or not measured among them."""
        taught = split_dialogues(self.folder, "training")
        models = self.run.base_model, self.run.tuned_model
        return build_arms(self.character, *models, casting=self.casting, training=taught)

    def file(self, stem: str, ending: str = "jsonl") -> Path:
        """A file of the run; those of the development set are named for it."""
        mark = "" if self.settings.probe_set == "final" else f"-{self.settings.probe_set}"
        return self.run.folder / f"{stem}{mark}.{ending}"


def open_case(folder: CharacterFolder, run: Path, settings: Settings, casting: Casting) -> Case:
    """Read everything that an evaluation of the run needs.

    Raises:
        EvaluationError: The run has no model, or was trained on another build of the dataset.
    """
    manifest = load_manifest(folder)
    record = read_run(run, manifest)
    name = settings.probe_set
    training = [d for split in SEEN[name] for d in split_dialogues(folder, split)]
    held_out = split_dialogues(folder, HELD_OUT[name])
    real = [m.content for d in training for m in d.messages if m.role == "assistant"]
    character = load_character(folder.character)
    return Case(
        folder, record, character, manifest, training, held_out, settings.with_room_for(real), casting
    )


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _program_files() -> list[Path]:
    """The evaluation's own code and lists: when they change, figures may."""
    here = Path(__file__).parent
    return sorted(p for p in here.rglob("*") if p.suffix in (".py", ".yaml", ".jsonl"))
