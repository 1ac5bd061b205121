"""Runner: one training process at a time, its reports turned into the job's events."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import sqlite3
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any

from understudy.api.adapters import keep_adapter
from understudy.api.arbiter import Arbiter
from understudy.api.bases import Base, advice
from understudy.api.events import message_event, metrics_event, metrics_of
from understudy.api.files import FileDesk
from understudy.api.hyperparameters import DEFAULT_LORA_RANK, DEFAULT_MAX_TOKENS, shown_numbers
from understudy.api.identity import new_id, new_suffix
from understudy.api.interruption import (
    MAX_FRUITLESS_ATTEMPTS,
    STOPPED,
    Interruption,
    describe_end,
    describe_fault,
)
from understudy.api.leases import Lease
from understudy.api.process import end_stale_process, note_process
from understudy.api.results import results_csv
from understudy.api.settings import ServerSettings
from understudy.api.store import FINISHED, Job, Store, StoredModel
from understudy.api.validation import fail_job
from understudy.api.watch import Watch
from understudy.api.workers import LINE_BYTES, stop_process, worker_environment
from understudy.atomic import write_json, write_text
from understudy.training.attempt import FENCE

__all__ = ["TrainingRunner"]

logger = logging.getLogger(__name__)

KEPT_CHECKPOINTS = 3
RETRY_SECONDS = 5.0
LOOK_SECONDS = 30.0
HEARTBEATS = 6  # in the time of a lease
MAX_RESTARTS = 20  # of the server, before a job under which it always ends is given up


class TrainingRunner:
    """Takes queued jobs in order of creation and trains them one after the other."""

    def __init__(self, settings: ServerSettings, store: Store, files: FileDesk, arbiter: Arbiter) -> None:
        self.settings = settings
        self.arbiter = arbiter
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
            self._wake.clear()
            job = self._next_job()
            if job is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)
                continue
            try:
                await self._run(job)
            except Exception as error:
                logger.exception("job %s failed in the server", job.id)
                await self._fail_when_possible(job.id, *describe_fault(error))
            self._clear_if_finished(job.id)

    def _next_job(self) -> Job | None:
        try:
            return next(iter(self.store.jobs_with_status("queued")), None)
        except sqlite3.Error:
            logger.exception("the queue cannot be read just now")
            return None

    def take_up(self) -> None:
        """Queue again what an earlier server was training, and tidy what it left."""
        for job in self.store.jobs_with_status("running"):
            if self.store.note_interruption(job.id) >= MAX_RESTARTS:
                message = (
                    f"The server ended {MAX_RESTARTS} times in a row while it trained this job, each time "
                    "before the job got further, most likely because memory ran out."
                )
                fail_job(self.store, job.id, message, "out_of_memory", None, "running")
                continue
            event = message_event(
                "The server was restarted; the job goes on from its last checkpoint.", "warn"
            )
            self.store.change_job(job.id, only_in=["running"], document={"status": "queued"}, events=[event])
        for folder in self.settings.jobs.glob("*"):
            self._clear_if_finished(folder.name)

    def _clear_if_finished(self, job_id: str) -> None:
        """Checkpoints serve to go on; a finished job's models lie elsewhere."""
        with contextlib.suppress(sqlite3.Error):
            job = self.store.job(job_id)
            if job is None or job.status in FINISHED:
                shutil.rmtree(self.settings.jobs / job_id / "output", ignore_errors=True)

    async def _fail_when_possible(self, job_id: str, reason: str, code: str) -> None:
        """Note a failure; while even that cannot be written, as on a full disk, try again."""
        while True:
            try:
                for state in ("queued", "running"):
                    fail_job(self.store, job_id, reason, code, None, state)
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
        lease = self.store.take_lease(job.id, f"server process {os.getpid()}", self.settings.lease_seconds)
        spec_path = folder / "spec.json"
        write_json(spec_path, self._spec(job, folder) | {"attempt": self._attempt(lease)})
        write_text(folder / "output" / FENCE, str(lease.fencing_token))
        already = job.plan.get("model_suffix") is not None
        started = self.store.change_job(
            job.id,
            only_in=["queued"],
            document={"status": "running"},
            plan={"model_suffix": job.plan.get("model_suffix") or new_suffix()},
            events=[] if already else [message_event("Fine-tuning job started")],
            fencing_token=lease.fencing_token,
        )
        if started is None:
            return
        watch = Watch(self.store, lease, self.settings.lease_seconds)
        log_path = folder / "training.log"
        environment = worker_environment(self.settings.training_threads)
        with open(log_path, "ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self.settings.training_command, str(spec_path), stdin=DEVNULL, stdout=PIPE, stderr=log,
                limit=LINE_BYTES, env=environment, start_new_session=True,
            )  # fmt: skip
        self._process, self._job_id = process, job.id
        self.arbiter.place(process.pid, "training")
        note_process(folder, process.pid)
        try:
            if self._has_left_running(job.id):  # Cancelled or paused while the process was starting.
                return
            ended = await self._follow_to_the_end(process, _Report(self, started, lease), watch)
            await self._wait_for_end(process, job.id)
        finally:
            await stop_process(process, self.settings.stop_grace_seconds)
            self._process = self._job_id = None
        if not ended:
            why = describe_end(
                process.returncode,
                silent_seconds=watch.silent_seconds,
                memory_ran_out=watch.memory_ran_out,
                log=log_path,
            )
            self.interrupted(lease, why)

    async def _follow_to_the_end(self, process: Process, report: "_Report", watch: Watch) -> bool:
        """Follow the process; when the server itself stops, let it save and hear it out."""
        following = asyncio.create_task(self._follow(process, report, watch))
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

    async def _follow(self, process: Process, report: "_Report", watch: Watch) -> bool:
        """Read reports to the end. Returns whether the process said how it ended."""
        async for line in watch.lines(process):
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

    def interrupted(self, lease: Lease, why: Interruption) -> None:
        """Queue a job again whose process was cut off, or end it where that would not help."""
        job_id, token = lease.job_id, lease.fencing_token
        if self._has_left_running(job_id):
            return
        if not why.may_go_on or self.store.note_interruption(job_id) >= MAX_FRUITLESS_ATTEMPTS:
            fail_job(self.store, job_id, why.final, why.code, None, "running", token)
            return
        event = message_event(f"{why.message} The job goes on from its last checkpoint.", "warn")
        back = {"status": "queued", "estimated_finish": None}
        self.store.change_job(job_id, only_in=["running"], document=back, events=[event], fencing_token=token)

    def _has_left_running(self, job_id: str) -> bool:
        job = self.store.job(job_id)
        return job is None or job.status != "running"

    def _attempt(self, lease: Lease) -> dict[str, Any]:
        return {
            "fencing_token": lease.fencing_token,
            "heartbeat_seconds": self.settings.lease_seconds / HEARTBEATS,
            "reported_step": max((row["step"] for row in self.store.metrics(lease.job_id)), default=0),
            "gives_way_to": str(path) if (path := self.arbiter.gives_way_to) else None,
        }

    def _spec(self, job: Job, folder: Path) -> dict[str, Any]:
        plan, numbers = job.plan, shown_numbers(job.document)
        method = job.document["method"]["type"]
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
            "method": method,
            "hyperparameters": {
                "n_epochs": numbers["n_epochs"],
                "batch_size": numbers["batch_size"],
                "learning_rate": numbers["learning_rate_multiplier"] * row.base_learning_rate,
                **{key: numbers[key] for key in ("beta", "on_policy_share") if key in numbers},
            },
            "teacher": _teacher(job) if method == "distillation" else None,
            "lora": {"rank": rank, "alpha": int(plan["lora_alpha"] or 2 * rank), "dropout": 0.0},
            "max_tokens": plan["max_tokens"] or row.recommended.get("max_tokens", DEFAULT_MAX_TOKENS),
            "quantization": plan.get("quantization"),
            "seed": job.document["seed"],
            "threads": self.settings.training_threads,
        }


