"""Example rules: what a whole line of a training file must be, for each method."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from understudy.dataset.disclaimer import find_disclaimer, may_leave_role
from understudy.dataset.message_rules import check_messages, check_options, check_strings, message_text
from understudy.dataset.problem import Place

__all__ = ["METHODS", "check_row", "learned_replies", "warn_of_disclaimer"]

CHAT_KEYS = {"messages", "tools", "parallel_tool_calls", "functions"}
INPUT_KEYS = {"messages", "tools", "parallel_tool_calls"}
OUTPUTS = ("preferred_output", "non_preferred_output")
OLD_OUTPUTS = {"preferred_completion": "preferred_output", "non_preferred_completion": "non_preferred_output"}
Messages = list[dict[str, Any]]


def learned_replies(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Assistant messages that training learns: all but those of weight 0."""
    return [m for m in messages if m.get("role") == "assistant" and m.get("weight", 1) != 0]


def _is_preference(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("input"), dict) or any(key in row for key in (*OUTPUTS, *OLD_OUTPUTS))


def _other_format(row: Mapping[str, Any], place: Place, wanted: str) -> None:
    """Say which format a line has instead of the wanted one."""
    if _is_preference(row) and wanted == "chat":
        place.error(
            "is in the preference format, but the method is supervised.",
            "Check it with --method dpo, or give lines with 'messages'.",
        )
    elif "messages" in row and wanted == "preference":
        place.error(
            "is in the chat format, but the method is dpo.",
            "Check it with --method supervised, or give 'input' with two outputs.",
        )
    elif "prompt" in row and "completion" in row:
        place.error(
            "is in the prompt/completion format, whose models are shut down.",
            "Write the prompt as a user message and the completion as an assistant message.",
        )
    elif "conversations" in row:
        place.error(
            "unexpected format: 'conversations' (ShareGPT) instead of 'messages'.",
            "Rename it to 'messages', 'from' to 'role' (human is user, gpt assistant), 'value' to 'content'.",
        )
    elif "instruction" in row and "output" in row:
        place.error(
            "unexpected format: 'instruction' and 'output' (Alpaca) instead of 'messages'.",
            "Write the instruction as a user message and the output as an assistant message.",
        )
    else:
        key = "messages" if wanted == "chat" else "input"
        keys = ", ".join(sorted(map(repr, row))[:6]) or "no keys"
        place.error(
            f"unexpected format: the key {key!r} is missing ({keys}).",
            "Give each line 'messages'." if wanted == "chat" else "Give each line 'input' and two outputs.",
        )


def _extra_keys(row: Mapping[str, Any], allowed: set[str], place: Place) -> None:
    for key in sorted(set(row) - allowed):
        place.error(f"extra key {key!r}.", f"Remove it; allowed are {', '.join(sorted(allowed))}.")


def check_supervised(row: Mapping[str, Any], place: Place) -> Messages:
    """One line of chat format; returns the messages that can be counted."""
    if "messages" not in row:
        _other_format(row, place, "chat")
        return []
    _extra_keys(row, CHAT_KEYS, place)
    check_options(row, place)
    messages = check_messages(row["messages"], place)
    if messages:
        _check_learned(messages, place)
        _warn_of_lines(messages, place)
    return messages


def _check_learned(messages: Messages, place: Place) -> None:
    replies = [m for m in messages if m["role"] == "assistant"]
    if not replies:
        place.error(
            "has no assistant message, so nothing is learned.",
            "Add the character's reply, or delete the line.",
        )
    elif messages[-1]["role"] != "assistant":
        place.error(
            f"ends with a {messages[-1]['role']!r} message.",
            "End with a reply from the character, or delete the line.",
        )
    elif replies[-1].get("weight") == 0 and not isinstance(replies[-1].get("weight"), bool):
        place.error(
            "the last assistant message has weight 0.", "Give it weight 1, or end with the reply before it."
        )


