"""Mending: what can be put right in a training file without a person's judgement, written to a new file."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.atomic import write_chunks
from understudy.dataset.example_rules import CHAT_KEYS, INPUT_KEYS, METHODS, OLD_OUTPUTS, OUTPUTS, check_row
from understudy.dataset.message_rules import CONTROL_TEXT, HALF_CHARACTER, KEYS
from understudy.dataset.problem import Place, ProblemList
from understudy.dialogue.json_rows import JsonRows
from understudy.dialogue.pairs import find_pair
from understudy.dialogue.source_file import SourceFile
from understudy.errors import ConfigError, DatasetError, DialogueError

__all__ = ["Mending", "mend_file", "mend_row"]

ROLE_NAMES = {
    "developer": "system", "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant",
    "chatgpt": "assistant",
}  # fmt: skip
MAX_NAMED = 1000


@dataclass
class Mending:
    """What was done. ``mends`` counts by kind; ``left_out`` names the lines that only a person can mend."""

    examples: int = 0
    mends: Counter[str] = field(default_factory=Counter)
    left_out: list[tuple[int, str]] = field(default_factory=list)
    left_out_count: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "examples": self.examples,
            "mends": dict(self.mends),
            "left_out": [{"line": line, "reason": reason} for line, reason in self.left_out],
            "left_out_count": self.left_out_count,
        }


def mend_file(source: Path, target: Path, method: str = "supervised") -> Mending:
    """Write the examples of a file that are sound, or can be made so, to a new one.

    Also a JSON list, UTF-16 and Windows-1252 become JSONL in UTF-8. What is said is never changed, but for
    control tokens and broken characters. Lines that cannot be mended are left out and named.

    Raises:
        ConfigError: The new file exists already, or there is no such method.
        DatasetError: The file cannot be read, or nothing in it can be used.
    """
    if target.exists():
        raise ConfigError(f"{target}: exists already. Name a file that does not, so that nothing is lost.")
    if method not in METHODS:
        raise ConfigError(f"--method {method!r} is not one of {', '.join(METHODS)}.")
    try:
        file = SourceFile(source)
    except DialogueError as error:
        raise DatasetError(str(error)) from error
    mending = Mending()
    if file.encoding != "UTF-8" or file.warnings:
        mending.mends[f"file in {file.encoding} written as UTF-8"] += 1
    write_chunks(target, _lines(file, mending, method))
    return mending


def _lines(file: SourceFile, mending: Mending, method: str) -> Iterator[bytes]:
    rows, seen = JsonRows(file), set[bytes]()
    if rows.is_list:
        mending.mends["JSON list written as lines"] += 1
    for number, row in rows:
        mended, reason = mend_row(row, method, mending.mends)
        if mended is None:
            _leave_out(mending, number, reason)
            continue
        line = json.dumps(mended, ensure_ascii=False).encode("utf-8")
        # Eight bytes of hash: among a million examples two differ and collide in 3 of 100 million files.
        digest = hashlib.blake2b(json.dumps(mended, sort_keys=True).encode(), digest_size=8).digest()
        if digest in seen:
            mending.mends["repeated example left out"] += 1
            continue
        seen.add(digest)
        mending.examples += 1
        yield line + b"\n"
    for problem in rows.problems:
        match = re.search(r":(\d+): (.*)$", problem)
        _leave_out(mending, int(match[1]) if match else 0, match[2] if match else problem)
    mending.left_out_count += rows.faults - len(rows.problems)
    mending.left_out.sort()
    if not mending.examples:
        raise DatasetError(
            f"{file.path}: nothing in it can be mended ({mending.left_out_count} lines left out). "
            f"First: {mending.left_out[0][1] if mending.left_out else 'it holds no example'}"
        )


def _leave_out(mending: Mending, line: int, reason: str) -> None:
    mending.left_out_count += 1
    if len(mending.left_out) < MAX_NAMED:
        mending.left_out.append((line, reason))


def mend_row(row: Any, method: str, mends: Counter[str]) -> tuple[dict[str, Any] | None, str]:
    """One example made sound, or ``None`` with the reason why it cannot be.

    Args:
        row: What the line holds.
        method: ``supervised``, ``dpo`` or ``reinforcement``.
        mends: Counts of what was done, by kind; added to only where the example becomes sound.
    """
    if not isinstance(row, dict):
        return None, "is not an object."
    done: Counter[str] = Counter()
    try:
        mended = _clean(_reshape(row, method, done), done)
        mended = _mend_preference(mended, done) if method == "dpo" else _mend_chat(mended, method, done)
        found = ProblemList()
        check_row(mended, method, Place(found))
    except RecursionError:
        return None, "is nested too deeply."
    errors = [problem for problem in found.kept if problem.severity == "error"]
    if errors:
        return None, f"{errors[0].message} {errors[0].remedy}"
    mends.update(done)
    return mended, ""


def _reshape(row: dict[str, Any], method: str, done: Counter[str]) -> dict[str, Any]:
    """Another project's format as chat format."""
    if method == "dpo" or "messages" in row:
        return row
    turns = row.get("conversations", row.get("conversation"))
    if isinstance(turns, list):
        done["ShareGPT conversation written as messages"] += 1
        return {"messages": turns}
    pair = find_pair(row)
    if pair is None:
        return row
    done["question and answer written as messages"] += 1
    said = [text for turn in (*pair.history, (pair.question, pair.answer)) for text in turn]
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(said)]}


