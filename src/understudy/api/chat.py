"""Chat: completions in OpenAI's shape, whole or as a stream of server-sent events."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from understudy.api.identity import new_id
from understudy.api.models import LoadableModel, ModelDesk
from understudy.api.problem import Problem, bad_request, envelope, parse
from understudy.api.protocol import ChatRequest
from understudy.api.workers import InferenceWorker
from understudy.errors import InferenceError

__all__ = ["answer_chat", "complete_chat", "find_model", "worker_problem"]

# Codes of the inference process that are the client's fault.
CLIENT_FAULTS = (
    "context_length_exceeded", "invalid_messages", "invalid_model", "invalid_request", "invalid_type",
    "invalid_value",
)  # fmt: skip


async def complete_chat(request: Request, body: Any, models: ModelDesk, worker: InferenceWorker) -> Response:
    """POST /v1/chat/completions.

    Raises:
        Problem: Every fault found before the first token, as an ordinary HTTP error.
    """
    find = find_model(body, models)
    wanted = parse(ChatRequest, body, first=("model", "messages"))
    loadable = await asyncio.to_thread(find)
    events = worker.ask(_worker_request(wanted, loadable))
    completion = _Completion(wanted)
    try:
        await _read_until_started(events, completion)
        if wanted.stream:
            return StreamingResponse(
                _stream(events, completion), media_type="text/event-stream", headers=STREAM_HEADERS
            )
        return await _whole(request, events, completion)
    except BaseException:
        await events.aclose()  # type: ignore[attr-defined]
        raise


async def answer_chat(body: Any, models: ModelDesk, worker: InferenceWorker) -> dict[str, Any]:
    """The whole completion for a request that no client waits for: a line of a batch.

    Raises:
        Problem: The request is wrong, asks for a stream, or could not be answered.
    """
    find = find_model(body, models)
    wanted = parse(ChatRequest, body, first=("model", "messages"))
    if wanted.stream:
        raise bad_request("A batch cannot stream; leave 'stream' out.", "stream", "unsupported_value")
    loadable = await asyncio.to_thread(find)
    completion = _Completion(wanted)
    async with aclosing(worker.ask(_worker_request(wanted, loadable))) as events:  # type: ignore[type-var]
        while (event := await _next(events)) is not None:
            completion.take(event)
    return completion.document()


STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def find_model(body: Any, models: ModelDesk) -> Any:
    """The model of a request body, which is checked before everything else.

    Raises:
        Problem: 400 without a model, 404 for an unknown one.
    """
    if not isinstance(body, dict):
        raise bad_request("The body must be a JSON object.")
    name = body.get("model")
    if name is None or name == "":
        raise bad_request("you must provide a model parameter")
    if not isinstance(name, str):
        raise bad_request("Invalid type for 'model': expected a string.", "model", "invalid_type")
    return models.find(name)


def _worker_request(wanted: ChatRequest, model: LoadableModel) -> dict[str, Any]:
    return {
        "op": "chat",
        "base": str(model.base),
        "adapter": str(model.adapter) if model.adapter else None,
        "messages": [message.as_worker_message() for message in wanted.messages],
        "max_tokens": wanted.max_completion_tokens or wanted.max_tokens,
        "temperature": 1.0 if wanted.temperature is None else wanted.temperature,
        "top_p": 1.0 if wanted.top_p is None else wanted.top_p,
        "n": wanted.n or 1,
        "stop": wanted.stop,
        "seed": wanted.seed,
        "logprobs": bool(wanted.logprobs),
        "top_logprobs": wanted.top_logprobs or 0,
        "frequency_penalty": wanted.frequency_penalty or 0.0,
        "presence_penalty": wanted.presence_penalty or 0.0,
    }


@dataclass
class _Choice:
    """One reply as it grows."""

    text: list[str] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None


class _Completion:
    """One completion as it grows, and the objects that tell of it."""

    def __init__(self, wanted: ChatRequest) -> None:
        self.wanted = wanted
        self.id = new_id("chatcmpl-")
        self.created = int(time.time())
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.completion_tokens = 0
        self.choices = [_Choice() for _ in range(wanted.n or 1)]

    def take(self, event: dict[str, Any]) -> None:
        """Note one event of the inference process."""
        kind = event["event"]
        if kind == "start":
            self.prompt_tokens = int(event["prompt_tokens"])
            self.cached_tokens = int(event.get("cached_tokens") or 0)
        elif kind == "delta":
            choice = self.choices[event["index"]]
            choice.text.append(event.get("text") or "")
            choice.logprobs += event.get("logprobs") or []
        elif kind == "finish":
            self.choices[event["index"]].finish_reason = event["finish_reason"]
            self.completion_tokens += int(event["completion_tokens"])

    def usage(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def document(self) -> dict[str, Any]:
        """The whole completion."""
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.wanted.model,
            "choices": [
                {
                    "index": index,
                    "message": {
                        "role": "assistant",
                        "content": "".join(choice.text),
                        "refusal": None,
                        "annotations": [],
                    },
                    "logprobs": self._logprobs(choice.logprobs),
                    "finish_reason": choice.finish_reason or "stop",
                }
                for index, choice in enumerate(self.choices)
            ],
            "usage": self.usage(),
            "service_tier": "default",
            "system_fingerprint": None,
        }

    def chunk(
        self, index: int, delta: dict[str, Any], reason: str | None = None, logprobs: Any = None
    ) -> dict[str, Any]:
        """One piece of the stream."""
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": self._logprobs(logprobs) if logprobs else None,
            "finish_reason": reason,
        }
        return self._chunk([choice], None)

    def usage_chunk(self) -> dict[str, Any]:
        """The piece that carries the token counts and no choice."""
        return self._chunk([], self.usage())

    @property
    def shows_usage(self) -> bool:
        return bool(self.wanted.stream_options and self.wanted.stream_options.include_usage)

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> dict[str, Any]:
        chunk: dict[str, Any] = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.wanted.model,
            "service_tier": "default",
            "system_fingerprint": None,
            "choices": choices,
        }
        if self.shows_usage:
            chunk["usage"] = usage
        return chunk

    def _logprobs(self, content: list[dict[str, Any]]) -> dict[str, Any] | None:
        return {"content": content, "refusal": None} if self.wanted.logprobs else None


def worker_problem(event: dict[str, Any]) -> Problem:
    """An error event of the inference process as a refused request."""
    code, message = str(event.get("code") or "server_error"), str(event.get("message") or "unknown fault")
    if code in CLIENT_FAULTS:
        return bad_request(message, event.get("param") or "messages", code)
    return Problem(500, message, type="server_error", param=event.get("param"), code=code)


async def _next(events: AsyncIterator[dict[str, Any]]) -> dict[str, Any] | None:
    """The next event; ``None`` after the last.

    Raises:
        Problem: The inference process reports a fault or has gone.
    """
    try:
        event = await anext(events, None)
    except InferenceError as error:
        raise Problem(500, str(error), type="server_error", code="server_error") from error
    if event is not None and event["event"] == "error":
        raise worker_problem(event)
    return event


async def _read_until_started(events: AsyncIterator[dict[str, Any]], completion: _Completion) -> None:
    """Wait for the first event, so that faults before the first token stay HTTP errors."""
    event = await _next(events)
    if event is not None:
        completion.take(event)


async def _whole(
    request: Request, events: AsyncIterator[dict[str, Any]], completion: _Completion
) -> Response:
    """The completion in one piece; stops generating when the client has gone."""

    async def collect() -> None:
        async with aclosing(events):  # type: ignore[type-var]
            while (event := await _next(events)) is not None:
                completion.take(event)

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    collecting, watching = asyncio.create_task(collect()), asyncio.create_task(disconnected())
    try:
        await asyncio.wait({collecting, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not collecting.done():
            return Response(status_code=499)
        collecting.result()
        return JSONResponse(completion.document())
    finally:
        for task in (collecting, watching):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def _stream(events: AsyncIterator[dict[str, Any]], completion: _Completion) -> AsyncIterator[str]:
    """Server-sent events in OpenAI's order: role, text, reason, usage, ``[DONE]``."""
    async with aclosing(events):  # type: ignore[type-var]
        for index in range(len(completion.choices)):
            yield _line(completion.chunk(index, {"role": "assistant", "content": "", "refusal": None}))
        try:
            while (event := await _next(events)) is not None:
                completion.take(event)
                if event["event"] == "delta" and (event.get("text") or event.get("logprobs")):
                    delta = {"content": event.get("text") or ""}
                    yield _line(completion.chunk(event["index"], delta, logprobs=event.get("logprobs")))
                elif event["event"] == "finish":
                    yield _line(completion.chunk(event["index"], {}, event["finish_reason"]))
        except Problem as problem:
            yield _line(envelope(problem.message, problem.type, problem.param, problem.code))
            return
        if completion.shows_usage:
            yield _line(completion.usage_chunk())
        yield "data: [DONE]\n\n"


def _line(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"
