"""Lines file: user lines that somebody brings, as plain text or as OpenAI chat JSONL."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from understudy.dialogue import Message
from understudy.dialogue.scene import dialogue_id
from understudy.errors import DialogueError
from understudy.teaching.outline import SINCERE, Outline
from understudy.textfile import read_text_file

__all__ = ["read_lines"]

MAX_NAMED_PROBLEMS = 20


def read_lines(path: Path) -> list[Outline]:
    """One outline for each conversation of the file.

    In a text file each line is a user line, and an empty line ends the conversation. In JSONL each row
    is an object with ``messages``; its user messages are the lines, ``group`` and ``category`` are kept.

    Raises:
        DialogueError: The file cannot be read, or holds no user line; faulty rows are all named.
    """
    text = read_text_file(path, DialogueError).text
    is_json = path.suffix.casefold() in (".jsonl", ".json", ".ndjson") or re.match(r'\s*\{\s*"', text)
    conversations = list(_rows(path, text) if is_json else _paragraphs(text))
    outlines = {
        outline.id: outline
        for lines, group, category in conversations
        if (outline := _outline(path.stem, lines, group, category)) is not None
    }
    if not outlines:
        raise DialogueError(
            f"{path}: holds no user line. Write a line each; an empty line ends a conversation."
        )
    return list(outlines.values())


def _outline(stem: str, lines: list[str], group: str, category: str) -> Outline | None:
    messages = tuple(Message("user", line) for line in lines)
    if not messages:
        return None
    identity = dialogue_id(messages, stem)
    sincere = frozenset([len(messages) - 1]) if category == SINCERE else frozenset[int]()
    return Outline(identity, f"{stem}/{group}" if group else identity, category, messages, sincere=sincere)


def _paragraphs(text: str) -> Iterator[tuple[list[str], str, str]]:
    for paragraph in re.split(r"\n\s*\n", text):
        yield [line.strip() for line in paragraph.split("\n") if line.strip()], "", ""


def _rows(path: Path, text: str) -> Iterator[tuple[list[str], str, str]]:
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            yield _user_lines(row), _text(row.get("group")), _text(row.get("category"))
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            problems.append(f"{path}:{number}: is not a JSON object with a list 'messages' of texts.")
    if problems:
        raise DialogueError("\n".join(problems[:MAX_NAMED_PROBLEMS]))


def _user_lines(row: Any) -> list[str]:
    lines = [message["content"] for message in row.get("messages", []) if message.get("role") == "user"]
    if "messages" not in row or not all(isinstance(line, str) for line in lines):
        raise ValueError
    return [line.strip() for line in lines if line.strip()]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
