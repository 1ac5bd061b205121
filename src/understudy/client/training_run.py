"""Training run: a dataset becomes a model, with everything about it in ``runs/<id>/``.

``config.json`` is written first, ``job.json`` whenever the job is seen, ``events.jsonl`` as events
come. A run that was interrupted is taken up again: the job goes on at the server meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy import __version__
from understudy.atomic import write_bytes, write_json
from understudy.client.job import END_STATES, explain, follow_job
from understudy.client.results import read_result_files
from understudy.client.submission import RUN_KEY, submit_job
from understudy.client.training_plan import TrainingPlan, TrainingSettings, plan_training
from understudy.errors import ProviderError, TrainingError, UnderstudyError
from understudy.folder import CharacterFolder, alone

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["TrainedRun", "TrainingSettings", "cancel_training", "plan_training", "train"]

RESULTS = "step_metrics.csv"
CLOCK_SECONDS = 120  # by which a provider's clock may be behind
EventHandler = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class TrainedRun:
    """A run with its model. ``reused``: it was trained before, and nothing was done now."""

    id: str
    folder: Path
    model: str
    job: dict[str, Any]
    reused: bool


def train(
    folder: CharacterFolder,
    client: OpenAI,
    plan: TrainingPlan,
    on_event: EventHandler = lambda event: None,
) -> TrainedRun:
    """Train what ``plan`` says, or find that it was done, or take up a run under way.

    Args:
        on_event: Called with each event of the job, oldest first.

    Raises:
        TrainingError: The job failed or was cancelled; its error says why.
        ProviderError: The provider refused to start it.
    """
    with alone(folder.root):
        found = None if plan.again else _earlier_run(folder, client, plan)
        if found is not None and _is_noted(*found):
            run_folder, job = found
            return TrainedRun(run_folder.name, run_folder, job["fine_tuned_model"], job, reused=True)
        run_folder, job = found or _start(folder, client, plan)
    return _follow(client, run_folder, job, on_event)


def _start(folder: CharacterFolder, client: OpenAI, plan: TrainingPlan) -> tuple[Path, dict[str, Any]]:
    """A new run with its job; nothing is left of it where the job is refused."""
    run_folder = _new_run(folder, plan)
    try:
        job = submit_job(client, plan, run_folder.name)
    except UnderstudyError:
        _discard(run_folder)
        raise
    _save_job(run_folder, job)
    return run_folder, job


def _is_noted(run_folder: Path, job: dict[str, Any]) -> bool:
    """Whether a run's files tell of its success; a job may have ended while nobody followed."""
    return job["status"] == "succeeded" and (read_job(run_folder) or {}).get("status") == "succeeded"


def cancel_training(folder: CharacterFolder, client: OpenAI) -> list[str]:
    """Cancel every unfinished job of the folder's runs; returns their ids."""
    import openai

    cancelled = []
    for run_folder in sorted(folder.runs.glob("*"), reverse=True):
        job = read_job(run_folder)
        if not job or job.get("status") in END_STATES:
            continue
        try:
            answer = client.fine_tuning.jobs.cancel(job["id"])
        except openai.APIStatusError:
            continue
        _save_job(run_folder, answer.model_dump(mode="json"))
        cancelled.append(str(job["id"]))
    return cancelled


def read_job(run_folder: Path) -> dict[str, Any] | None:
    """``job.json`` of a run, if it is there and whole."""
    return _read(run_folder / "job.json")


# --- earlier runs -------------------------------------------------------------------------------


def _earlier_run(
    folder: CharacterFolder, client: OpenAI, plan: TrainingPlan
) -> tuple[Path, dict[str, Any]] | None:
    """The newest run of the same plan whose model exists or may still come."""
    for run_folder in sorted(folder.runs.glob("*"), reverse=True):
        config = _read(run_folder / "config.json")
        if not config or config.get("fingerprint") != plan.fingerprint:
            continue
        job = _current_job(client, run_folder)
        if job is None and not (run_folder / "job.json").exists():
            _discard(run_folder)
        if job is None or job["status"] in ("failed", "cancelled"):
            continue
        # Where tuned models must be deployed first, they are not among the models until then.
        listed = not plan.provider.dialect.deployment
        if job["status"] == "succeeded" and listed and not _model_exists(client, job["fine_tuned_model"]):
            continue
        return run_folder, job
    return None


