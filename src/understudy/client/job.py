"""Job: files uploaded once, and a fine-tuning job followed to its end."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import DatasetError, ProviderError, TrainingError

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["END_STATES", "explain", "follow_job", "upload_once"]

END_STATES = ("succeeded", "failed", "cancelled")
EVENTS_PER_PAGE = 100


def upload_once(client: OpenAI, path: Path, purpose: str = "fine-tune") -> str:
    """The id of ``path`` among the server's files; uploaded unless the same bytes are there already.

    A file's name on the server carries its hash, which is how it is recognised.

    Raises:
        DatasetError: The file is missing or refused.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}).") from error
    name = f"{path.stem}-{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
    import openai

    try:
        for file in client.files.list(purpose=purpose):
            if file.filename == name and file.bytes == len(content) and file.status != "error":
                return file.id
        return client.files.create(file=(name, content), purpose=purpose).id  # type: ignore[arg-type]
    except openai.BadRequestError as error:
        raise DatasetError(f"{path}: {explain(error)}") from error
    except openai.APIError as error:
        raise ProviderError(f"{path}: was not uploaded. {explain(error)}") from error


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
            "This account cannot start new fine-tuning jobs there, and that is final. Models that exist "
            "still answer; train on this machine by leaving --provider out."
        )
    if isinstance(error, openai.APIConnectionError):
        return f"{error.request.url.host} does not answer. Check the address, and that a server runs there."
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    return str(message or getattr(error, "message", None) or error)
