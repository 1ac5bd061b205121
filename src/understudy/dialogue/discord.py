"""Discord: a channel exported as JSON.

Source: the JSON of DiscordChatExporter (2.30 to 2.46): ``guild``, ``channel`` and ``messages`` with
``type``, ``timestamp``, ``content`` and ``author``.
"""

import re
from datetime import datetime, timedelta
from typing import Any

from understudy.dialogue.json_rows import JsonRows
from understudy.dialogue.line import Line, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.source_file import SourceFile
from understudy.errors import DialogueError

__all__ = ["looks_like_discord", "read_discord"]

SPOKEN = {"Default", "Reply", "0", "19"}
SILENCE = timedelta(minutes=30)
_EMOJI = re.compile(r"<a?(:\w+:)\d+>")
_MENTION = re.compile(r"<(?:@[!&]?|#)\d+>")
PRIVACY = "A chat log holds what other people wrote. Ask them before you train on it or share the model."


def looks_like_discord(file: SourceFile) -> bool:
    """Whether it is an exported channel, or a bare list of its messages."""
    start = file.head.lstrip()[:20_000]
    return (
        start.startswith(("{", "["))
        and re.search(r'"author"\s*:\s*\{', start) is not None
        and re.search(r'"(?:timestamp|channel|isBot|global_name)"\s*:', start) is not None
    )


def read_discord(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one line a message. Half an hour of silence begins a new conversation, a day a new group.

    Joins, pins, calls and messages without text are left out. A thread within a channel is a conversation of
    its own.

    Raises:
        DialogueError: No message can be read.
    """
    reading = Reading("Discord export", details={"encoding": file.encoding}, warnings=list(file.warnings))
    reading.written = True
    rows, channel = JsonRows(file), _Channel(file, reading, options)
    for number, row in rows:
        if isinstance(row, dict) and isinstance(row.get("messages"), list):
            channel.read_all(_label(row.get("channel")), row)
        else:
            channel.read(row, number)
    if not reading.lines:
        reasons = ", ".join(f"{n} x {why}" for why, n in reading.skipped.most_common())
        raise DialogueError(
            "\n".join(
                [f"{file.path}: holds no message with text ({reasons or 'no messages'}).", *rows.problems]
            )
        )
    reading.warnings += [*rows.problems, PRIVACY]
    if channel.first:
        reading.details["channel"] = channel.first
    reading.details["speaker"] = options.speaker_column or "nickname, else name"
    return reading


class _Channel:
    """Goes through the messages in order, keeping the time of the last one."""

    def __init__(self, file: SourceFile, reading: Reading, options: ImportOptions) -> None:
        self.file, self.reading, self.options = file, reading, options
        self.name, self.first, self.scene = "", "", 0
        self.last: datetime | None = None

    def read_all(self, name: str, row: dict[str, Any], number: int = 0) -> None:
        """The messages of a channel, and then those of each of its threads, as conversations of their own.

        Args:
            number: The message at which the thread began; 0 for the channel itself.
        """
        self.name, self.last, self.scene = name, None, self.scene + 1
        self.first = self.first or name
        messages = row["messages"]
        for position, message in enumerate(messages, 1):
            self.read(message, number or position)
        inner = [
            (thread, number or position)
            for position, message in enumerate(messages, 1)
            if isinstance(message, dict)
            for thread in [message.get("thread")]
        ]
        listed = row.get("threads")
        inner += [(thread, number) for thread in listed] if isinstance(listed, list) else []
        for thread, position in inner:
            if isinstance(thread, dict) and isinstance(thread.get("messages"), list):
                title = _label(thread) or _label(thread.get("channel"))
                self.read_all("/".join(part for part in (name, title) if part), thread, position)

    def read(self, row: Any, number: int) -> None:
        if not isinstance(row, dict):
            self.reading.skipped["message that is not an object"] += 1
            return
        author, text = _author(row.get("author"), self.options.speaker_column), _plain(row)
        if str(row.get("type", "Default")) not in SPOKEN:
            self.reading.skipped["notice (join, pin, call)"] += 1
        elif not text:
            self.reading.skipped["message without text"] += 1
        elif not author:
            self.reading.skipped["message without an author"] += 1
        else:
            time = _time(row.get("timestamp"))
            if time and self.last and abs(time - self.last) > SILENCE:
                self.scene += 1
            self.last = time or self.last
            day = time.date().isoformat() if time else ""
            group = "/".join(part for part in (self.name, day) if part)
            source = f"{self.file.path.name}:{number}"
            self.reading.lines.append(Line(author, text, group, str(self.scene), source))


def _label(channel: Any) -> str:
    name = channel.get("name") if isinstance(channel, dict) else None
    return name.strip() if isinstance(name, str) else ""


def _author(author: Any, key: str | None) -> str:
    """The name that people see, or the one that was asked for."""
    if not isinstance(author, dict):
        return author.strip() if isinstance(author, str) else ""
    names = (key,) if key else ("nickname", "global_name", "name", "username")
    return next(
        (author[n].strip() for n in names if isinstance(author.get(n), str) and author[n].strip()), ""
    )


def _plain(row: dict[str, Any]) -> str:
    """The message without Discord's codes for pictures and people."""
    content = row.get("content")
    text = _EMOJI.sub(r"\1", content if isinstance(content, str) else "")
    return _MENTION.sub("", text).strip()


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=None)
    except ValueError:
        return None
