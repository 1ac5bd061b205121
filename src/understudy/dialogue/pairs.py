"""Pairs: questions with their answers, in tables and in instruction files, as short dialogues."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from understudy.dialogue.columns import column_key
from understudy.dialogue.dialogue import Dialogue, Message
from understudy.dialogue.line import Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.scene import dialogue_id
from understudy.dialogue.transcript import read_table
from understudy.textfile import TextFile

__all__ = ["find_pair", "looks_like_pairs", "make_pair", "read_pairs"]

QUESTIONS = ("question", "prompt", "instruction", "query", "user", "human", "input", "context")
ANSWERS = ("answer", "response", "output", "completion", "reply", "assistant", "bot", "chosen")


def looks_like_pairs(path: Path, text: str) -> bool:
    """Whether the first line names a column of questions and one of answers, and no speakers."""
    first = text.lstrip()[:2000].split("\n", 1)[0]
    keys = {column_key(cell.strip('"')) for mark in ",\t;|" for cell in first.split(mark)}
    return bool(keys & set(QUESTIONS)) and bool(keys & set(ANSWERS)) and not keys & {"speaker", "character"}


def read_pairs(path: Path, file: TextFile, options: ImportOptions) -> Reading:
    """Read a dialogue of two messages a row.

    Raises:
        DialogueError: The table cannot be read.
    """
    rows, delimiter = read_table(path, file.text)
    header = [cell.strip() for cell in rows[0][1]]
    keys = [column_key(cell) for cell in header]
    question = next(keys.index(name) for name in QUESTIONS if name in keys)
    answer = next(keys.index(name) for name in ANSWERS if name in keys)
    reading = Reading("questions and answers", warnings=list(file.warnings))
    reading.details = {
        "separator": delimiter,
        "encoding": file.encoding,
        "question column": header[question],
        "answer column": header[answer],
    }
    for number, row in rows[1:]:
        asked, answered = _cell(row, question), _cell(row, answer)
        if asked and answered:
            reading.dialogues.append(make_pair(asked, answered, path, number))
        else:
            reading.skipped["row without question or answer"] += 1
    return reading


def find_pair(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Question and answer of a JSON row such as ``{"instruction", "input", "output"}``."""
    texts = {column_key(name): value.strip() for name, value in row.items() if isinstance(value, str)}
    answer = next((texts[name] for name in ANSWERS if texts.get(name)), None)
    asked = [name for name in QUESTIONS if texts.get(name)]
    if answer is None or not asked:
        return None
    parts = [texts[asked[0]]]
    if asked[0] == "instruction" and "input" in asked:
        parts.append(texts["input"])
    return "\n\n".join(parts), answer


def make_pair(question: str, answer: str, path: Path, number: int) -> Dialogue:
    """A dialogue of two messages. Questions with one answer are a family, and so one group."""
    messages = (Message("user", question), Message("assistant", answer))
    family = hashlib.sha256(answer.casefold().encode("utf-8", "replace")).hexdigest()[:8]
    identity = dialogue_id(messages, path.stem)
    return Dialogue(identity, f"{path.stem}/{family}", messages, "", f"{path.name}:{number}")


def _cell(row: Sequence[str], position: int) -> str:
    return row[position].strip() if position < len(row) else ""
