"""Runner: one training process at a time, its reports turned into the job's events."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any

from understudy.api.adapters import keep_adapter
from understudy.api.bases import Base, advice
from understudy.api.events import message_event, metrics_event, metrics_of
from understudy.api.files import FileDesk
from understudy.api.hyperparameters import DEFAULT_LORA_RANK, DEFAULT_MAX_TOKENS
from understudy.api.identity import new_id, new_suffix
from understudy.api.process import end_stale_process, note_process
from understudy.api.results import results_csv
from understudy.api.settings import ServerSettings
from understudy.api.store import Job, Store, StoredModel
from understudy.api.validation import fail_job
from understudy.api.workers import LINE_BYTES, log_tail, stop_process, worker_environment
from understudy.atomic import write_json

__all__ = ["TrainingRunner"]

logger = logging.getLogger(__name__)

KEPT_CHECKPOINTS = 3
RETRY_SECONDS = 5.0


class TrainingRunner:
    """Takes queued jobs in order of creation and trains them one after the other."""

    def __init__(self, settings: ServerSettings, store: Store, files: FileDesk) -> None:
        self.settings = settings
        self.store = store
        self.files = files
        self._wake = asyncio.Event()
        self._process: Process | None = None
        self._job_id: str | None = None
        self._server_stops = False

    @property
    def server_stops(self) -> bool:
        """Whether processes are stopped because the server ends; their jobs go on with the next."""
        return self._server_stops

    def wake(self) -> None:
        """Look for queued jobs now."""
        self._wake.set()

    async def run_forever(self) -> None:
        """Train queued jobs until cancelled; the process of a job under way is then stopped."""
        while True:
            queued = self.store.jobs_with_status("queued")
            if not queued:
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                await self._run(queued[0])
            except Exception as error:
                logger.exception("job %s failed in the server", queued[0].id)
                await self._fail_when_possible(queued[0].id, _explain(error))

    async def _fail_when_possible(self, job_id: str, reason: str) -> None:
        """Note a failure; while even that cannot be written, as on a full disk, try again."""
        while True:
            try:
                self._fail(job_id, reason, "server_error")
                return
            except Exception:
                logger.exception("the failure of job %s cannot be noted yet", job_id)
                await asyncio.sleep(RETRY_SECONDS)

    async def interrupt(self, job_id: str) -> None:
        """Ask the process of a job to save and end, without waiting for it."""
        if self._job_id == job_id and self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    # --- one job

    async def _run(self, job: Job) -> None:
        folder = self.settings.jobs / job.id
        await asyncio.to_thread(end_stale_process, folder, self.settings.stop_grace_seconds)
        spec_path = folder / "spec.json"
        write_json(spec_path, self._spec(job, folder))
        already = job.plan.get("model_suffix") is not None
        started = self.store.change_job(
            job.id,
            only_in=["queued"],
            document={"status": "running"},
            plan={"model_suffix": job.plan.get("model_suffix") or new_suffix()},
            events=[] if already else [message_event("Fine-tuning job started")],
        )
        if started is None:
            return
        log_path = folder / "training.log"
        environment = worker_environment(self.settings.training_threads)
        with open(log_path, "ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self.settings.training_command, str(spec_path), stdin=DEVNULL, stdout=PIPE, stderr=log,
                limit=LINE_BYTES, env=environment, start_new_session=True,
            )  # fmt: skip
        self._process, self._job_id = process, job.id
        note_process(folder, process.pid)
        try:
            if self._has_left_running(job.id):  # Cancelled or paused while the process was starting.
                return
            ended = await self._follow_to_the_end(process, started)
            await self._wait_for_end(process, job.id)
        finally:
            await stop_process(process, self.settings.stop_grace_seconds)
            self._process = self._job_id = None
        if not ended:
            self._note_crash(process, job.id, log_path)

    async def _follow_to_the_end(self, process: Process, job: Job) -> bool:
        """Follow the process; when the server itself stops, let it save and hear it out."""
        following = asyncio.create_task(self._follow(process, job))
        try:
            return await asyncio.shield(following)
        except asyncio.CancelledError:
            self._server_stops = True
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(following, self.settings.stop_grace_seconds)
            raise

    async def _wait_for_end(self, process: Process, job_id: str) -> None:
        try:
            await asyncio.wait_for(process.wait(), self.settings.stop_grace_seconds)
        except TimeoutError:
            logger.warning("the process of job %s does not end; it is ended", job_id)

    async def _follow(self, process: Process, job: Job) -> bool:
        """Read reports to the end. Returns whether the process said how it ended."""
        assert process.stdout is not None
        report = _Report(self, job)
        while line := await process.stdout.readline():
            try:
                event = json.loads(line)
                kind = event["event"]
            except (ValueError, KeyError, TypeError):
                logger.warning("the training process sent a line that is no event: %.200r", line)
                continue
            handle = getattr(report, f"on_{kind}", None)
            if handle is not None:
                handle(event)
        return report.ended

    def _note_crash(self, process: Process, job_id: str, log_path: Path) -> None:
        code = process.returncode
        if code == -9:
            reason, name = (
                "The training process was killed, most likely because memory ran out. Use a smaller "
                "batch_size, a smaller max_tokens, or a smaller base model.",
                "out_of_memory",
            )
        else:
            tail = log_tail(log_path, 400)
            reason = f"The training process ended unexpectedly (exit {code}). {tail}".strip()
            name = "server_error"
        self._fail(job_id, reason, name)

    def _has_left_running(self, job_id: str) -> bool:
        job = self.store.job(job_id)
        return job is None or job.status != "running"

    def _fail(self, job_id: str, reason: str, code: str) -> None:
        for state in ("queued", "running"):
            fail_job(self.store, job_id, reason, code, None, state)

    def _spec(self, job: Job, folder: Path) -> dict[str, Any]:
        plan, numbers = job.plan, job.document["hyperparameters"]
        row = advice(Base(**plan["base"]).source)
        rank = plan["lora_rank"] or DEFAULT_LORA_RANK
        validation = plan["validation_blob"]
        return {
            "job_id": job.id,
            "base_model": plan["base_path"],
            "adapter": str(self.settings.adapters / Path(plan["adapter"]).name) if plan["adapter"] else None,
            "training_file": str(self.files.blobs.path(plan["training_blob"])),
            "validation_file": str(self.files.blobs.path(validation)) if validation else None,
            "output_directory": str(folder / "output"),
            "method": "supervised",
            "hyperparameters": {
                "n_epochs": numbers["n_epochs"],
                "batch_size": numbers["batch_size"],
                "learning_rate": numbers["learning_rate_multiplier"] * row.base_learning_rate,
            },
            "lora": {"rank": rank, "alpha": int(plan["lora_alpha"] or 2 * rank), "dropout": 0.0},
            "max_tokens": plan["max_tokens"] or row.recommended.get("max_tokens", DEFAULT_MAX_TOKENS),
            "seed": job.document["seed"],
            "threads": self.settings.training_threads,
        }


class _Report:
    """Turns what the process of one job reports into the store's rows."""

    def __init__(self, runner: TrainingRunner, job: Job) -> None:
        self.runner = runner
        self.settings = runner.settings
        self.store = runner.store
        self.files = runner.files
        self.job = job
        self.ended = False
        known = self.store.metrics(job.id)
        self.last_step = max((row["step"] for row in known), default=0)
        self.checkpoints = {row["step_number"] for row in self.store.checkpoints(job.id)}
        self.final_step = 0

    def on_started(self, event: dict[str, Any]) -> None:
        self.final_step = int(event["total_steps"])
        resumed = event.get("resumed_from_step")
        if resumed:
            text = f"Fine-tuning job resumed from step {resumed} of {self.final_step}"
            self.store.add_events(self.job.id, [message_event(text)])

    def on_warning(self, event: dict[str, Any]) -> None:
        self.store.add_events(self.job.id, [message_event(str(event["message"]), "warn")])

    def on_step(self, event: dict[str, Any]) -> None:
        """Report a step once, though a resumed job may repeat some."""
        if event["step"] <= self.last_step:
            return
        self.last_step = event["step"]
        left = event.get("seconds_left")
        finish = int(time.time() + left) if left is not None else None
        # A job that is being paused still finishes its step.
        self.store.change_job(
            self.job.id,
            only_in=["running", "paused", "queued"],
            document={"estimated_finish": finish},
            events=[metrics_event(event)],
        )

    def on_checkpoint(self, event: dict[str, Any]) -> None:
        """Keep the adapter of a finished epoch as a model; the last one becomes the job's model."""
        step = int(event["step"])
        if not event.get("epoch_end", True) or step in self.checkpoints or step == self.final_step:
            return
        self.checkpoints.add(step)
        identity = new_suffix()
        name = f"{self._model_name(identity)}:ckpt-step-{step}"
        adapter = keep_adapter(Path(event["path"]), self.settings.adapters)
        now = int(time.time())
        document = {
            "object": "fine_tuning.job.checkpoint",
            "id": new_id("ftckpt_"),
            "created_at": now,
            "fine_tuned_model_checkpoint": name,
            "step_number": step,
            "metrics": metrics_of(event),
            "fine_tuning_job_id": self.job.id,
        }
        model = self._model(name, adapter, now)
        text = f"Checkpoint created at step {step} with Snapshot ID: {name}"
        self.store.add_checkpoint(self.job.id, document, model, message_event(text))
        self._forget_old_checkpoints()

    def on_done(self, event: dict[str, Any]) -> None:
        self.ended = True
        name = self._model_name(self.job.plan["model_suffix"])
        adapter = keep_adapter(Path(event["path"]), self.settings.adapters)
        result = self.files.produce(
            results_csv(self.store.metrics(self.job.id)), "step_metrics.csv", "fine-tune-results"
        )
        now = int(time.time())
        succeeded = self.store.change_job(
            self.job.id,
            only_in=["running"],
            document={
                "status": "succeeded",
                "fine_tuned_model": name,
                "finished_at": now,
                "estimated_finish": None,
                "trained_tokens": int(event["trained_tokens"]),
                "result_files": [result.id],
            },
            events=[
                message_event(f"New fine-tuned model created: {name}"),
                message_event("The job has successfully completed"),
            ],
            models=[self._model(name, adapter, now)],
        )
        if succeeded is None:  # Cancelled at the last moment.
            self.files.delete(result.id)
            shutil.rmtree(adapter, ignore_errors=True)
            return
        shutil.rmtree(self.settings.jobs / self.job.id / "output", ignore_errors=True)

    def on_stopped(self, event: dict[str, Any]) -> None:
        """Asked to stop: by cancel or pause (the status says so), or from outside."""
        self.ended = True
        if self.runner.server_stops:
            return
        message = "The training process was stopped from outside. Create the job again."
        fail_job(self.store, self.job.id, message, "server_error", None, "running")

    def on_failed(self, event: dict[str, Any]) -> None:
        self.ended = True
        message, code = str(event["message"]), str(event.get("code") or "server_error")
        fail_job(self.store, self.job.id, message, code, event.get("param"), "running")

    def _model_name(self, identity: str) -> str:
        base = Base(**self.job.plan["base"]).name
        return f"ft:{base}:{self.settings.organization}:{self.job.plan['suffix']}:{identity}"

    def _model(self, name: str, adapter: Path, now: int) -> StoredModel:
        plan = self.job.plan
        base = Base(**plan["base"])
        return StoredModel(
            name, now, base.name, base.source, plan["base_fingerprint"], str(adapter), self.job.id
        )

    def _forget_old_checkpoints(self) -> None:
        """The last three epochs are kept; the final one will be the model itself."""
        for checkpoint in self.store.checkpoints(self.job.id)[: -(KEPT_CHECKPOINTS - 1)]:
            model = self.store.model(checkpoint["fine_tuned_model_checkpoint"])
            self.store.delete_checkpoint(checkpoint)
            if model is not None:
                shutil.rmtree(model.adapter, ignore_errors=True)


def _explain(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"The server could not write the job's files ({os.strerror(error.errno)}). Free some space."
    return f"The server met an unexpected fault ({error}). Its log says more."
