"""Chat: OpenAI chat JSONL as dialogues; also ShareGPT's spelling and rows of instruction and answer."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, cast

from understudy.dialogue.dialogue import ROLES, Dialogue, Message, Role
from understudy.dialogue.line import Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.pairs import find_pair, make_pair
from understudy.dialogue.scene import dialogue_id
from understudy.errors import DialogueError
from understudy.textfile import TextFile, json_fault

__all__ = ["looks_like_chat", "read_chat"]

# ShareGPT writes {"conversations": [{"from": "human", "value": "..."}]}.
LISTS = ("messages", "conversations", "conversation")
ROLE_NAMES = {
    "human": "user", "gpt": "assistant", "bot": "assistant", "chatgpt": "assistant", "model": "assistant",
    "character": "assistant", "developer": "system",
}  # fmt: skip
MAX_NAMED_PROBLEMS = 20


class _Unusable(ValueError):
    """A row that is sound but cannot become a dialogue; the message is the reason."""


def looks_like_chat(path: Path, text: str) -> bool:
    """Whether the file begins as JSON does. What is wrong inside is told by the reader."""
    is_json_file = path.suffix.casefold() in (".json", ".jsonl", ".ndjson")
    return is_json_file or re.match(r"\s*(?:\{\s*\"|\[\s*\{)", text) is not None


def read_chat(path: Path, file: TextFile, options: ImportOptions) -> Reading:
    """Read one dialogue a row; system messages stay out, because the character's sheet replaces them.

    Rows with tool calls, pictures or no reply cannot teach a character to talk; they are
    counted with the reason. Lines that are not JSON are named and left out, unless no line is.

    Raises:
        DialogueError: No row of the file is a chat.
    """
    reading = Reading("OpenAI chat", details={"encoding": file.encoding}, warnings=list(file.warnings))
    rows, problems = _rows(path, file.text)
    _note_system_message(reading, [row for _, row in rows])
    for number, row in rows:
        try:
            reading.dialogues.append(_dialogue(row, path, number, reading.skipped))
        except _Unusable as reason:
            reading.skipped[str(reason)] += 1
    if not reading.dialogues:
        raise DialogueError(_nothing_read(path, problems, reading.skipped))
    if problems:
        reading.skipped["line that is not JSON"] += len(problems)
        reading.warnings += problems[:MAX_NAMED_PROBLEMS]
        if len(problems) > MAX_NAMED_PROBLEMS:
            reading.warnings.append(f"{path}: … and {len(problems) - MAX_NAMED_PROBLEMS} lines more.")
    return reading


def _note_system_message(reading: Reading, rows: list[Any]) -> None:
    """Show the commonest system message: it may be the prompt that the character's sheet should hold."""
    texts = Counter(
        turn["content"].strip()
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("messages"), list)
        for turn in row["messages"]
        if isinstance(turn, dict)
        and turn.get("role") in ("system", "developer")
        and isinstance(turn.get("content"), str)
    )
    if texts:
        text, count = texts.most_common(1)[0]
        short = " ".join(text.split())
        short = short if len(short) <= 80 else short[:79] + "…"
        reading.details["system message, left out"] = f"{short!r} ({count} of {len(rows)} rows)"


def _rows(path: Path, text: str) -> tuple[list[tuple[int, Any]], list[str]]:
    """``(line, value)`` of each JSON line, or of each entry of one JSON list."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, list):
        return list(enumerate(whole, 1)), []
    if isinstance(whole, dict):
        return [(1, whole)], []
    rows, problems = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append((number, json.loads(line)))
        except json.JSONDecodeError as error:
            problems.append(f"{path}:{number}: is not JSON ({error.msg} at column {error.colno}).")
        except (ValueError, RecursionError) as error:
            problems.append(f"{path}:{number}: is not readable JSON ({json_fault(error)}).")
    return rows, problems


def _nothing_read(path: Path, problems: list[str], skipped: Counter[str]) -> str:
    reasons = ", ".join(f"{count} x {reason}" for reason, count in skipped.most_common())
    told = f" ({reasons})" if reasons else ""
    return "\n".join(
        [
            f"{path}: holds no chat that can be used{told}. Each line must be a JSON object such as "
            '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}',
            *problems[:MAX_NAMED_PROBLEMS],
        ]
    )


def _dialogue(row: Any, path: Path, number: int, skipped: Counter[str]) -> Dialogue:
    if not isinstance(row, dict):
        raise _Unusable("row that is not an object")
    turns = next((row[name] for name in LISTS if isinstance(row.get(name), list)), None)
    if turns is None and (pair := find_pair(row)):
        return make_pair(*pair, path, number)
    if turns is None:
        wanted = "preference pair" if "preferred_output" in row else "row without 'messages'"
        raise _Unusable(wanted)
    messages = _merge([message for turn in turns if (message := _message(turn, skipped))])
    while messages and messages[-1].role == "user":
        messages.pop()
    if not any(message.role == "assistant" for message in messages):
        raise _Unusable("row without an assistant's reply")
    if not any(message.role == "user" for message in messages):
        raise _Unusable("row without a user's message")
    prefix = path.stem
    identity = dialogue_id(messages, prefix)
    group = row.get("group") if isinstance(row.get("group"), str) else None
    category = row.get("category") if isinstance(row.get("category"), str) else None
    return Dialogue(
        identity,
        f"{prefix}/{group}" if group else identity,
        tuple(messages),
        category or "",
        f"{path.name}:{number}",
    )


def _message(turn: Any, skipped: Counter[str]) -> Message | None:
    if not isinstance(turn, dict):
        raise _Unusable("row with a message that is not an object")
    role = turn.get("role", turn.get("from"))
    role = ROLE_NAMES.get(role, role) if isinstance(role, str) else role
    if (
        role in ("tool", "function", "function_call", "observation")
        or turn.get("tool_calls")
        or turn.get("function_call")
    ):
        raise _Unusable("row with tool calls")
    if role not in ROLES:
        raise _Unusable(f"row with an unknown role {str(role)[:20]!r}")
    if role == "system":
        skipped["system message (the character's sheet replaces it)"] += 1
        return None
    content = _content(turn.get("content", turn.get("value")))
    if not content:
        raise _Unusable("row with an empty message")
    name, weight = turn.get("name", turn.get("speaker")), turn.get("weight")
    weight = weight if role == "assistant" and weight in (0, 1) and not isinstance(weight, bool) else None
    return Message(cast(Role, role), content, name if isinstance(name, str) else None, weight)


def _content(content: Any) -> str:
    """Text, or the joined text parts of a list of parts."""
    if isinstance(content, str):
        return content.strip()
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        if any(part.get("type") not in ("text", "input_text") for part in content):
            raise _Unusable("row with a picture, sound or file")
        return "\n".join(str(part.get("text") or part.get("value") or "") for part in content).strip()
    return ""


def _merge(messages: list[Message]) -> list[Message]:
    """Messages of one role in a row become one, unless their weights differ."""
    merged: list[Message] = []
    for message in messages:
        last = merged[-1] if merged else None
        if last and last.role == message.role and last.weight == message.weight:
            merged[-1] = Message(last.role, f"{last.content}\n{message.content}", last.speaker, last.weight)
        else:
            merged.append(message)
    return merged