def _current_job(client: OpenAI, run_folder: Path) -> dict[str, Any] | None:
    """The run's job as it is now; an interruption between creating and noting it is bridged."""
    import openai

    known = read_job(run_folder)
    if known and known.get("status") in END_STATES:
        return known
    try:
        if known:
            answer = client.fine_tuning.jobs.retrieve(known["id"])
        else:
            match = _job_of_run(client, run_folder)
            if match is None:
                return None
            answer = match
    except openai.NotFoundError:
        return None
    except openai.APIError as error:
        raise ProviderError(f"{run_folder.name}: its job cannot be asked for. {explain(error)}") from error
    return dict(answer.model_dump(mode="json"))


def _job_of_run(client: OpenAI, run_folder: Path) -> Any:
    """The job that was created for a run and not noted: by its metadata, or where the provider keeps
    none, by its suffix, seed and time."""
    config = _read(run_folder / "config.json") or {}
    if (config.get("provider") or {}).get("keeps_metadata", True):
        jobs = client.fine_tuning.jobs.list(limit=1, metadata={RUN_KEY: run_folder.name})
        return next((job for job in jobs if (job.metadata or {}).get(RUN_KEY) == run_folder.name), None)
    began = datetime.fromisoformat(config["created_at"]).timestamp() - CLOCK_SECONDS
    for job in client.fine_tuning.jobs.list(limit=20):
        if job.created_at < began:
            return None
        if job.seed == config["seed"] and job.model == config["base_model"]:
            return job
    return None


def _model_exists(client: OpenAI, model: str) -> bool:
    import openai

    try:
        client.models.retrieve(model)
    except openai.NotFoundError:
        return False
    except openai.APIError as error:
        raise ProviderError(f"{model}: {explain(error)}") from error
    return True


def _discard(run_folder: Path) -> None:
    """Remove a run that never got a job; one that holds anything else is left."""
    if [path.name for path in run_folder.iterdir()] == ["config.json"]:
        (run_folder / "config.json").unlink()
        run_folder.rmdir()


# --- a new run ------------------------------------------------------------------------------------


def _new_run(folder: CharacterFolder, plan: TrainingPlan) -> Path:
    now = datetime.now(UTC)
    run_folder = folder.run(f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z-{plan.fingerprint[:6]}")
    config = {
        "schema": "understudy.run/1",
        "run_id": run_folder.name,
        "created_at": now.isoformat(timespec="seconds"),
        "character": plan.character,
        "provider": {
            "name": plan.provider.name,
            "base_url": plan.provider.base_url,
            "keeps_metadata": plan.provider.dialect.metadata,
        },
        "base_model": plan.base_model,
        "method": plan.method,
        "hyperparameters": plan.hyperparameters,
        "seed": plan.seed,
        "suffix": plan.suffix,
        "examples": plan.examples,
        "billed_tokens": plan.billed_tokens,
        "price_usd": plan.price_usd,
        "price_note": plan.price_note,
        "dataset": plan.hashes,
        "recipe": plan.recipe,
        "fingerprint": plan.fingerprint,
        "version": __version__,
    }
    write_json(run_folder / "config.json", config)
    return run_folder


def _follow(client: OpenAI, run_folder: Path, job: dict[str, Any], on_event: EventHandler) -> TrainedRun:
    speed: float | None = None
    started: int | None = None
    for event in _noted(run_folder, follow_job(client, job["id"])):
        data = event.get("data") or {}
        if event.get("type") == "metrics":
            speed = data.get("learned_tokens_per_second", speed)
        elif event["message"] == "Fine-tuning job started":
            started = event["created_at"]
        on_event(event)
    final: dict[str, Any] = client.fine_tuning.jobs.retrieve(job["id"]).model_dump(mode="json")
    finished = final.get("finished_at")
    final["seconds"] = finished - started if finished and started else None
    final["learned_tokens_per_second"] = speed
    _save_job(run_folder, final)
    if final["status"] != "succeeded":
        raise TrainingError(_why(final))
    for content in read_result_files(client, final)[:1]:
        write_bytes(run_folder / RESULTS, content)
    return TrainedRun(run_folder.name, run_folder, final["fine_tuned_model"], final, reused=False)


def _noted(run_folder: Path, events: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Pass events on and keep each in ``events.jsonl``, which starts anew: all come again."""
    with open(run_folder / "events.jsonl", "w", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(event, ensure_ascii=False) + "\n")
            file.flush()
            yield event


def _why(job: dict[str, Any]) -> str:
    error = job.get("error") or {}
    if job["status"] == "cancelled":
        return f"The job {job['id']} was cancelled. Train again with the same command."
    return str(error.get("message") or f"The job {job['id']} failed.")


def _save_job(run_folder: Path, job: dict[str, Any]) -> None:
    write_json(run_folder / "job.json", job)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
