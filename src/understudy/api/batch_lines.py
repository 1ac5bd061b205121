"""Batch lines: what a batch and each line of its input file may hold."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from understudy.api.protocol import Metadata

__all__ = ["ENDPOINTS", "BatchLine", "BatchRequest", "LineFault", "check_lines", "read_lines"]

ENDPOINTS = ("/v1/chat/completions", "/v1/understudy/score")
MAX_LINES = 50_000
MAX_BYTES = 200 * 1024 * 1024
MAX_CUSTOM_ID = 512
SHOWN_FAULTS = 50
KEYS = ("custom_id", "method", "url", "body")


class _Expiry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=2_592_000)


class BatchRequest(BaseModel):
    """POST /v1/batches."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input_file_id: str = Field(min_length=1)
    endpoint: Literal["/v1/chat/completions", "/v1/understudy/score"]
    completion_window: Literal["24h"]
    metadata: Metadata | None = None
    output_expires_after: _Expiry | None = None


@dataclass(frozen=True)
class BatchLine:
    """One request of a batch."""

    custom_id: str
    body: dict[str, Any]


@dataclass(frozen=True)
class LineFault:
    """Why a batch cannot begin; ``line`` counts from 1, ``None`` for the file as a whole."""

    code: str
    message: str
    param: str | None
    line: int | None

    def document(self) -> dict[str, Any]:
        """The fault as clients see it."""
        return {"code": self.code, "message": self.message, "param": self.param, "line": self.line}


def read_lines(path: Path) -> Iterator[BatchLine]:
    """The requests of a file that ``check_lines`` found no fault in."""
    for _, value in _objects(path):
        yield BatchLine(value["custom_id"], value["body"])


def check_lines(path: Path, endpoint: str) -> tuple[int, list[LineFault]]:
    """Number of requests in a batch file, and what is wrong with it, up to fifty faults."""
    if path.stat().st_size > MAX_BYTES:
        return 0, [LineFault("file_too_large", "The file is larger than 200 MB.", "input_file_id", None)]
    count, models, seen = 0, set(), set[str]()
    faults: list[LineFault] = []
    for number, value in _objects(path):
        count += 1
        fault = _fault(value, number, endpoint, seen)
        if fault is not None:
            faults.append(fault)
            continue
        seen.add(value["custom_id"])
        model = value["body"].get("model")
        models.add(model if isinstance(model, str) else None)
        if len(models) > 1:
            message = "All requests of a batch must use the same model."
            faults.append(LineFault("mismatched_model", message, "body.model", number))
            models.pop()
    if count == 0:
        faults.append(LineFault("empty_file", "The file holds no request.", "input_file_id", None))
    if count > MAX_LINES:
        message = f"The file holds {count} requests; a batch takes {MAX_LINES} at most."
        faults.append(LineFault("too_many_requests", message, "input_file_id", None))
    return count, faults[:SHOWN_FAULTS]


def _fault(value: Any, number: int, endpoint: str, seen: set[str]) -> LineFault | None:
    if not isinstance(value, dict):
        return LineFault("invalid_json_line", "The line is not a JSON object.", None, number)
    for key in KEYS:
        if key not in value:
            message = f"Missing required parameter: '{key}'."
            return LineFault("missing_required_parameter", message, key, number)
    for key in value:
        if key not in KEYS:
            return LineFault("unknown_parameter", f"Unknown parameter: '{key[:80]}'.", key[:80], number)
    custom_id = value["custom_id"]
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= MAX_CUSTOM_ID:
        message = f"The custom_id must be a text of 1 to {MAX_CUSTOM_ID} characters."
        return LineFault("invalid_custom_id", message, "custom_id", number)
    if custom_id in seen:
        message = f"The custom_id {custom_id[:80]!r} was used before; each line needs its own."
        return LineFault("duplicate_custom_id", message, "custom_id", number)
    if value["method"] != "POST":
        return LineFault("invalid_method", "The method must be 'POST'.", "method", number)
    if value["url"] != endpoint:
        message = f"The url must be the endpoint of the batch, '{endpoint}'."
        return LineFault("mismatched_endpoint", message, "url", number)
    if not isinstance(value["body"], dict):
        return LineFault("invalid_type", "The body must be a JSON object.", "body", number)
    return None


def _objects(path: Path) -> Iterator[tuple[int, Any]]:
    """Line numbers and values; ``None`` stands for a line that is not JSON."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if not text.strip():
                continue
            try:
                yield number, json.loads(text)
            except (ValueError, RecursionError):
                yield number, None
