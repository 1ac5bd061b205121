"""SillyTavern: a chat log, one message a line, with the swipes that were not kept.

Source: SillyTavern's chat files (``chats/NAME/*.jsonl``), 2023 to 2026: a first line with
``user_name`` and ``character_name``, then ``name``, ``is_user``, ``is_system``, ``mes``, ``swipes``
and ``swipe_id``.
"""

import re
from typing import Any

from understudy.dialogue.json_rows import JsonRows
from understudy.dialogue.leftovers import tidy
from understudy.dialogue.line import Alternative, Line, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.source_file import SourceFile
from understudy.errors import DialogueError

__all__ = ["looks_like_silly_tavern", "read_silly_tavern"]

_MARK = re.compile(r'"(?:is_user|character_name)"\s*:')
_MACRO = re.compile(r"\{\{\s*(user|char)\s*\}\}|<(USER|BOT|CHAR)>", re.IGNORECASE)


def looks_like_silly_tavern(file: SourceFile) -> bool:
    """Whether the first lines are SillyTavern's."""
    start = file.head.lstrip()[:20_000]
    return start.startswith(("{", "[")) and bool(_MARK.search(start)) and '"mes"' in start


def read_silly_tavern(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one line a message. Hidden and system messages are left out.

    A swipe that was not kept, and the first version of a reply that was edited, become worse
    replies to the same messages.

    Raises:
        DialogueError: No message can be read.
    """
    reading = Reading("SillyTavern chat", details={"encoding": file.encoding}, warnings=list(file.warnings))
    reading.written = True
    rows, chat = JsonRows(file), _Chat(file, reading)
    for number, row in rows:
        chat.read(row, number)
    if not reading.lines:
        raise DialogueError(
            "\n".join([f"{file.path}: holds no message with 'name' and 'mes'.", *rows.problems])
        )
    if rows.problems:
        reading.skipped["line that is not JSON"] += rows.faults
        reading.warnings += rows.problems
    reading.characters = tuple(chat.characters)
    reading.details |= {"user": chat.user, "character": " / ".join(chat.characters)}
    if reading.alternatives:
        reading.details["swipes"] = f"{len(reading.alternatives)} that were not kept"
    return reading


class _Chat:
    """Goes through the messages, knowing who the user is."""

    def __init__(self, file: SourceFile, reading: Reading) -> None:
        self.file, self.reading = file, reading
        self.user, self.character = "User", ""
        self.characters: dict[str, None] = {}

    def read(self, row: Any, number: int) -> None:
        if not isinstance(row, dict):
            self.reading.skipped["line that is not an object"] += 1
        elif "mes" not in row:
            self.user = _text(row.get("user_name")) or self.user
            self.character = _text(row.get("character_name")) or self.character
        elif row.get("is_system"):
            self.reading.skipped["hidden or system message"] += 1
        else:
            self.message(row, _text(row["mes"]), number)

    def message(self, row: dict[str, Any], text: str, number: int) -> None:
        name = _text(row.get("name"))
        if row.get("is_user"):
            name = self.user = name or self.user
        else:
            name = name or self.character or "Character"
            self.characters[name] = None
        before = self.reading.lines[-1].text if self.reading.lines else ""
        text = self.plain(text, name)
        if not text:
            self.reading.skipped["empty message"] += 1
            return
        if not row.get("is_user"):
            for swipe in self.swipes(row, name):
                if swipe != text:
                    self.reading.alternatives.append(Alternative(before, text, swipe))
        self.reading.lines.append(Line(name, text, "", "", f"{self.file.path.name}:{number}"))

    def swipes(self, row: dict[str, Any], name: str) -> list[str]:
        """Other versions of a message, each once."""
        swipes = row.get("swipes")
        texts = (
            [self.plain(swipe, name) for swipe in swipes if _text(swipe)] if isinstance(swipes, list) else []
        )
        return list(dict.fromkeys(texts))

    def plain(self, text: str, name: str) -> str:
        """The text with SillyTavern's macros filled in."""
        text = _MACRO.sub(lambda m: self.user if (m[1] or m[2]).casefold() == "user" else name, text)
        return tidy(text, self.reading.skipped)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
