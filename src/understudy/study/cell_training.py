"""Cell training: the jobs of a cell, one after the other, through the fine-tuning API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from understudy.atomic import write_jsonl
from understudy.client.provider import Provider
from understudy.client.training_plan import TrainingSettings, plan_training
from understudy.dataset.preference_examples import preference_examples
from understudy.dialogue.preference import load_preferences
from understudy.errors import DatasetError
from understudy.folder import CharacterFolder
from understudy.study.budget import MOST_EPOCHS
from understudy.study.cell_plan import FEWEST_PAIRS, CellPlan, Stage

if TYPE_CHECKING:
    from openai import OpenAI

    from understudy.evaluation import OpenAIConnection

__all__ = ["TrainedCell", "train_cell"]

EventHandler = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class TrainedCell:
    """The model that a cell ends with, and what its jobs say of themselves, in order."""

    model: str
    jobs: tuple[dict[str, Any], ...]

    @property
    def seconds(self) -> float | None:
        """Of training, all jobs together; ``None`` where a provider does not tell."""
        times = [job["seconds"] for job in self.jobs]
        return float(sum(times)) if all(time is not None for time in times) else None


def train_cell(
    cell: CharacterFolder,
    plan: CellPlan,
    provider: Provider,
    client: OpenAI,
    connection: Callable[[], OpenAIConnection],
    on_event: EventHandler = lambda event: None,
) -> TrainedCell:
    """Train a cell. What was trained before, also in part or at a server that went on meanwhile, is used.

    Args:
        cell: Its folder, written by ``write_cell``.
        connection: Where the untuned model answers, for the worse replies of preference pairs.

    Raises:
        TrainingError, ProviderError, DatasetError: A job failed or was refused.
    """
    model, jobs = plan.cell.base, []
    for stage in plan.stages:
        settings = _settings(cell, plan, stage, model, provider, connection)
        model, job = _train(cell, provider, client, settings, on_event)
        jobs.append(job)
    return TrainedCell(model, tuple(jobs))


def _train(
    cell: CharacterFolder,
    provider: Provider,
    client: OpenAI,
    settings: TrainingSettings,
    on_event: EventHandler,
) -> tuple[str, dict[str, Any]]:
    from understudy.client.training_run import train

    planned = plan_training(cell, provider, settings)
    run = train(cell, client, planned, on_event)
    job = {
        "method": settings.method,
        "run_id": run.id,
        "job_id": run.job.get("id"),
        "model": run.model,
        "examples": planned.examples,
        "hyperparameters": planned.hyperparameters,
        "billed_tokens": planned.billed_tokens,
        "trained_tokens": run.job.get("trained_tokens"),
        "seconds": run.job.get("seconds"),
    }
    return run.model, job


def _settings(
    cell: CharacterFolder,
    plan: CellPlan,
    stage: Stage,
    model: str,
    provider: Provider,
    connection: Callable[[], OpenAIConnection],
) -> TrainingSettings:
    common: dict[str, Any] = {
        "base_model": model,
        "n_epochs": stage.schedule.epochs,
        "batch_size": plan.terms.batch_size,
        "seed": plan.cell.seed,
        "method": stage.method,
    }
    if stage.method == "distillation":
        return TrainingSettings(**common, teacher=plan.terms.teacher)
    if stage.method == "dpo":
        pairs = _write_pairs(cell, plan, stage, provider, connection)
        # Fewer pairs may have come of it than were planned; the steps stay about the same.
        epochs = round(stage.schedule.steps * plan.terms.batch_size / pairs)
        common["n_epochs"] = max(1, min(MOST_EPOCHS, epochs))
        return TrainingSettings(**common, preferences=cell.dataset / "preferences.jsonl")
    return TrainingSettings(**common)


def _write_pairs(
    cell: CharacterFolder,
    plan: CellPlan,
    stage: Stage,
    provider: Provider,
    connection: Callable[[], OpenAIConnection],
) -> int:
    """Write ``dataset/preferences.jsonl``: the cell's lines, each preferred to the untuned model's own.

    Raises:
        DatasetError: So few come of it that no provider would take them.
    """
    from understudy.character.character import load_character
    from understudy.preference import PreferenceSettings, collect_preferences, plan_preferences

    settings = PreferenceSettings(seed=plan.cell.seed)
    # Some replies of the untuned model prefer nothing, so more are asked than are needed.
    asked = plan_preferences(cell, provider, plan.cell.base, settings, count=round(1.5 * stage.examples) + 10)
    collect_preferences(asked, connection)
    left_out: Counter[str] = Counter()
    preferences = load_preferences(cell.preferences)
    rows = preference_examples(preferences, load_character(cell.character), {}, [], left_out)[
        : stage.examples
    ]
    if len(rows) < FEWEST_PAIRS:
        reasons = ", ".join(f"{count} {why}" for why, count in left_out.items())
        raise DatasetError(
            f"{cell.preferences}: only {len(rows)} pairs could be made, and {FEWEST_PAIRS} are needed "
            f"({reasons or 'the untuned model says nearly the same'}). Leave sft+dpo out of the study."
        )
    write_jsonl(cell.dataset / "preferences.jsonl", rows)
    return len(rows)