def _teacher(job: Job) -> dict[str, Any]:
    """Who teaches a job that distils, as the training process is told."""
    prompt = job.document["method"]["distillation"]["teacher_prompt"]
    return {"prompt": prompt, "model": job.plan.get("teacher")}


class _Report:
    """Turns what the process of one attempt reports into the store's rows."""

    def __init__(self, runner: TrainingRunner, job: Job, lease: Lease) -> None:
        self.runner = runner
        self.settings = runner.settings
        self.store = runner.store
        self.files = runner.files
        self.job = job
        self.lease = lease
        self.token = lease.fencing_token
        self.ended = False
        known = self.store.metrics(job.id)
        self.last_step = max((row["step"] for row in known), default=0)
        kept = self.store.checkpoints(job.id)
        self.last_checkpoint = max((row["step_number"] for row in kept), default=0)
        self.final_step = 0

    def on_started(self, event: dict[str, Any]) -> None:
        self.final_step = int(event["total_steps"])
        resumed = event.get("resumed_from_step")
        if resumed:
            text = f"Fine-tuning job resumed from step {resumed} of {self.final_step}"
            self.store.add_events(self.job.id, [message_event(text)], self.token)

    def on_warning(self, event: dict[str, Any]) -> None:
        self.store.add_events(self.job.id, [message_event(str(event["message"]), "warn")], self.token)

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
            fencing_token=self.token,
        )

    def on_checkpoint(self, event: dict[str, Any]) -> None:
        """Keep the adapter of a finished epoch, or of a pause, as a model; the last is the job's model.

        A resumed job tells of its checkpoints again, in case the server was killed before it knew.
        """
        step = int(event["step"])
        wanted = event.get("epoch_end", True) or self._is_paused()
        if not wanted or step <= self.last_checkpoint or step == self.final_step:
            return
        self.last_checkpoint = step
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
        if self.store.add_checkpoint(self.job.id, document, model, message_event(text), self.token):
            self._forget_old_checkpoints()
        else:
            shutil.rmtree(adapter, ignore_errors=True)

    def on_done(self, event: dict[str, Any]) -> None:
        self.ended = True
        name = self._model_name(self.job.plan["model_suffix"])
        adapter = keep_adapter(Path(event["path"]), self.settings.adapters)
        result = self.files.prepare(
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
            files=[result],
            fencing_token=self.token,
        )
        if succeeded is None:  # Cancelled at the last moment.
            shutil.rmtree(adapter, ignore_errors=True)

    def on_stopped(self, event: dict[str, Any]) -> None:
        """Asked to stop: by cancel or pause (the status says so), or from outside."""
        self.ended = True
        if not self.runner.server_stops:
            self.runner.interrupted(self.lease, STOPPED)

    def on_failed(self, event: dict[str, Any]) -> None:
        self.ended = True
        message, code = str(event["message"]), str(event.get("code") or "server_error")
        fail_job(self.store, self.job.id, message, code, event.get("param"), "running", self.token)

    def _is_paused(self) -> bool:
        job = self.store.job(self.job.id)
        return job is not None and job.status == "paused"

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
