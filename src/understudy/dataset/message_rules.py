"""Message rules: what the training format demands of messages, tools and content.

Source: OpenAI's API specification (editions of 2025) and fine-tuning guides (as of 2026-11).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from understudy.dataset.problem import Place

__all__ = ["check_messages", "check_options", "check_strings", "message_text"]

KEYS = {
    "system": {"content", "name"},
    "user": {"content", "name"},
    "assistant": {"content", "name", "weight", "tool_calls", "refusal", "function_call"},
    "tool": {"content", "tool_call_id"},
    "function": {"content", "name"},
}
# The service refuses text that spells one of its control tokens.
CONTROL_TEXT = re.compile(
    r"<\|(?:endoftext|endofprompt|fim_prefix|fim_middle|fim_suffix|im_start|im_end|im_sep)\|>"
)
HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")
MAX_IMAGES = 10
MAX_IMAGE_BYTES = 10 * 2**20
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
DATA_URL = re.compile(r"data:([\w/+.-]+);base64,(.*)", re.DOTALL)


def check_messages(
    messages: Any, place: Place, *, extra_roles: frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    """Check a list of messages; returns those that are objects with a known role, for further rules."""
    if not isinstance(messages, list) or not messages:
        place.error(
            "'messages' must be a list that is not empty.", "List the messages of the conversation in order."
        )
        return []
    sound = []
    for number, message in enumerate(messages, 1):
        if _check_message(message, place.at(f"message {number}"), extra_roles):
            sound.append(message)
    images = sum(_images(message) for message in sound)
    if images > MAX_IMAGES:
        place.error(f"holds {images} images; the limit is {MAX_IMAGES} per example.", "Split the example.")
    return sound


def _check_message(message: Any, place: Place, extra_roles: frozenset[str]) -> bool:
    if not isinstance(message, dict):
        place.error("is not an object.", 'Write it as {"role": ..., "content": ...}.')
        return False
    role = message.get("role")
    if "role" not in message:
        place.error("has no 'role' (discriminator missing).", f"Add one of {', '.join(KEYS)}.")
        return False
    if isinstance(role, str) and role in extra_roles:
        return True
    if not isinstance(role, str) or role not in KEYS:
        hint = "Use 'system' instead." if role == "developer" else f"Use one of {', '.join(KEYS)}."
        place.error(f"role {role!r} is not a training role.", hint)
        return False
    _check_keys(message, role, place)
    _check_content(message, role, place)
    if role == "assistant":
        _check_assistant(message, place)
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        place.error("a tool message needs 'tool_call_id' as text.", "Name the call that it answers.")
    if role == "function" and not isinstance(message.get("name"), str):
        place.error("a function message needs 'name' as text.", "Name the function that it answers.")
    return True


def _a(role: str) -> str:
    return "an assistant" if role == "assistant" else f"a {role}"


def _check_keys(message: Mapping[str, Any], role: str, place: Place) -> None:
    for key in sorted(set(message) - KEYS[role] - {"role"}):
        owners = [r for r, keys in KEYS.items() if key in keys]
        belongs = f"; only {' and '.join(owners)} messages have it" if owners else ""
        place.error(f"extra key {key!r} in {_a(role)} message{belongs}.", f"Remove {key!r}.")
    if "name" in message and not isinstance(message["name"], str):
        place.error("'name' must be text.", "Quote it, or remove it.")


def _check_content(message: Mapping[str, Any], role: str, place: Place) -> None:
    content = message.get("content")
    if content is None:
        if role != "assistant" or not (
            message.get("tool_calls") or message.get("function_call") or message.get("refusal")
        ):
            place.error(
                "has no 'content'.", "Add the text. Only an assistant that calls a tool may leave it out."
            )
    elif isinstance(content, list):
        if not content:
            place.error("'content' is an empty list.", "Write the text.")
        for number, part in enumerate(content, 1):
            _check_part(part, role, place.at(f"content part {number}"))
    elif not isinstance(content, str):
        place.error(f"'content' must be text, not {type(content).__name__}.", "Quote it as a string.")


def _check_part(part: Any, role: str, place: Place) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        if not isinstance(part.get("text"), str):
            place.error("has no 'text'.", 'Write it as {"type": "text", "text": "..."}.')
        for key in sorted(set(part) - {"type", "text"}):
            place.error(f"extra key {key!r} in a text part.", f"Remove {key!r}.")
    elif kind == "image_url" and role == "user":
        _check_image(part.get("image_url"), place)
    elif kind == "image_url":
        place.error(f"{_a(role)} message cannot hold an image.", "Images belong to user messages.")
    elif kind == "refusal" and role == "assistant":
        if not isinstance(part.get("refusal"), str):
            place.error("has no 'refusal' text.", "Write the refusal as text.")
    else:
        place.error(
            f"type {kind!r} is not 'text'" + (" or 'image_url'." if role == "user" else "."),
            'Write text as {"type": "text", "text": "..."} or as a plain string.',
        )


def _check_image(image: Any, place: Place) -> None:
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str):
        place.error("has no 'image_url' with a 'url'.", 'Write it as {"image_url": {"url": "https://..."}}.')
        return
    if image.get("detail", "auto") not in ("low", "high", "auto"):
        place.error(f"'detail' {image['detail']!r} is not low, high or auto.", "Use one of the three.")
    match = DATA_URL.fullmatch(url)
    if match is None:
        if not url.startswith(("http://", "https://")):
            place.error(
                "the image URL is neither http(s) nor base64 data.", "Give a URL that can be fetched."
            )
        return
    if match[1] not in IMAGE_TYPES:
        place.error(f"image type {match[1]!r} is not JPEG, PNG or WEBP.", "Convert the image.")
    try:
        size = len(base64.b64decode(match[2], validate=True))
    except binascii.Error:
        place.error("the image is not valid base64.", "Encode the file again.")
        return
    if size > MAX_IMAGE_BYTES:
        place.error(f"the image has {size / 2**20:.1f} MiB; the limit is 10.", "Make it smaller.")


def _images(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    return (
        sum(isinstance(p, dict) and p.get("type") == "image_url" for p in content)
        if isinstance(content, list)
        else 0
    )


def _check_assistant(message: Mapping[str, Any], place: Place) -> None:
    if "weight" in message and (isinstance(message["weight"], bool) or message["weight"] not in (0, 1)):
        place.error(
            f"'weight' is {message['weight']!r}; it must be 0 or 1.",
            "0 keeps the reply as context, 1 learns it.",
        )
    if "tool_calls" in message:
        calls = message["tool_calls"]
        if not isinstance(calls, list) or not calls:
            place.error(
                "'tool_calls' must be a list that is not empty.", "List the calls, or remove the key."
            )
        for number, call in enumerate(calls if isinstance(calls, list) else [], 1):
            _check_call(call, place.at(f"tool call {number}"))
    if "function_call" in message:
        _check_function(message["function_call"], place.at("function call"))


def _check_call(call: Any, place: Place) -> None:
    if not isinstance(call, dict):
        place.error("is not an object.", "Write id, type and function.")
        return
    if not isinstance(call.get("id"), str) or not call["id"]:
        place.error("has no 'id'.", "Give each call an id that its tool message names.")
    if call.get("type") != "function":
        place.error("has no 'type': 'function'.", 'Add "type": "function".')
    _check_function(call.get("function"), place)


def _check_function(function: Any, place: Place) -> None:
    values = function if isinstance(function, dict) else {}
    if not isinstance(values.get("name"), str) or not values.get("name"):
        place.error("has no function name.", "Name the function.")
    if not isinstance(values.get("arguments"), str):
        place.error("'arguments' must be text that holds JSON.", "Write the arguments as a string.")


def check_options(row: Mapping[str, Any], place: Place) -> None:
    """Check ``tools``, ``functions`` and ``parallel_tool_calls`` beside the messages."""
    for key in ("tools", "functions"):
        if key not in row:
            continue
        if not isinstance(row[key], list) or not all(isinstance(t, dict) for t in row[key]):
            place.error(f"{key!r} must be a list of objects.", f"List the {key}, or remove the key.")
            continue
        for number, tool in enumerate(row[key], 1):
            function = tool.get("function") if key == "tools" else tool
            if key == "tools" and tool.get("type") != "function":
                place.error(f"tool {number} has no 'type': 'function'.", 'Add "type": "function".')
            if not isinstance(function, dict) or not isinstance(function.get("name"), str):
                place.error(f"{key[:-1]} {number} has no function name.", "Name the function.")
    if "parallel_tool_calls" in row and not isinstance(row["parallel_tool_calls"], bool):
        place.error("'parallel_tool_calls' must be true or false.", "Write true or false without quotes.")


def check_strings(value: Any, place: Place) -> None:
    """Find text that cannot be trained on, however deep it lies."""
    if isinstance(value, str):
        if match := CONTROL_TEXT.search(value):
            place.error(
                f"contains an invalid token: {match[0]!r} spells a control token.",
                "Remove it, or put a blank into it.",
            )
        if HALF_CHARACTER.search(value):
            place.error("contains half a character (a lone surrogate).", "Write the text again as UTF-8.")
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            check_strings(item, place)


def message_text(message: Mapping[str, Any]) -> str:
    """The text of a message, its parts joined."""
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(text for text in parts if isinstance(text, str))
    return content if isinstance(content, str) else ""
