"""Pairs: questions with their answers, in tables and in instruction files, as short dialogues."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from understudy.dialogue.columns import column_key
from understudy.dialogue.dialogue import Dialogue, Message
from understudy.dialogue.leftovers import tidy, unwrap
from understudy.dialogue.line import Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.scene import dialogue_id
from understudy.dialogue.source_file import SourceFile
from understudy.dialogue.transcript import TornRows, table_rows
from understudy.errors import DialogueError

__all__ = ["Pair", "find_pair", "looks_like_pairs", "make_pair", "read_pairs", "tidy_pair"]

QUESTIONS = ("question", "prompt", "instruction", "query", "user", "human", "input", "context")
ANSWERS = ("answer", "response", "output", "completion", "reply", "assistant", "bot", "chosen")


@dataclass(frozen=True)
class Pair:
    """A question with its answer, the turns before it, and how the source spells them."""

    question: str
    answer: str
    spelling: str
    history: tuple[tuple[str, str], ...] = ()


def looks_like_pairs(file: SourceFile) -> bool:
    """Whether the first line names a column of questions and one of answers, and no speakers."""
    first = file.head.lstrip("\ufeff \t\n")[:2000].split("\n", 1)[0]
    keys = {column_key(cell.strip('"')) for mark in ",\t;|" for cell in first.split(mark)}
    return bool(keys & set(QUESTIONS)) and bool(keys & set(ANSWERS)) and not keys & {"speaker", "character"}


def read_pairs(file: SourceFile, options: ImportOptions) -> Reading:
    """Read a dialogue of two messages a row.

    Raises:
        DialogueError: The table cannot be read, or has no such columns; those that exist are named.
    """
    rows, delimiter = table_rows(file)
    header = [cell.strip() for cell in next(iter(islice(rows, 1)))[1]]
    question = _column(file.path, header, options.question_column, QUESTIONS, "question")
    answer = _column(file.path, header, options.answer_column, ANSWERS, "answer")
    reading = Reading("questions and answers", warnings=list(file.warnings))
    reading.details = {
        "separator": delimiter,
        "encoding": file.encoding,
        "question column": header[question],
        "answer column": header[answer],
    }
    torn = TornRows(len(header), answer, delimiter)
    for number, row in rows:
        row = torn.whole(row, number)
        asked, answered = _cell(row, question), _cell(row, answer)
        pair = tidy_pair(Pair(asked, answered, "table"), reading.skipped)
        if pair.question and pair.answer:
            reading.dialogues.append(make_pair(pair, file.path, number))
        else:
            reading.skipped["row without question or answer"] += 1
    reading.warnings += torn.warnings(file.path)
    return reading


def _column(path: Path, header: list[str], wanted: str | None, names: Sequence[str], kind: str) -> int:
    keys = [column_key(cell) for cell in header]
    if wanted and column_key(wanted) in keys:
        return keys.index(column_key(wanted))
    if wanted and wanted.strip().isdigit() and 1 <= int(wanted) <= len(header):
        return int(wanted) - 1
    found = None if wanted else next((keys.index(name) for name in names if name in keys), None)
    if found is None:
        missing = f"has no column {wanted!r}" if wanted else f"no column holds {kind}s"
        raise DialogueError(
            f"{path}: {missing}. The columns are: {', '.join(header[:20])}. Use --{kind}-column."
        )
    return found


def find_pair(row: Mapping[str, Any], question: str | None = None, answer: str | None = None) -> Pair | None:
    """Question and answer of a JSON row such as ``{"instruction", "input", "output"}``.

    Args:
        row: One object.
        question, answer: Keys to take instead of the known ones.
    """
    texts = {column_key(name): value.strip() for name, value in row.items() if isinstance(value, str)}
    # Self-Instruct keeps input and output in a list of instances.
    instances = row.get("instances")
    if isinstance(instances, list) and instances and isinstance(instances[0], dict):
        texts |= {key: value.strip() for key, value in instances[0].items() if isinstance(value, str)}
    answers = [column_key(answer)] if answer else ANSWERS
    questions = [column_key(question)] if question else QUESTIONS
    said = next((name for name in answers if texts.get(name)), None)
    asked = [name for name in questions if texts.get(name)]
    if said is None or not asked:
        whole = unwrap(texts.get("text", "")) if not (question or answer) else None
        return Pair(*whole, "text in Alpaca's template") if whole and all(whole) else None
    parts = [texts[asked[0]]]
    if asked[0] == "instruction" and "input" in asked:
        parts.append(texts["input"])
    is_alpaca = asked[0] == "instruction" and said in ("output", "response")
    spelling = "Alpaca (instruction, input and output)" if is_alpaca else f"{asked[0]} and {said}"
    return Pair("\n\n".join(parts), texts[said], spelling, _history(row.get("history")))


def tidy_pair(pair: Pair, found: Counter[str]) -> Pair:
    """The pair without end marks, reasoning, and the template that a question stands in; counted."""
    question, answer = tidy(pair.question, found), tidy(pair.answer, found)
    inner = unwrap(question)
    if inner and inner[0] and not inner[1]:
        found["instruction template (unwrapped)"] += 1
        question = inner[0]
    return replace(pair, question=question, answer=answer)


def _history(turns: Any) -> tuple[tuple[str, str], ...]:
    """Earlier turns, as ``[[question, answer], ...]``."""
    if not isinstance(turns, list):
        return ()
    sound = all(
        isinstance(turn, list)
        and len(turn) == 2
        and all(isinstance(text, str) and text.strip() for text in turn)
        for turn in turns
    )
    return tuple((asked.strip(), said.strip()) for asked, said in turns) if sound else ()


def make_pair(pair: Pair, path: Path, number: int) -> Dialogue:
    """A dialogue of two messages and what went before. Questions with one answer are a family, and so
    one group."""
    messages: list[Message] = []
    for asked, said in (*pair.history, (pair.question, pair.answer)):
        messages += [Message("user", asked), Message("assistant", said)]
    family = hashlib.sha256(pair.answer.casefold().encode("utf-8", "replace")).hexdigest()[:8]
    identity = dialogue_id(messages, path.stem)
    return Dialogue(identity, f"{path.stem}/{family}", tuple(messages), "", f"{path.name}:{number}")


def _cell(row: Sequence[str], position: int) -> str:
    return row[position].strip() if position < len(row) else ""
