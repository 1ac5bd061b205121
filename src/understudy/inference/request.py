"""Request: one line that the server sends, checked."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.errors import InferenceError, ModelError, RenderingError, UnderstudyError

__all__ = [
    "Cancel",
    "ChatRequest",
    "Request",
    "RequestFailed",
    "ScoreRequest",
    "Shutdown",
    "Threads",
    "foreseen_failure",
    "parse_request",
]


class RequestFailed(InferenceError):
    """One request cannot be answered; the others go on. ``code`` and ``param`` are the API's."""

    def __init__(self, message: str, code: str = "server_error", param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.request_id: Any = None


def foreseen_failure(error: Exception) -> RequestFailed | None:
    """An error of ours as the API's; ``None`` for one that nobody foresaw."""
    if isinstance(error, RequestFailed):
        return error
    if isinstance(error, RenderingError):
        return RequestFailed(str(error), "invalid_value", "messages")
    if isinstance(error, ModelError):
        return RequestFailed(str(error), "invalid_model", "model")
    return RequestFailed(str(error)) if isinstance(error, UnderstudyError) else None


@dataclass(frozen=True)
class ChatRequest:
    """Reply to ``messages``, ``n`` times."""

    id: Any
    base: Path
    adapter: Path | None
    messages: list[dict[str, Any]]
    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    n: int = 1
    stop: tuple[str, ...] = ()
    seed: int | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0


@dataclass(frozen=True)
class ScoreRequest:
    """Tell how likely each assistant message of ``messages`` is."""

    id: Any
    base: Path
    adapter: Path | None
    messages: list[dict[str, Any]]


@dataclass(frozen=True)
class Cancel:
    """Stop working on the request with this id."""

    id: Any


@dataclass(frozen=True)
class Threads:
    """Work with so many threads from now on."""

    id: Any
    threads: int


@dataclass(frozen=True)
class Shutdown:
    """Leave at once."""


Request = ChatRequest | ScoreRequest | Cancel | Threads | Shutdown


def parse_request(line: str) -> Request:
    """Read one line.

    Raises:
        RequestFailed: It is not a request; ``request_id`` is set where the line names one.
    """
    try:
        values = json.loads(line)
    except ValueError as error:
        raise RequestFailed(f"The line is not JSON ({error}).", "invalid_request") from error
    if not isinstance(values, dict):
        raise RequestFailed("A request must be a JSON object.", "invalid_request")
    try:
        return _parse(values)
    except RequestFailed as failure:
        failure.request_id = values.get("id")
        raise


def _parse(values: dict[str, Any]) -> Request:
    operation = values.get("op")
    if operation == "shutdown":
        return Shutdown()
    if values.get("id") is None:
        raise RequestFailed("A request needs an id.", "invalid_request", "id")
    if operation == "cancel":
        return Cancel(values["id"])
    if operation == "threads":
        return Threads(values["id"], _integer(values, "threads", 1, 1, 1024) or 1)
    if operation not in ("chat", "score"):
        raise RequestFailed(
            f"op {operation!r} is not one of chat, score, cancel, threads, shutdown.", "invalid_request", "op"
        )
    base, adapter = _path(values, "base"), _path(values, "adapter", optional=True)
    assert base is not None
    messages = _messages(values)
    if operation == "score":
        return ScoreRequest(values["id"], base, adapter, messages)
    return ChatRequest(
        id=values["id"],
        base=base,
        adapter=adapter,
        messages=messages,
        max_tokens=_integer(values, "max_tokens", None, 1, 10_000_000),
        temperature=_number(values, "temperature", 1.0, 0.0, 2.0),
        top_p=_number(values, "top_p", 1.0, 0.0, 1.0),
        n=_integer(values, "n", 1, 1, 128) or 1,
        stop=_stop(values),
        seed=_integer(values, "seed", None, -(2**63), 2**63 - 1),
        logprobs=bool(values.get("logprobs")),
        top_logprobs=_integer(values, "top_logprobs", 0, 0, 20) or 0,
        frequency_penalty=_number(values, "frequency_penalty", 0.0, -2.0, 2.0),
        presence_penalty=_number(values, "presence_penalty", 0.0, -2.0, 2.0),
    )


def _path(values: dict[str, Any], key: str, optional: bool = False) -> Path | None:
    value = values.get(key)
    if value is None and optional:
        return None
    if not isinstance(value, str) or not value:
        raise RequestFailed(f"{key} must be a directory, not {value!r}.", "invalid_type", key)
    return Path(value)


def _messages(values: dict[str, Any]) -> list[dict[str, Any]]:
    messages = values.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise RequestFailed("messages must be a list of at least one message.", "invalid_type", "messages")
    return messages


def _number(values: dict[str, Any], key: str, default: float, low: float, high: float) -> float:
    value = values.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RequestFailed(f"{key} must be a number, not {value!r}.", "invalid_type", key)
    if not low <= value <= high:
        raise RequestFailed(f"{key} is {value}; it must lie between {low} and {high}.", "invalid_value", key)
    return float(value)


def _integer(values: dict[str, Any], key: str, default: int | None, low: int, high: int) -> int | None:
    value = values.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestFailed(f"{key} must be a whole number, not {value!r}.", "invalid_type", key)
    if not low <= value <= high:
        raise RequestFailed(f"{key} is {value}; it must lie between {low} and {high}.", "invalid_value", key)
    return value


def _stop(values: dict[str, Any]) -> tuple[str, ...]:
    stop = values.get("stop") or []
    stop = [stop] if isinstance(stop, str) else stop
    if not isinstance(stop, list) or not all(isinstance(text, str) for text in stop):
        raise RequestFailed("stop must be a text or a list of texts.", "invalid_type", "stop")
    return tuple(text for text in stop if text)
