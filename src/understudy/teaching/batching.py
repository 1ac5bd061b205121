"""Batching: the provider's Batch API, at half the price, for whoever can wait.

Requests gather until nothing more comes, go out as one batch, and are answered together; conversations
therefore advance a turn with each batch. ``batches.jsonl`` notes a batch before and after it is created, so
that a run that was killed waits for the batch it has paid for instead of sending it again.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from understudy.errors import ProviderError
from understudy.evaluation.connection import ChatReply, RequestRefused, ScoredMessage
from understudy.evaluation.replies import RowFile

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["LOCAL_POLL_SECONDS", "POLL_SECONDS", "BatchConnection"]

QUIET_SECONDS = 0.5
POLL_SECONDS = 15.0
LOCAL_POLL_SECONDS = 1.0
MOST_REQUESTS = 50_000
ENDED = ("completed", "failed", "expired", "cancelled")
ENDPOINT: Final = "/v1/chat/completions"
MARK = "understudy_batch"
Messages = Sequence[dict[str, str]]


class BatchConnection:
    """Answers requests in batches. ``quiet_seconds``: how long a batch waits for further requests."""

    def __init__(
        self,
        client: AsyncOpenAI,
        notes: Path,
        *,
        quiet_seconds: float = QUIET_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        told: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._client = client
        self._notes = RowFile(notes)
        self._quiet_seconds = quiet_seconds
        self._poll_seconds = poll_seconds
        self._told = told
        self._waiting: dict[str, tuple[dict[str, Any], asyncio.Future[dict[str, Any]]]] = {}
        self._known: dict[str, dict[str, Any]] | None = None
        self._lock = asyncio.Lock()
        self._sender: asyncio.Task[None] | None = None
        self._latest = 0.0

    async def reply(
        self, model: str, messages: Messages, *, temperature: float, max_tokens: int, seed: int
    ) -> ChatReply:
        """One reply, when its batch has come back."""
        body = {
            "model": model,
            "messages": list(messages),
            "temperature": temperature,
            "max_tokens": max_tokens,
            "seed": seed,
        }
        name = _name(body)
        async with self._lock:
            if self._known is None:
                self._known = await self._earlier()
        if name not in self._known:
            answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            self._waiting[name] = (body, answer)
            self._latest = asyncio.get_running_loop().time()
            if self._sender is None or self._sender.done():
                self._sender = asyncio.create_task(self._send_when_quiet())
            return _read(await answer)
        return _read(self._known[name])

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()
        self._notes.close()

    async def score(self, model: str, messages: Messages) -> list[ScoredMessage]:
        """Not offered in batches."""
        raise RequestRefused("batches do not score")

    async def _send_when_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            while (rest := self._latest + self._quiet_seconds - loop.time()) > 0:
                await asyncio.sleep(rest)
            names = list(self._waiting)[:MOST_REQUESTS]
            batch = {name: self._waiting.pop(name) for name in names}
            try:
                answers = await self._run({name: body for name, (body, _) in batch.items()})
            except Exception as fault:
                for _, answer in batch.values():
                    answer.set_exception(_translated(fault))
                continue
            for name, (_, answer) in batch.items():
                answer.set_result(answers.get(name) or {"error": {"message": "the batch gave no answer"}})

    async def _run(self, bodies: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Upload, create, wait, read."""
        mark = uuid.uuid4().hex
        self._notes.append({"key": mark, "requests": len(bodies)})
        rows = [
            {"custom_id": name, "method": "POST", "url": ENDPOINT, "body": body}
            for name, body in bodies.items()
        ]
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        file = await self._client.files.create(file=(f"{mark}.jsonl", content), purpose="batch")
        batch = await self._client.batches.create(
            input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h", metadata={MARK: mark}
        )
        self._notes.append({"key": mark, "requests": len(bodies), "batch": batch.id})
        self._told(f"batch {batch.id} with {len(bodies):,} requests")
        return await self._answers(batch.id)

    async def _answers(self, batch_id: str) -> dict[str, dict[str, Any]]:
        """Answers by name, when the batch has ended.

        Raises:
            ProviderError: It failed as a whole.
        """
        while (batch := await self._client.batches.retrieve(batch_id)).status not in ENDED:
            await asyncio.sleep(self._poll_seconds)
        found: dict[str, dict[str, Any]] = {}
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id:
                text = (await self._client.files.content(file_id)).text
                rows = [json.loads(line) for line in text.splitlines() if line.strip()]
                found |= {row["custom_id"]: _body(row) for row in rows}
        if not found:
            errors = [error.message for error in (batch.errors.data or [])] if batch.errors else []
            raise ProviderError(
                f"The batch {batch_id} ended as {batch.status} without an answer"
                f"{': ' + '; '.join(map(str, errors[:3])) if errors else ''}. Run the same command again."
            )
        return found

    async def _earlier(self) -> dict[str, dict[str, Any]]:
        """Answers of batches that earlier runs have created, also of those they could not note any more."""
        known: dict[str, dict[str, Any]] = {}
        unnoted = {key for key, row in self._notes.rows.items() if "batch" not in row}
        ids = [row["batch"] for row in self._notes.rows.values() if "batch" in row]
        if unnoted:
            async for batch in self._client.batches.list(limit=100):
                mark = (batch.metadata or {}).get(MARK)
                if mark in unnoted:
                    unnoted.discard(mark)
                    self._notes.append({"key": mark, "batch": batch.id})
                    ids.append(batch.id)
        for batch_id in ids:
            try:
                known |= await self._answers(batch_id)
            except ProviderError:
                continue
        return known


def _name(body: dict[str, Any]) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(body, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:48]


def _body(row: dict[str, Any]) -> dict[str, Any]:
    response = row.get("response") or {}
    body = response.get("body") or {}
    return (
        body if response.get("status_code") == 200 else {"error": body.get("error") or row.get("error") or {}}
    )


def _read(body: dict[str, Any]) -> ChatReply:
    if "error" in body:
        raise RequestRefused(str((body["error"] or {}).get("message") or "refused in the batch"))
    choice, usage = body["choices"][0], body.get("usage") or {}
    return ChatReply(
        choice["message"].get("content") or "",
        choice.get("finish_reason") or "",
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
    )


def _translated(fault: Exception) -> Exception:
    import openai

    if isinstance(fault, openai.NotFoundError | openai.BadRequestError):
        return ProviderError(f"This provider takes no batches ({fault}). Leave --batch out.")
    if isinstance(fault, openai.APIError):
        return ProviderError(
            f"The batch was interrupted ({fault}). Run the same command again: it is found again."
        )
    return fault
