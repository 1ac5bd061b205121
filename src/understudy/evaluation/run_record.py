"""Run record: what was trained, read from the run's folder, and whether it still fits the dataset."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.dataset import Manifest
from understudy.errors import EvaluationError

__all__ = ["RunRecord", "read_run"]


@dataclass(frozen=True)
class RunRecord:
    """A finished training: ``job`` and ``config`` as the run's folder holds them."""

    id: str
    folder: Path
    job: dict[str, Any]
    config: dict[str, Any]

    @property
    def base_model(self) -> str:
        return str(self.config.get("base_model") or self.job.get("model") or "")

    @property
    def tuned_model(self) -> str:
        return str(self.job["fine_tuned_model"])

    def training(self, manifest: Manifest) -> dict[str, Any]:
        """The verdict's account of the training."""
        return {
            "job_id": self.job.get("id"),
            "base_model": self.base_model,
            "fine_tuned_model": self.tuned_model,
            "examples": self.config.get("examples") or manifest.counts["training"].examples,
            "trained_tokens": self.job.get("trained_tokens"),
            "seconds": self.job.get("seconds"),
            "learned_tokens_per_second": self.job.get("learned_tokens_per_second"),
            "hyperparameters": self.job.get("hyperparameters") or self.config.get("hyperparameters"),
            "system_prompt": manifest.recipe.system_prompt,
            "shape": manifest.recipe.shape,
        }


def read_run(run: Path, manifest: Manifest | None = None) -> RunRecord:
    """Read a run that has finished training.

    Raises:
        EvaluationError: It has no model yet; or the dataset was built anew since, so that what is
            now held out may have been trained.
    """
    job, config = _read(run / "job.json"), _read(run / "config.json")
    name = run.parent.parent.name or "NAME"
    if not job.get("fine_tuned_model"):
        state = f"its job is {job['status']}" if job.get("status") else "it has no job"
        raise EvaluationError(
            f"{run}: has no trained model yet ({state}). Train it first: understudy train {name}"
        )
    record = RunRecord(run.name, run, job, config)
    if not record.base_model:
        raise EvaluationError(f"{run}: neither config.json nor job.json names the base model.")
    trained = config.get("dataset") or {}
    changed = [
        file
        for file, digest in trained.items()
        if manifest and file in manifest.outputs and manifest.outputs[file] != digest
    ]
    if changed:
        raise EvaluationError(
            f"{run}: was trained on another build of the dataset ({', '.join(changed)} changed since), so "
            f"what is held out now may have been trained. Train on the new one: understudy train {name}"
        )
    return record


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EvaluationError(
            f"{path}: cannot be read as JSON ({error}). Train again to write it."
        ) from error
    return value if isinstance(value, dict) else {}
