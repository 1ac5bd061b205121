"""Ratings: replies that people have rated; of two to the same messages, the higher one is preferred."""

import json
import re
from typing import Any

from understudy.dialogue.dialogue import ROLES, Dialogue, Message
from understudy.dialogue.json_rows import JsonRows
from understudy.dialogue.line import Alternative, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.scene import dialogue_id
from understudy.dialogue.source_file import SourceFile
from understudy.errors import DialogueError

__all__ = ["looks_like_ratings", "read_ratings"]

# Words for a thumb; on other scales the numbers themselves are compared.
THUMBS = {"up": 1.0, "good": 1.0, "like": 1.0, "down": 0.0, "bad": 0.0, "dislike": 0.0}
_MARK = re.compile(r'"rating"\s*:')
_REPLY = re.compile(r'"(?:reply|response)"\s*:')


def looks_like_ratings(file: SourceFile) -> bool:
    """Whether the first lines hold replies with a rating."""
    start = file.head.lstrip()[:20_000]
    return start.startswith(("{", "[")) and bool(_MARK.search(start)) and bool(_REPLY.search(start))


def read_ratings(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one dialogue for each conversation: the messages with their best reply, unless it was rated down.

    Every reply that was rated lower than the best one is kept as a worse one.

    Raises:
        DialogueError: No row has messages, a reply and a rating.
    """
    reading = Reading("ratings", details={"encoding": file.encoding}, warnings=list(file.warnings))
    rows, rated = JsonRows(file), dict[str, _Rated]()
    for number, row in rows:
        messages, reply, rating = _parts(row)
        if not messages or not reply or rating is None:
            reading.skipped["row without messages, reply and rating"] += 1
            continue
        key = json.dumps([[message.role, message.content] for message in messages])
        rated.setdefault(key, _Rated(messages, number)).replies.append((rating, reply))
    for entry in rated.values():
        entry.read(file, reading)
    if not rated:
        raise DialogueError(
            "\n".join(
                [
                    f"{file.path}: holds no rated reply. Each line must be an object such as "
                    '{"messages": [...], "reply": "...", "rating": "up"}',
                    *rows.problems,
                ]
            )
        )
    reading.warnings += rows.problems
    return reading


class _Rated:
    """One conversation with all its rated replies."""

    def __init__(self, messages: tuple[Message, ...], number: int) -> None:
        self.messages, self.number = messages, number
        self.replies: list[tuple[float, str]] = []

    def read(self, file: SourceFile, reading: Reading) -> None:
        best, chosen = max(self.replies, key=lambda entry: entry[0])
        worst = min(rating for rating, _ in self.replies)
        if best <= 0 or (best == worst and best < 1):
            reading.skipped["conversation in which no reply was rated well"] += 1
            return
        said = (*self.messages, Message("assistant", chosen))
        identity = dialogue_id(said, file.path.stem)
        reading.dialogues.append(Dialogue(identity, identity, said, "", f"{file.path.name}:{self.number}"))
        before = self.messages[-1].content
        reading.alternatives += [
            Alternative(before, chosen, reply) for rating, reply in self.replies if rating < best
        ]


def _parts(row: Any) -> tuple[tuple[Message, ...], str, float | None]:
    """Messages, reply and rating of a row, empty where they are missing."""
    if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
        return (), "", None
    messages = []
    for turn in row["messages"]:
        role, content = (turn.get("role"), turn.get("content")) if isinstance(turn, dict) else (None, None)
        if role not in ROLES or not isinstance(content, str) or not content.strip():
            return (), "", None
        if role != "system":
            messages.append(Message(role, content.strip()))
    reply = row.get("reply", row.get("response"))
    ends_well = bool(messages) and messages[-1].role == "user"
    return (
        tuple(messages) if ends_well else (),
        reply.strip() if isinstance(reply, str) else "",
        _rating(row.get("rating")),
    )


def _rating(value: Any) -> float | None:
    if isinstance(value, str):
        return THUMBS.get(value.strip().casefold())
    return float(value) if isinstance(value, bool | int | float) and value == value else None
