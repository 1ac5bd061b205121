"""Exported evaluation: a folder with probes, sheet and training lines that decides as the verdict did."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.character.character import Character, load_character
from understudy.dialogue import load_dialogues
from understudy.errors import ConfigError, EvaluationError
from understudy.evaluation.asking import plain_lines
from understudy.evaluation.frozen_probes import read_frozen
from understudy.evaluation.pass_rules import Decision, PassRules
from understudy.evaluation.probe import Answer, Probe
from understudy.evaluation.probes import ProbeSet
from understudy.evaluation.scores.skill import skill_probes
from understudy.evaluation.settings import Settings
from understudy.evaluation.yardsticks import train_yardsticks

__all__ = [
    "CHARACTER",
    "MANIFEST",
    "PARTS",
    "PLAIN",
    "PROBES",
    "REPLIES",
    "SCHEMA",
    "TRAINING",
    "ExportedEvaluation",
    "asked_probes",
    "file_hash",
    "load_exported",
    "share_otherwise",
]

SCHEMA = "understudy.inspect/1"
MANIFEST = "evaluation.json"
CHARACTER, PROBES, TRAINING = "character.yaml", "probes.json", "training.jsonl"
PLAIN, REPLIES = "plain_replies.jsonl", "replies.jsonl"
PARTS = {
    "single": "the probes of the primary endpoint",
    "further": "further identity questions and attacks",
    "skill": "general tasks, in whatever voice",
}
CHECKED_REPLIES = 1000
MOST_OTHERWISE = 0.01
"""Another machine may round a borderline reply to the other side, but not one in a hundred."""
_MEND = "Write it anew: understudy inspect NAME"


@dataclass(frozen=True)
class ExportedEvaluation:
    """What an exported folder holds. ``manifest`` is its ``evaluation.json``.

    ``otherwise`` is the share of the replies published with the verdict that the rules, trained anew on
    this machine, decide otherwise than they did there: 0 where program and libraries are the same.
    """

    folder: Path
    manifest: Mapping[str, Any]
    character: Character
    settings: Settings
    probes: Mapping[str, Probe]
    rules: PassRules
    otherwise: float

    @property
    def name(self) -> str:
        """The task's name: character and set."""
        return f"{self.manifest['slug']}-{self.manifest['probe_set']}"

    def asked(self, part: str) -> list[Probe]:
        """The probes of one part, in the order of the evaluation.

        Raises:
            ConfigError: There is no such part, or the evaluation asked nothing of it.
        """
        if part not in PARTS:
            raise ConfigError(f"part {part!r}: give one of {', '.join(PARTS)}.")
        found = [probe for probe in self.probes.values() if probe.part == part]
        if not found:
            raise ConfigError(f"part {part!r}: this evaluation asked none of it.")
        return found

    def prompt(self, kind: str) -> str:
        """The system prompt of a kind; ``""`` for none.

        Raises:
            ConfigError: There is no such kind.
        """
        prompts = self.manifest["prompts"]
        if kind not in prompts:
            raise ConfigError(f"prompt {kind!r}: give one of {', '.join(prompts)}.")
        return str(prompts[kind])

    def decide(self, probe_id: str, reply: str) -> Decision:
        """Whether a reply passes its probe, and why, as ``understudy evaluate`` decides it."""
        return self.rules.decide([Answer(self.probes[probe_id], reply.strip())])[0]


def asked_probes(frozen: ProbeSet, settings: Settings) -> dict[str, Probe]:
    """What an evaluation with these settings asks of every arm, by id; conversations are left out."""
    asked = [*frozen.asked(settings).probes, *skill_probes()[: settings.skills]]
    return {probe.id: probe for probe in asked}


def load_exported(folder: Path) -> ExportedEvaluation:
    """Read an exported folder, train its rules, and hold them against what they decided before.

    Raises:
        EvaluationError: A file is missing or was changed, or the rules decide otherwise here.
    """
    manifest = _read_manifest(folder / MANIFEST)
    for name, digest in manifest["files"].items():
        _refuse_change(folder / name, digest)
    character = load_character(folder / CHARACTER)
    settings = Settings(**manifest["settings"])
    probes = asked_probes(read_frozen(folder / PROBES).set, settings)
    plain = plain_lines(_rows(folder / PLAIN))
    yardsticks = train_yardsticks(character, load_dialogues(folder / TRAINING), plain, settings.seed)
    rules = PassRules.of(character, yardsticks)
    replies = _rows(folder / REPLIES)
    step = max(1, len(replies) // CHECKED_REPLIES)
    otherwise = share_otherwise(rules, probes, replies[::step])
    if otherwise > MOST_OTHERWISE:
        versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
        raise EvaluationError(
            f"{folder}: the rules decide {otherwise:.1%} of the known replies otherwise here than where it "
            f"was exported, so figures could not be compared. Install the versions of there: {versions}"
        )
    return ExportedEvaluation(folder, manifest, character, settings, probes, rules, otherwise)


def share_otherwise(
    rules: PassRules, probes: Mapping[str, Probe], replies: Sequence[Mapping[str, Any]]
) -> float:
    """Share of published replies that the rules decide otherwise than it was published.

    Raises:
        EvaluationError: A reply belongs to no probe.
    """
    strange = sorted({row["probe_id"] for row in replies} - set(probes))
    if strange:
        raise EvaluationError(f"Replies belong to no probe of the set: {', '.join(strange[:5])}.")
    found = rules.decide([Answer(probes[row["probe_id"]], row["reply"]) for row in replies])
    pairs = zip(found, replies, strict=True)
    return sum(decision.passed != row["passed"] for decision, row in pairs) / max(1, len(replies))


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EvaluationError(f"{path.parent}: holds no {path.name}. {_MEND}") from None
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: cannot be read as JSON ({error}). {_MEND}") from error
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise EvaluationError(f"{path}: is not an exported evaluation of this version. {_MEND}")
    return value


def _refuse_change(path: Path, digest: str) -> None:
    try:
        same = file_hash(path) == digest
    except FileNotFoundError:
        raise EvaluationError(f"{path}: is missing. Restore it from the export, or write it anew.") from None
    if not same:
        raise EvaluationError(
            f"{path}: was changed after it was exported, so it is no longer the evaluation of the verdict. "
            "Restore it from the export, or write it anew."
        )


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
