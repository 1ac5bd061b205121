"""JSON line: one line of a training file as an object, or what is wrong with it."""

import json
from typing import Any

from understudy.dataset.problem import Place
from understudy.textfile import json_fault

__all__ = ["parse_line"]

JSON_KINDS = {
    list: "a JSON list",
    str: "a JSON text",
    int: "a JSON number",
    float: "a JSON number",
    bool: "true or false",
    type(None): "null",
}


def parse_line(data: bytes, place: Place) -> dict[str, Any] | None:
    """The object on a line; ``None``, and an error at the place, where there is none."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        place.error(
            f"byte {error.start + 1} of the line (0x{data[error.start]:02x}) is not UTF-8.",
            "Save the file as UTF-8.",
        )
        return None
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        place.error(f"is not JSON ({error.msg} at column {error.colno}): {text[:40]!r}", _json_remedy(text))
        return None
    except ValueError as error:
        place.error(f"{json_fault(error)}.", "Write the number shorter, or as text.")
        return None
    if not isinstance(row, dict):
        place.error(f"is {JSON_KINDS[type(row)]}, not an object.", "Write one {...} per line.")
        return None
    return row


def _json_remedy(text: str) -> str:
    if text.strip() in ("[", "{") or text.rstrip().endswith(","):
        return (
            "JSONL has one whole object on each line, without brackets around them and commas between them."
        )
    return "Write the line again as one JSON object, for example with json.dumps."
