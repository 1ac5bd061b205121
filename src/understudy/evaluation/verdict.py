"""Verdict: what an evaluation found, as ``verdict.json`` holds it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from understudy.atomic import write_json
from understudy.errors import EvaluationError
from understudy.evaluation.arms import Arm
from understudy.evaluation.comparison import Comparison
from understudy.evaluation.drift import Drift
from understudy.evaluation.headline import Headline
from understudy.evaluation.primary import Primary
from understudy.evaluation.score import Score
from understudy.evaluation.secondary import Secondary

__all__ = ["SCHEMA", "ArmVerdict", "Verdict", "load_verdict", "save_verdict", "verdict_path"]

SCHEMA = "understudy.verdict/2"


@dataclass(frozen=True)
class ArmVerdict:
    """One arm with its scores. ``prompt_tokens`` counts the system prompt alone."""

    arm: Arm
    prompt_tokens: int | None
    scores: dict[str, Score]
    drift: Drift | None

    def as_row(self) -> dict[str, Any]:
        values = asdict(self.arm)
        row = {key: values[key] for key in ("name", "model", "base_model", "prompt_kind", "prompt")}
        return {
            **row,
            "prompt_tokens": self.prompt_tokens,
            "measured": self.arm.measured,
            "note": self.arm.note,
            "scores": {name: score.as_row() for name, score in self.scores.items()},
            "by_turn": self.drift.by_turn if self.drift else [],
            "drift": self.drift.as_row() if self.drift else None,
        }


@dataclass(frozen=True)
class Verdict:
    """Everything that was found, and everything needed to find it again."""

    character: str
    created_at: str
    run_id: str
    headline: Headline
    primary: Primary
    secondary: Secondary
    arms: list[ArmVerdict]
    comparisons: list[Comparison]
    detectors: dict[str, Any]
    classifiers: dict[str, Any]
    probes: dict[str, Any]
    training: dict[str, Any]
    settings: dict[str, Any]
    seeds: dict[str, int]
    hashes: dict[str, str]
    versions: dict[str, str]
    limits: list[str]

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON holds it."""
        return {
            "schema": SCHEMA,
            "character": self.character,
            "created_at": self.created_at,
            "run_id": self.run_id,
            "headline": {**self.headline.as_row(), "secondary": self.secondary.as_row()},
            "primary": self.primary.as_row(),
            "arms": [arm.as_row() for arm in self.arms],
            "comparisons": [comparison.as_row() for comparison in self.comparisons],
            "detectors": self.detectors,
            "classifiers": self.classifiers,
            "probes": self.probes,
            "training": self.training,
            "settings": self.settings,
            "seeds": self.seeds,
            "hashes": self.hashes,
            "versions": self.versions,
            "limits": self.limits,
        }


FILES = {"final": "verdict.json", "development": "verdict-development.json"}


def verdict_path(run: Path, probe_set: str = "final") -> Path:
    """Where the verdict of a run on a set of probes lies."""
    return run / FILES[probe_set]


def save_verdict(run: Path, verdict: Verdict, probe_set: str = "final") -> None:
    """Write ``verdict.json``; call it last, because its presence means that the evaluation is whole.

    The verdict on development probes stands beside it.
    """
    write_json(verdict_path(run, probe_set), verdict.as_dict())


def load_verdict(run: Path, probe_set: str = "final") -> dict[str, Any] | None:
    """``verdict.json`` of a run, or ``None`` where there is none.

    Raises:
        EvaluationError: It is damaged or of another version.
    """
    path = verdict_path(run, probe_set)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise EvaluationError(
            f"{path}: cannot be read as JSON ({error}). Delete it and evaluate again."
        ) from error
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise EvaluationError(f"{path}: is not a verdict of this version. Delete it and evaluate again.")
    return value
