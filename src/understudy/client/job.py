"""Job: files uploaded once, and a fine-tuning job followed to its end."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import DatasetError, ProviderError, TrainingError
from understudy.secret import redact

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = [
    "END_STATES",
    "Uploaded",
    "delete_uploads",
    "explain",
    "follow_job",
    "upload_once",
    "wait_until_processed",
]

END_STATES = ("succeeded", "failed", "cancelled")
EVENTS_PER_PAGE = 100


@dataclass(frozen=True)
class Uploaded:
    """A file at the provider. ``is_new``: it was not there before."""

    id: str
    is_new: bool


def upload_once(client: OpenAI, path: Path, purpose: str = "fine-tune", *, mark: bytes = b"") -> Uploaded:
    """``path`` among the server's files; uploaded unless the same bytes are there already.

    A file's name on the server carries its hash, which is how it is recognised.

    Args:
        mark: Put before the file's bytes: a byte order mark where the provider asks for one.

    Raises:
        DatasetError: The file is missing or refused.
        ProviderError: It was not uploaded.
    """
    try:
        content = mark + path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}).") from error
    name = f"{path.stem}-{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
    import openai

    try:
        for file in client.files.list(purpose=purpose):
            if file.filename == name and file.bytes == len(content) and file.status != "error":
                return Uploaded(file.id, is_new=False)
        new = client.files.create(file=(name, content), purpose=purpose)  # type: ignore[arg-type]
        return Uploaded(new.id, is_new=True)
    except openai.BadRequestError as error:
        raise DatasetError(f"{path}: {explain(error)}") from error
    except openai.APIError as error:
        raise ProviderError(f"{path}: was not uploaded. {explain(error)}") from error


def wait_until_processed(client: OpenAI, file_id: str, seconds: float = 300.0) -> None:
    """Wait while the provider looks through an upload: some refuse jobs on files that are not ready.

    Raises:
        DatasetError: The provider finds the file wrong.
        ProviderError: The file cannot be asked for.
    """
    import openai

    end, pause = time.monotonic() + seconds, 0.2
    while time.monotonic() < end:
        try:
            file = client.files.retrieve(file_id)
        except openai.APIError as error:
            raise ProviderError(f"{file_id}: {explain(error)}") from error
        if file.status == "error":
            raise DatasetError(f"{file.filename}: {file.status_details or 'was refused after the upload'}")
        if file.status not in ("pending", "running", "uploading", "uploaded", "notRunning"):
            return
        if file.status == "uploaded" and pause > 1:
            return  # some providers leave it at that
        time.sleep(pause)
        pause = min(5.0, pause * 1.6)


def delete_uploads(client: OpenAI, uploads: Iterable[Uploaded]) -> list[str]:
    """Remove the uploads that were made for nothing; returns the ids that are gone."""
    import openai

    gone = []
    for upload in uploads:
        if upload.is_new:
            with contextlib.suppress(openai.APIError):
                client.files.delete(upload.id)
                gone.append(upload.id)
    return gone


def follow_job(client: OpenAI, job_id: str, poll_seconds: float = 0.5) -> Iterator[dict[str, Any]]:
    """Yield the events of a job, oldest first, as they come; returns after the job has ended.

    Raises:
        TrainingError: The provider stopped answering.
    """
    import openai

    seen: set[str] = set()
    while True:
        try:
            # The state is asked first: events that came before the end are then all in the list.
            status = client.fine_tuning.jobs.retrieve(job_id).status
            fresh = _new_events(client, job_id, seen)
        except openai.APIError as error:
            raise TrainingError(
                f"Job {job_id} cannot be followed: {explain(error)} It goes on at the server; run the same "
                "command again to follow it."
            ) from error
        yield from fresh
        if status in END_STATES:
            return
        if not fresh:
            time.sleep(poll_seconds)


def _new_events(client: OpenAI, job_id: str, seen: set[str]) -> list[dict[str, Any]]:
    """Events that were not seen yet, oldest first. Pages run from the newest back."""
    fresh: list[dict[str, Any]] = []
    for event in client.fine_tuning.jobs.list_events(job_id, limit=EVENTS_PER_PAGE):
        if event.id in seen:
            break
        fresh.append(event.model_dump(mode="json"))
    seen.update(event["id"] for event in fresh)
    return fresh[::-1]


def explain(error: Any) -> str:
    """What the provider said, and what to do where its answer is final."""
    import openai

    if getattr(error, "code", None) == "training_not_available":
        return (
            "This account cannot start new fine-tuning jobs there, and that is final: trying again does not "
            "help. Models that exist there still answer until their end (understudy models --provider NAME). "
            "Train on this machine by leaving --provider out, or at another provider: understudy providers"
        )
    if isinstance(error, openai.APIConnectionError):
        return f"{error.request.url.host} does not answer. Check the address, and that a server runs there."
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    return redact(str(message or getattr(error, "message", None) or error)[:2000])
