"""Chat: completions in OpenAI's shape, whole or as a stream of server-sent events."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from understudy.api.completion import Completion
from understudy.api.int8 import FINGERPRINT
from understudy.api.models import LoadableModel, ModelDesk
from understudy.api.policies import HEADER, Direction, direct
from understudy.api.problem import Problem, bad_request, envelope, parse
from understudy.api.protocol import ChatRequest
from understudy.api.speakers import Speakers
from understudy.errors import InferenceError

__all__ = ["answer_chat", "complete_chat", "find_model", "worker_problem"]

# Codes of the inference process that are the client's fault.
CLIENT_FAULTS = (
    "context_length_exceeded", "invalid_messages", "invalid_model", "invalid_request", "invalid_type",
    "invalid_value", "unsupported_parameter",
)  # fmt: skip


async def complete_chat(request: Request, body: Any, models: ModelDesk, worker: Speakers) -> Response:
    """POST /v1/chat/completions.

    Raises:
        Problem: Every fault found before the first token, as an ordinary HTTP error.
    """
    find = find_model(body, models)
    wanted = parse(ChatRequest, body, first=("model", "messages"))
    loadable = await asyncio.to_thread(find)
    direction = _direct(wanted, loadable, switched_off=request.headers.get(HEADER, "").lower() == "off")
    events = _events(wanted, loadable, direction, worker)
    completion = Completion(wanted, direction, FINGERPRINT if loadable.int8 else None)
    try:
        await _read_until_started(events, completion)
        if wanted.stream:
            headers = STREAM_HEADERS | direction.headers
            return StreamingResponse(
                _stream(events, completion), media_type="text/event-stream", headers=headers
            )
        return await _whole(request, events, completion)
    except BaseException:
        await events.aclose()  # type: ignore[attr-defined]
        raise


async def answer_chat(body: Any, models: ModelDesk, worker: Speakers) -> dict[str, Any]:
    """The whole completion for a request that no client waits for: a line of a batch.

    Raises:
        Problem: The request is wrong, asks for a stream, or could not be answered.
    """
    find = find_model(body, models)
    wanted = parse(ChatRequest, body, first=("model", "messages"))
    if wanted.stream:
        raise bad_request("A batch cannot stream; leave 'stream' out.", "stream", "unsupported_value")
    loadable = await asyncio.to_thread(find)
    direction = _direct(wanted, loadable)
    completion = Completion(wanted, direction, FINGERPRINT if loadable.int8 else None)
    async with aclosing(_events(wanted, loadable, direction, worker)) as events:  # type: ignore[type-var]
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


def _direct(wanted: ChatRequest, model: LoadableModel, switched_off: bool = False) -> Direction:
    messages = [message.as_worker_message() for message in wanted.messages]
    return direct(None if switched_off else model.policies, messages)


def _events(
    wanted: ChatRequest, model: LoadableModel, direction: Direction, worker: Speakers
) -> AsyncIterator[dict[str, Any]]:
    """What the inference process tells, or what stands in its place where it is not asked."""
    if direction.reply is not None:
        return _given(direction.reply, wanted.n or 1)
    return worker.ask(_worker_request(wanted, model, direction))


async def _given(text: str, choices: int) -> AsyncIterator[dict[str, Any]]:
    """Events of a reply that no model wrote; it has no tokens."""
    yield {"event": "start", "prompt_tokens": 0}
    for index in range(choices):
        yield {"event": "delta", "index": index, "text": text}
        yield {"event": "finish", "index": index, "finish_reason": "stop", "completion_tokens": 0}


def _worker_request(wanted: ChatRequest, model: LoadableModel, direction: Direction) -> dict[str, Any]:
    return {
        "op": "chat",
        **_place(model),
        "messages": direction.messages,
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


def _place(model: LoadableModel) -> dict[str, Any]:
    """What is loaded, and by which of the processes that speak."""
    if model.int8 is not None:
        return {"engine": "int8", "base": str(model.int8), "adapter": None}
    return {"base": str(model.base), "adapter": str(model.adapter) if model.adapter else None}


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


async def _read_until_started(events: AsyncIterator[dict[str, Any]], completion: Completion) -> None:
    """Wait for the first event, so that faults before the first token stay HTTP errors."""
    event = await _next(events)
    if event is not None:
        completion.take(event)


async def _whole(request: Request, events: AsyncIterator[dict[str, Any]], completion: Completion) -> Response:
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
        return JSONResponse(completion.document(), headers=completion.direction.headers)
    finally:
        for task in (collecting, watching):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def _stream(events: AsyncIterator[dict[str, Any]], completion: Completion) -> AsyncIterator[str]:
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
                    if completion.direction.reminder:
                        yield _line(
                            completion.chunk(event["index"], {"content": completion.direction.reminder})
                        )
                    yield _line(completion.chunk(event["index"], {}, event["finish_reason"]))
        except Problem as problem:
            yield _line(envelope(problem.message, problem.type, problem.param, problem.code))
            return
        if completion.shows_usage:
            yield _line(completion.usage_chunk())
        yield "data: [DONE]\n\n"


def _line(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"