def _clean(value: Any, done: Counter[str]) -> Any:
    """The value without text that cannot be trained on, however deep it lies."""
    if isinstance(value, str):
        if HALF_CHARACTER.search(value):
            done["half a character replaced"] += 1
            value = HALF_CHARACTER.sub("\ufffd", value)
        if CONTROL_TEXT.search(value):
            done["control token broken with a blank"] += 1
            value = CONTROL_TEXT.sub(lambda match: f"<| {match[0][2:-2]} |>", value)
        return value
    if isinstance(value, dict):
        return {_clean(key, done): _clean(item, done) for key, item in value.items()}
    return [_clean(item, done) for item in value] if isinstance(value, list) else value


def _drop(row: dict[str, Any], allowed: set[str], what: str, done: Counter[str]) -> dict[str, Any]:
    for key in sorted(set(row) - allowed):
        done[f"key {key[:40]!r} removed from {what}"] += 1
    return {key: value for key, value in row.items() if key in allowed}


def _mend_chat(row: dict[str, Any], method: str, done: Counter[str]) -> dict[str, Any]:
    if method == "supervised":
        row = _drop(row, CHAT_KEYS, "the example", done)
    row = _mend_options(row, done)
    if not isinstance(row.get("messages"), list):
        return row
    messages = _mend_messages(row["messages"], done)
    if method == "supervised":
        last = max((i for i, m in enumerate(messages) if _is_learned(m)), default=-1)
        if 0 <= last < len(messages) - 1:
            done["messages after the last learned reply cut off"] += 1
            messages = messages[: last + 1]
    return {**row, "messages": messages}


def _mend_options(row: dict[str, Any], done: Counter[str]) -> dict[str, Any]:
    flag = row.get("parallel_tool_calls")
    if isinstance(flag, str) and flag.casefold() in ("true", "false"):
        done["true or false written without quotes"] += 1
        return {**row, "parallel_tool_calls": flag.casefold() == "true"}
    return row


def _is_learned(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant" and message.get("weight", 1) != 0


def _mend_messages(messages: list[Any], done: Counter[str]) -> list[Any]:
    return [_mend_message(message, done) if isinstance(message, dict) else message for message in messages]


def _mend_message(message: dict[str, Any], done: Counter[str]) -> dict[str, Any]:
    for old, new in (("from", "role"), ("value", "content")):
        if old in message and new not in message:
            done[f"{old!r} renamed to {new!r}"] += 1
            message = {new if key == old else key: value for key, value in message.items()}
    role = message.get("role")
    if isinstance(role, str) and role.casefold() in ROLE_NAMES:
        done[f"role {role!r} renamed to {ROLE_NAMES[role.casefold()]!r}"] += 1
        message = {**message, "role": ROLE_NAMES[role.casefold()]}
    elif isinstance(role, str) and role not in KEYS and role.strip().casefold() in KEYS:
        done[f"role {role!r} renamed to {role.strip().casefold()!r}"] += 1
        message = {**message, "role": role.strip().casefold()}
    role = message.get("role")
    if isinstance(role, str) and role in KEYS:
        message = _drop(message, KEYS[role] | {"role"}, f"a message of {role}", done)
    return _mend_values(message, done)


def _mend_values(message: dict[str, Any], done: Counter[str]) -> dict[str, Any]:
    """Numbers as text, weights as 0 or 1, names as text or not at all."""
    content = message.get("content")
    if isinstance(content, int | float) and not isinstance(content, bool):
        done["number as content written as text"] += 1
        message = {**message, "content": str(content)}
    if "name" in message and not isinstance(message["name"], str):
        done["name that is not text removed"] += 1
        message = {key: value for key, value in message.items() if key != "name"}
    if "weight" in message and (isinstance(message["weight"], bool) or message["weight"] not in (0, 1)):
        weight = message["weight"]
        message = {key: value for key, value in message.items() if key != "weight"}
        if isinstance(weight, bool) or weight in ("0", "1", "0.0", "1.0"):
            done["weight written as 0 or 1"] += 1
            message["weight"] = int(float(weight))
        elif weight is None:
            done["empty weight removed"] += 1
        else:
            message["weight"] = weight  # What 0.5 was meant to be, only its author knows.
    return message


def _mend_preference(row: dict[str, Any], done: Counter[str]) -> dict[str, Any]:
    for old, new in OLD_OUTPUTS.items():
        if old in row and new not in row:
            done[f"{old!r} renamed to {new!r}"] += 1
            row = {new if key == old else key: value for key, value in row.items()}
    row = _drop(row, {"input", *OUTPUTS}, "the example", done)
    given = row.get("input")
    if isinstance(given, dict):
        given = _mend_options(_drop(given, INPUT_KEYS, "the input", done), done)
        if isinstance(given.get("messages"), list):
            given = {**given, "messages": _mend_messages(given["messages"], done)}
        row = {**row, "input": given}
    for key in OUTPUTS:
        output = row.get(key)
        if isinstance(output, str):
            done["output written as a message"] += 1
            row = {**row, key: [{"role": "assistant", "content": output}]}
        elif isinstance(output, dict):
            done["output put into a list"] += 1
            row = {**row, key: _mend_messages([output], done)}
        elif isinstance(output, list):
            row = {**row, key: _mend_messages(output, done)}
    return row
