"""Training seeds: runs that differ in nothing but the seed are shown together, never the best alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from understudy.atomic import write_json
from understudy.errors import EvaluationError
from understudy.evaluation.headline import draw_headline
from understudy.evaluation.verdict import load_verdict

__all__ = ["refresh_seeds"]

SAME = ("base_model", "method", "hyperparameters", "dataset", "recipe", "examples")


def refresh_seeds(runs: Path) -> None:
    """Let the verdict of every run name all runs that differ from it in training seed only.

    A run that was trained and not evaluated, or on other probes or settings, is named as such.
    """
    trained = {path: config for path in sorted(runs.glob("*")) if (config := _config(path))}
    found = {path: (config, load_or_none(path)) for path, config in trained.items()}
    for path, (config, verdict) in found.items():
        if verdict is None:
            continue
        alike = [
            _row(other, its_config, its_verdict, verdict)
            for other, (its_config, its_verdict) in found.items()
            if _twins(config, its_config)
        ]
        rows = alike if len(alike) > 1 else alike[:1]
        if verdict["primary"]["seeds"] != rows:
            verdict["primary"]["seeds"] = rows
            second = verdict["headline"]["secondary"]
            head = draw_headline(
                verdict["character"], verdict["primary"], second["sentence"], second.get("worse") or ()
            )
            verdict["headline"] = {**verdict["headline"], **head.as_row()}
            write_json(path / "verdict.json", verdict)


def load_or_none(run: Path) -> dict[str, Any] | None:
    """The run's verdict where there is one of this version."""
    try:
        return load_verdict(run)
    except EvaluationError:
        return None


def _config(run: Path) -> dict[str, Any] | None:
    """The settings of a run that has a model."""
    try:
        config = json.loads((run / "config.json").read_text(encoding="utf-8"))
        job = json.loads((run / "job.json").read_text(encoding="utf-8"))
        return config if job.get("fine_tuned_model") else None
    except (OSError, ValueError, AttributeError):
        return None


def _twins(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return all(a.get(key) == b.get(key) for key in SAME)


def _row(
    run: Path, config: Mapping[str, Any], verdict: Mapping[str, Any] | None, beside: Mapping[str, Any]
) -> dict[str, Any]:
    row = {"run_id": run.name, "training_seed": config.get("seed")}
    if verdict is None or not _comparable(verdict, beside):
        return {**row, "a_rate": None, "difference": None, "bound": None, "conclusion": "not_evaluated"}
    primary = verdict["primary"]
    return {**row, **{key: primary[key] for key in ("a_rate", "difference", "bound", "conclusion")}}


def _comparable(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return (
        a["probes"]["sha256"] == b["probes"]["sha256"]
        and a["hashes"].get("settings") == b["hashes"].get("settings")
        and a["primary"]["b"] == b["primary"]["b"]
    )
