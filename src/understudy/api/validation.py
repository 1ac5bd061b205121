"""Validation: from an accepted job to a queued one, or to a failed one with the reasons."""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.api.bases import Base, advice, cached_base, fingerprint_base, resolve_base
from understudy.api.events import message_event
from understudy.api.files import FileDesk
from understudy.api.hyperparameters import (
    DEFAULT_LORA_RANK,
    common_numbers,
    resolve,
    shown_method,
    shown_numbers,
)
from understudy.api.settings import ServerSettings
from understudy.api.store import Job, Store
from understudy.errors import ModelError, UnderstudyError
from understudy.training.capacity import refuse_base
from understudy.training.failure import JobFailed
from understudy.training.quantization import FOUR_BIT

__all__ = ["fail_job", "validate_job"]

logger = logging.getLogger(__name__)

SHOWN_PROBLEMS = 20
COUNT_CODES = ("invalid_n_examples", "few_examples")
SHOWN_WARNINGS = 5


@dataclass(frozen=True)
class _Fault(Exception):
    """Why a job fails before it starts."""

    message: str
    code: str
    param: str | None


@dataclass(frozen=True)
class _Checked:
    """What the checks found out."""

    base_path: Path
    base_fingerprint: str
    hyperparameters: dict[str, Any]
    warnings: list[str]


async def validate_job(job: Job, store: Store, files: FileDesk, settings: ServerSettings) -> None:
    """Check a job's files, fetch its base model, settle its numbers, and queue it."""
    names = f"training file: {job.document['training_file']}"
    if job.document["validation_file"]:
        names += f" and validation file: {job.document['validation_file']}"
    store.add_events(job.id, [message_event(f"Validating {names}")])
    base = Base(**job.plan["base"])
    if base.kind == "hub" and cached_base(base.source) is None:
        store.add_events(job.id, [message_event(f"Downloading the base model {base.source}")])
    try:
        checked = await asyncio.to_thread(_check, job, files)
    except _Fault as fault:
        fail_job(store, job.id, fault.message, fault.code, fault.param)
        return
    except JobFailed as failure:
        fail_job(store, job.id, str(failure), failure.code, failure.param)
        return
    except UnderstudyError as error:
        fail_job(store, job.id, str(error), "model_not_available", "model")
        return
    except Exception as error:
        logger.exception("checking job %s failed", job.id)
        fail_job(store, job.id, f"The files could not be checked ({error}).", "server_error", None)
        return
    numbers = checked.hyperparameters
    kind = job.document["method"]["type"]
    method = shown_method(kind, numbers, job.document["method"][kind])
    events = [message_event(text, "warn") for text in checked.warnings]
    store.change_job(
        job.id,
        only_in=["validating_files"],
        document={"status": "queued", "hyperparameters": common_numbers(numbers), "method": method},
        plan={"base_path": str(checked.base_path), "base_fingerprint": checked.base_fingerprint},
        events=[*events, message_event("Files validated, moving job to queued state")],
    )


def fail_job(
    store: Store,
    job_id: str,
    message: str,
    code: str,
    param: str | None,
    only_in: str = "validating_files",
    fencing_token: int | None = None,
) -> None:
    """End a job that cannot succeed, unless it has left the state in which that was found out.

    Args:
        fencing_token: Of the attempt that found it out; a newer one goes on.
    """
    document = {
        "status": "failed",
        "finished_at": int(time.time()),
        "estimated_finish": None,
        "error": {"code": code, "message": message, "param": param},
    }
    event = message_event(f"The job failed: {message}", "error")
    store.change_job(
        job_id, only_in=[only_in], document=document, events=[event], fencing_token=fencing_token
    )


def _check(job: Job, files: FileDesk) -> _Checked:
    method = job.document["method"]["type"]
    examples, warnings = _check_file(files, job.plan["training_blob"], "training_file", method)
    if job.plan["validation_blob"]:
        warnings += _check_file(files, job.plan["validation_blob"], "validation_file", method)[1]
    base = Base(**job.plan["base"])
    base_path = resolve_base(base.source)
    # Other faults of the base are the training process's to tell, which loads it.
    with contextlib.suppress(ModelError):
        four_bit = job.plan.get("quantization") == FOUR_BIT
        refuse_base(base_path, job.plan["lora_rank"] or DEFAULT_LORA_RANK, four_bit)
    numbers = resolve(shown_numbers(job.document), examples, advice(base.source), method)
    return _Checked(base_path, fingerprint_base(base_path), numbers, warnings)


def _check_file(files: FileDesk, blob: str, param: str, method: str) -> tuple[int, list[str]]:
    """Number of examples and warnings of one file.

    Raises:
        _Fault: The file cannot be trained on.
    """
    from understudy.dataset import check_file

    # What is distilled is a chat file as well: its replies say where the teacher is listened to.
    result = check_file(files.blobs.path(blob), method="supervised" if method == "distillation" else method)
    problems = result.problems
    if param == "validation_file":
        # Ten examples are needed to train, and fifty advised, not to measure.
        problems = [problem for problem in problems if problem.code not in COUNT_CODES]
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise _fault(errors, param)
    warnings = [_sentence(problem) for problem in problems if problem.severity != "error"]
    if len(warnings) > SHOWN_WARNINGS:
        more = len(warnings) - SHOWN_WARNINGS
        warnings = [*warnings[:SHOWN_WARNINGS], f"… and {more} more warnings about the file."]
    return result.examples, warnings


def _fault(errors: list[Any], param: str) -> _Fault:
    """All faults of a file in one message, numbered as the file's examples."""
    codes = {problem.code for problem in errors}
    code = "invalid_n_examples" if codes == {"invalid_n_examples"} else f"invalid_{param}"
    shown = "; ".join(_sentence(problem) for problem in errors[:SHOWN_PROBLEMS])
    more = f"; and {len(errors) - SHOWN_PROBLEMS} more" if len(errors) > SHOWN_PROBLEMS else ""
    kind = param.replace("_", " ")
    return _Fault(f"The job failed due to an invalid {kind}. {shown}{more}", code, param)


def _sentence(problem: Any) -> str:
    place = f"Example {problem.example}: " if problem.example else ""
    return f"{place}{problem.message} {problem.remedy or ''}".strip()
