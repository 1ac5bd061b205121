"""Jobs: fine-tuning jobs as clients create, list and cancel them."""

import asyncio
import contextlib
import logging
import re
import secrets
import sqlite3
import time
from dataclasses import asdict
from typing import Any

from understudy.api.arbiter import Arbiter
from understudy.api.events import message_event
from understudy.api.files import FileDesk
from understudy.api.hyperparameters import common_numbers, echo, readable_job, shown_method
from understudy.api.identity import new_id
from understudy.api.models import ModelDesk, TrainableModel
from understudy.api.policies import policies_at_creation
from understudy.api.problem import Problem, bad_request, parse, unknown_job, wrong_state
from understudy.api.protocol import JobRequest
from understudy.api.repeats import REMEMBERED_SECONDS, RequestMark
from understudy.api.runner import RETRY_SECONDS, TrainingRunner
from understudy.api.settings import ServerSettings
from understudy.api.store import FINISHED, Job, Page, Store, StoredFile
from understudy.api.validation import validate_job
from understudy.training.quantization import why_not_four_bit

__all__ = ["JobDesk"]

logger = logging.getLogger(__name__)

UNFINISHED = ("validating_files", "queued", "running", "paused")
STATES = (*UNFINISHED, *FINISHED)


class JobDesk:
    """Takes jobs in, checks their files, queues them, and answers questions about them."""

    def __init__(
        self, settings: ServerSettings, store: Store, files: FileDesk, models: ModelDesk, arbiter: Arbiter
    ) -> None:
        self.settings = settings
        self.store = store
        self.files = files
        self.models = models
        self.runner = TrainingRunner(settings, store, files, arbiter)
        self._checking: dict[str, asyncio.Task[None]] = {}
        self._running: asyncio.Task[None] | None = None
        self.has_abandoned_threads = False

    # --- life of the desk

    def start(self) -> None:
        """Take up what an earlier server left unfinished, then wait for jobs."""
        for job in self.store.jobs_with_status("validating_files"):
            self._check(job)
        self.runner.take_up()
        self._running = asyncio.create_task(self.runner.run_forever())

    async def stop(self) -> None:
        """Stop the workers. Running jobs keep their checkpoints and go on at the next start."""
        self.has_abandoned_threads = bool(self._checking)
        tasks = [*self._checking.values(), *([self._running] if self._running else [])]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def is_busy(self) -> bool:
        """Whether a job is unfinished."""
        return bool(self.store.jobs_with_status("validating_files", "queued", "running"))

    # --- the API

    async def create(self, body: Any, mark: RequestMark) -> dict[str, Any]:
        """POST /v1/fine_tuning/jobs.

        A repeated request gets the job that the first one made, if nobody was told of it.

        Raises:
            Problem: A fault of the request itself. Faults inside the files fail the job later.
        """
        if mark.is_repeat:
            job = self.store.unanswered_job(mark.digest, int(time.time()) - REMEMBERED_SECONDS)
            if job is not None:
                return readable_job(job.document)
        wanted = parse(JobRequest, body, first=("model", "training_file"))
        training = self._training_file(wanted.training_file, "training_file")
        validation = (
            self._training_file(wanted.validation_file, "validation_file") if wanted.validation_file else None
        )
        _refuse_unsupported(wanted)
        model = await asyncio.to_thread(self.models.find_trainable, wanted.model)
        teacher = await asyncio.to_thread(self.models.find_teacher, wanted.distillation)
        document = self._document(wanted, model)
        parent = self.store.model(wanted.model)
        policies = policies_at_creation(wanted.metadata, self.store.job(parent.job_id) if parent else None)
        plan = _plan(wanted, model, training, validation)
        plan |= {"policies": policies, "unanswered_request": mark.digest, "teacher": teacher}
        event = message_event(f"Created fine-tuning job: {document['id']}")
        self.store.add_job(document, plan, event)
        if model.base.stands_in:
            message = (
                f"{document['model']} runs at OpenAI only; {model.base.source} is trained in its place. "
                "Choose another with: understudy serve --base MODEL"
            )
            self.store.add_events(document["id"], [message_event(message, "warn")])
        self._check(self._job(document["id"]))
        return readable_job(document)

    def note_answered(self, job_id: str) -> None:
        """Note that a client was told of a job."""
        self.store.change_job(job_id, only_in=STATES, plan={"unanswered_request": None})

    def retrieve(self, job_id: str) -> dict[str, Any]:
        """GET /v1/fine_tuning/jobs/{id}."""
        return readable_job(self._job(job_id).document)

    def list(self, after: str | None, limit: int, metadata: dict[str, str] | None) -> dict[str, Any]:
        """GET /v1/fine_tuning/jobs."""
        page = self.store.list_jobs(after=after, limit=limit, metadata=metadata)
        return _list(_known_cursor(page, after), lambda job: readable_job(job.document))

    def events(self, job_id: str, after: str | None, limit: int) -> dict[str, Any]:
        """GET …/events, newest first."""
        self._job(job_id)
        page = self.store.list_events(job_id, after=after, limit=limit)
        return _list(_known_cursor(page, after), lambda event: event)

    def checkpoints(self, job_id: str, after: str | None, limit: int) -> dict[str, Any]:
        """GET …/checkpoints, newest first."""
        self._job(job_id)
        page = self.store.list_checkpoints(job_id, after=after, limit=limit)
        return _list(_known_cursor(page, after), lambda checkpoint: checkpoint)

    async def cancel(self, job_id: str) -> dict[str, Any]:
        """POST …/cancel."""
        done = {"status": "cancelled", "finished_at": int(time.time()), "estimated_finish": None}
        job = self._move(job_id, UNFINISHED, done, "Fine-tuning job cancelled", "cancelled")
        if job_id in self._checking:
            self._checking.pop(job_id).cancel()
        await self.runner.interrupt(job_id)
        return readable_job(job.document)

    async def pause(self, job_id: str) -> dict[str, Any]:
        """POST …/pause: keeps the state; ``resume`` goes on from it."""
        states = ("queued", "running")
        job = self._move(
            job_id, states, {"status": "paused", "estimated_finish": None}, "Fine-tuning job paused", "paused"
        )
        await self.runner.interrupt(job_id)
        return readable_job(job.document)

    def resume(self, job_id: str) -> dict[str, Any]:
        """POST …/resume."""
        job = self._move(job_id, ("paused",), {"status": "queued"}, "Fine-tuning job resumed", "resumed")
        self.runner.wake()
        return readable_job(job.document)

    # --- inside

    def _move(
        self, job_id: str, states: tuple[str, ...], document: dict[str, Any], message: str, word: str
    ) -> Job:
        before = self._job(job_id)
        job = self.store.change_job(
            job_id, only_in=states, document=document, events=[message_event(message)]
        )
        if job is None:
            raise wrong_state(
                f"Job {job_id} cannot be {word}: its status is {before.status}.", "fine_tuning_job_id"
            )
        return job

    def _check(self, job: Job) -> None:
        async def check() -> None:
            try:
                while not await self._is_checked(job):
                    await asyncio.sleep(RETRY_SECONDS)
            finally:
                self._checking.pop(job.id, None)
            self.runner.wake()

        self._checking[job.id] = asyncio.create_task(check())

    async def _is_checked(self, job: Job) -> bool:
        """Whether a job's files were checked and the outcome was kept, which a full disk may prevent."""
        try:
            await validate_job(job, self.store, self.files, self.settings)
        except sqlite3.Error:
            logger.exception("the check of job %s cannot be kept yet", job.id)
            return False
        return True

    def _job(self, job_id: str) -> Job:
        job = self.store.job(job_id)
        if job is None:
            raise unknown_job(job_id)
        return job

    def _training_file(self, file_id: str, param: str) -> StoredFile:
        file = self.store.file(file_id)
        if file is None:
            raise bad_request(
                f"The {param} {file_id!r} does not exist. Upload it first.", param, f"invalid_{param}"
            )
        if file.purpose != "fine-tune":
            raise bad_request(
                f"The {param} {file_id} has the purpose '{file.purpose}'; upload it with 'fine-tune'.",
                param,
                f"invalid_{param}",
            )
        return file

    def _document(self, wanted: JobRequest, model: TrainableModel) -> dict[str, Any]:
        shown = echo(wanted.chosen_hyperparameters())
        return {
            "object": "fine_tuning.job",
            "id": new_id("ftjob-"),
            "model": model.shown_as,
            "created_at": int(time.time()),
            "finished_at": None,
            "fine_tuned_model": None,
            "organization_id": f"org-{self.settings.organization}",
            "result_files": [],
            "status": "validating_files",
            "validation_file": wanted.validation_file,
            "training_file": wanted.training_file,
            "hyperparameters": common_numbers(shown),
            "trained_tokens": None,
            "error": None,
            "user_provided_suffix": wanted.suffix,
            "seed": wanted.seed if wanted.seed is not None else secrets.randbelow(2**31),
            "estimated_finish": None,
            "integrations": [],
            "method": shown_method(wanted.method_type, shown, _taught_by(wanted)),
            "metadata": wanted.metadata,
        }


