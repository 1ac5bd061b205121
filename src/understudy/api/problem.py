"""Problem: a refused request in OpenAI's error envelope, whatever raised it."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from understudy.errors import UnderstudyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Problem",
    "bad_request",
    "envelope",
    "install_handlers",
    "model_not_found",
    "parse",
    "problem_response",
    "unknown_batch",
    "unknown_file",
    "unknown_job",
    "wrong_state",
]

logger = logging.getLogger(__name__)

Parsed = TypeVar("Parsed", bound=BaseModel)

JSON_TYPES = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}
WANTED_TYPES = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


LONGEST_MESSAGE = 8000  # messages quote what clients sent, whose length is up to them


class Problem(Exception):
    """A request that is refused, with the HTTP status it gets."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        message = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]} …"
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.headers = headers or {}


def envelope(message: str, type: str, param: str | None, code: str | None) -> dict[str, Any]:
    """The error body; all four keys are always present."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def problem_response(problem: Problem) -> JSONResponse:
    """The problem as an HTTP response."""
    body = envelope(problem.message, problem.type, problem.param, problem.code)
    return JSONResponse(body, problem.status, headers=problem.headers)


def bad_request(message: str, param: str | None = None, code: str | None = None) -> Problem:
    """400: the request itself is wrong."""
    return Problem(400, message, param=param, code=code)


def model_not_found(model: str) -> Problem:
    """404 with OpenAI's wording."""
    return Problem(
        404,
        f"The model `{model}` does not exist or you do not have access to it.",
        param="model",
        code="model_not_found",
    )


def unknown_batch(batch_id: str) -> Problem:
    """404: no such batch."""
    return Problem(404, f"No batch found with id '{batch_id}'.", param="batch_id")


def unknown_file(file_id: str) -> Problem:
    """404: no such file."""
    return Problem(404, f"No such File object: {file_id}", param="id")


def unknown_job(job_id: str) -> Problem:
    """404: no such fine-tuning job."""
    return Problem(
        404, f"Could not find fine tune: {job_id}", param="fine_tune_id", code="fine_tune_not_found"
    )


def wrong_state(message: str, param: str | None = None) -> Problem:
    """400 that clients must not repeat: the object is in a state that does not allow the call."""
    return Problem(400, message, param=param, code="invalid_state", headers={"x-should-retry": "false"})


# --- request bodies -------------------------------------------------------------------------


def parse(model: type[Parsed], body: Any, *, first: Sequence[str] = ()) -> Parsed:
    """Read a request body.

    Args:
        first: Top-level keys whose faults are reported before all others, in this order;
            then come unknown keys, then the values of other keys.

    Raises:
        Problem: 400 for the first fault in that order.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        details = sorted(error.errors(), key=lambda detail: _rank(detail, first))
        raise _as_problem(details[0]) from None


def _rank(detail: ErrorDetails, first: Sequence[str]) -> int:
    top = detail["loc"][0] if detail["loc"] else ""
    if top in first:
        return list(first).index(str(top))
    return len(first) + (detail["type"] != "extra_forbidden")


def _place(loc: Sequence[int | str]) -> str:
    """``('messages', 0, 'role')`` as ``messages[0].role``."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _as_problem(detail: ErrorDetails) -> Problem:
    place, kind, value = _place(detail["loc"]), detail["type"], detail["input"]
    context: Mapping[str, Any] = detail.get("ctx") or {}
    if kind == "missing":
        return bad_request(f"Missing required parameter: '{place}'.", place, "missing_required_parameter")
    if kind == "extra_forbidden":
        return bad_request(f"Unknown parameter: '{place}'.", place, "unknown_parameter")
    if kind in WANTED_TYPES:
        wanted, found = WANTED_TYPES[kind], JSON_TYPES.get(type(value), "something else")
        message = f"Invalid type for '{place}': expected {wanted}, but got {found} instead."
        return bad_request(message, place, "invalid_type")
    if kind == "literal_error":
        expected = str(context.get("expected", "")).replace(" or ", ", ")
        message = f"Invalid value: '{_short(value)}'. Supported values are: {expected}."
        return bad_request(message, place, "invalid_value")
    limit = _limit_problem(place, kind, value, context)
    if limit is not None:
        return limit
    code = context.get("code", "invalid_value")
    return bad_request(detail["msg"], context.get("param") or place, str(code) or None)


def _limit_problem(place: str, kind: str, value: Any, context: Mapping[str, Any]) -> Problem | None:
    bounds = {
        "less_than_equal": ("above_max", "<=", "le"),
        "less_than": ("above_max", "<", "lt"),
        "greater_than_equal": ("below_min", ">=", "ge"),
        "greater_than": ("below_min", ">", "gt"),
    }
    if kind in bounds:
        side, sign, key = bounds[kind]
        bound = context[key]
        # The kind of the field, which the bound has too, not that of the value: 3 is no integer temperature.
        number = "integer" if isinstance(bound, int) else "decimal"
        rule = f"{sign} {bound}" if number == "integer" else f"{sign} {bound:g}"
        message = (
            f"Invalid '{place}': {number} {side.replace('_', ' ')}imum value. Expected a value {rule}, "
            f"but got {_short(value)} instead."
        )
        return bad_request(message, place, f"{number}_{side}_value")
    lengths = {
        "too_short": ("empty_array" if value == [] else "array_below_min_length", "min_length", "minimum"),
        "too_long": ("array_above_max_length", "max_length", "maximum"),
        "string_too_short": ("string_below_min_length", "min_length", "minimum"),
        "string_too_long": ("string_above_max_length", "max_length", "maximum"),
    }
    if kind in lengths:
        code, key, word = lengths[kind]
        found = len(value) if isinstance(value, (str, list, dict)) else "another length"
        message = (
            f"Invalid '{place}': {code.replace('_', ' ')}. Expected a {word} length "
            f"{context.get(key)}, but got length {found} instead."
        )
        return bad_request(message, place, code)
    return None


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


# --- every error of the application ----------------------------------------------------------


def install_handlers(app: FastAPI) -> None:
    """Answer every fault, the framework's own included, in the envelope."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(UnderstudyError, _on_understudy_error)
    app.add_exception_handler(OSError, _on_os_error)
    app.add_exception_handler(sqlite3.OperationalError, _on_os_error)
    app.add_exception_handler(Exception, _on_bug)


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return problem_response(error)


async def _on_disconnect(request: Request, error: Exception) -> JSONResponse:
    """A client that hung up within its request is no fault of ours; nobody reads this."""
    return problem_response(bad_request("The request broke off."))


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        message = f"Invalid URL ({request.method} {request.url.path})"
    elif error.status_code == 405:
        message = f"Not allowed to {request.method} on {request.url.path} (HINT: check the method.)"
    else:
        message = str(error.detail)
    problem = Problem(error.status_code, message, headers=dict(error.headers or {}))
    return problem_response(problem)


async def _on_understudy_error(request: Request, error: Exception) -> JSONResponse:
    return problem_response(Problem(500, str(error), type="server_error", code="server_error"))


async def _on_os_error(request: Request, error: Exception) -> JSONResponse:
    """A full or read-only disk is no bug, and repeating the request at once does not help."""
    logger.error("%s %s failed: %s", request.method, request.url.path, error)
    reason = getattr(error, "strerror", None) or str(error)
    message = f"The server could not write to its disk ({reason}). Free some space and try again."
    problem = Problem(507, message, type="server_error", code="disk_full")
    problem.headers["x-should-retry"] = "false"
    return problem_response(problem)


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    logger.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    message = "The server had an error while processing your request. Its log says more."
    return problem_response(Problem(500, message, type="server_error"))