def _warn_of_lines(messages: Messages, place: Place) -> None:
    """Lines that are accepted and would teach the wrong thing."""
    asked: list[str] = []
    for number, message in enumerate(messages, 1):
        spot, text = place.at(f"message {number}"), message_text(message)
        if message["role"] == "user":
            asked.append(text)
            if not text.strip() and not isinstance(message.get("content"), list):
                spot.warning("the user says nothing.", "Write what the character replies to.", "empty_line")
        if message["role"] != "assistant" or message.get("weight") == 0:
            continue
        called = message.get("tool_calls") or message.get("function_call") or message.get("refusal")
        if not text.strip() and message.get("content") is not None and not called:
            spot.warning(
                "the character says nothing, and learns to.", "Write the reply, or delete it.", "empty_line"
            )
        warn_of_disclaimer(text, asked, spot)


def warn_of_disclaimer(reply: str, asked: Iterable[str], place: Place) -> None:
    """A reply of a machine to somebody who has not asked for the truth, and is not in danger."""
    words = find_disclaimer(reply)
    if words and not may_leave_role("\n".join(asked)):
        place.warning(
            f"the character speaks as a machine ({words!r}).",
            "Rewrite the line in the character's voice, or give it weight 0.",
            "ai_disclaimer",
        )


def check_preference(row: Mapping[str, Any], place: Place) -> Messages:
    """One line of preference format (DPO); returns input and preferred output as messages."""
    if not _is_preference(row):
        _other_format(row, place, "preference")
        return []
    for old, new in OLD_OUTPUTS.items():
        if old in row:
            place.error(f"the key {old!r} is of an old edition of the format.", f"Rename it to {new!r}.")
    _extra_keys(row, {"input", *OUTPUTS, *OLD_OUTPUTS}, place)
    given = row.get("input")
    if not isinstance(given, dict):
        place.error("'input' is missing or not an object.", 'Write it as {"messages": [...]}.')
        given = {}
    else:
        _extra_keys(given, INPUT_KEYS, place.at("input"))
        check_options(given, place.at("input"))
    messages = check_messages(given.get("messages"), place.at("input")) if given else []
    if messages and messages[-1]["role"] == "assistant":
        place.at("input").warning(
            "ends with an assistant message; the outputs reply to it.",
            "End the input with what the user says.",
            "input_ends_with_reply",
        )
    outputs = [
        _check_output(row.get(key, row.get(old)), place.at(key))
        for key, old in zip(OUTPUTS, OLD_OUTPUTS, strict=True)
    ]
    if outputs[0] and outputs[0] == outputs[1]:
        place.warning(
            "both outputs are the same, so nothing is preferred.",
            "Write two different replies.",
            "same_outputs",
        )
    if outputs[0]:
        _warn_of_lines([*messages, *outputs[0]], place)
    return [*messages, *outputs[0]]


def _check_output(output: Any, place: Place) -> Messages:
    if not isinstance(output, list) or len(output) != 1:
        place.error(
            "must be a list of one assistant message.",
            'Write it as [{"role": "assistant", "content": "..."}].',
        )
        return []
    messages = check_messages(output, place)
    if messages and messages[0]["role"] != "assistant":
        place.error(f"is a {messages[0]['role']!r} message.", "Give the reply as an assistant message.")
        return []
    if messages and (messages[0].get("tool_calls") or not isinstance(messages[0].get("content"), str)):
        place.error("must be plain text.", "Only text can be preferred.")
        return []
    return messages


def check_reinforcement(row: Mapping[str, Any], place: Place) -> Messages:
    """One line for reinforcement: messages that ask, and any fields that the grader reads."""
    if "messages" not in row:
        _other_format(row, place, "chat")
        return []
    check_options(row, place)
    messages = check_messages(row["messages"], place, extra_roles=frozenset({"developer"}))
    if messages and messages[-1]["role"] == "assistant":
        place.error(
            "ends with an assistant message; the model writes it itself.", "End with what the user says."
        )
    return messages


RULES: dict[str, Callable[[Mapping[str, Any], Place], Messages]] = {
    "supervised": check_supervised,
    "dpo": check_preference,
    "reinforcement": check_reinforcement,
}
METHODS = tuple(RULES)


def check_row(row: Mapping[str, Any], method: str, place: Place) -> Messages:
    """All rules for one line."""
    check_strings(row, place)
    return RULES[method](row, place)