def _plan(
    wanted: JobRequest, model: TrainableModel, training: StoredFile, validation: StoredFile | None
) -> dict[str, Any]:
    """What the server itself has to know of a job."""
    chosen = wanted.chosen_hyperparameters()
    return {
        "base": asdict(model.base),
        "base_path": None,
        "adapter": str(model.adapter) if model.adapter else None,
        "training_blob": training.blob,
        "training_filename": training.filename,
        "validation_blob": validation.blob if validation else None,
        "suffix": _suffix(wanted.suffix),
        "lora_rank": chosen.lora_rank,
        "lora_alpha": chosen.lora_alpha,
        "max_tokens": chosen.max_tokens,
        "quantization": chosen.quantization,
    }


def _taught_by(wanted: JobRequest) -> dict[str, Any]:
    """Of a job that distils: teacher and prompt, as they were given."""
    body = wanted.distillation
    return {"teacher_prompt": body.teacher_prompt, "teacher": body.teacher} if body else {}


def _suffix(text: str | None) -> str:
    """The suffix as it stands in the model's name: letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", (text or "").lower()).strip("-")


def _refuse_unsupported(wanted: JobRequest) -> None:
    if wanted.method_type == "reinforcement":
        raise bad_request(
            f"The method '{wanted.method_type}' is not supported by this server. Use 'supervised', 'dpo' "
            "or 'distillation'.",
            "method.type",
            "unsupported_value",
        )
    reason = why_not_four_bit() if wanted.chosen_hyperparameters().quantization else None
    if reason:
        body = wanted.method and getattr(wanted.method, wanted.method_type, None)
        place = f"method.{wanted.method_type}." if body else ""
        raise bad_request(reason, f"{place}hyperparameters.quantization", "unsupported_value")
    if wanted.integrations:
        raise bad_request(
            "Integrations are not supported: this server sends nothing to other services. Leave them out and "
            "read the job's events or its result file.",
            "integrations",
            "unsupported_value",
        )


def _known_cursor(page: Page | None, after: str | None) -> Page:
    if page is None:
        raise Problem(400, f"No object with the id '{after}' to continue after.", param="after")
    return page


def _list(page: Page, document: Any) -> dict[str, Any]:
    data = [document(row) for row in page.rows]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": page.has_more,
    }
