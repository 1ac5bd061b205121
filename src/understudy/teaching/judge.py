"""Judge: a model grades finished conversations; its instruction is a text file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from understudy.errors import ConfigError
from understudy.evaluation.connection import RequestRefused
from understudy.teaching.budget import BudgetReached
from understudy.teaching.calls import Desk
from understudy.teaching.corpus import Place
from understudy.teaching.settings import TeachingSettings
from understudy.teaching.teacher import Written

__all__ = ["Grade", "Judge", "grade_dialogues", "read_grade"]

MOST_TOKENS = 200
FIELDS = ("{name}", "{prompt}")


@dataclass(frozen=True)
class Grade:
    """1 (useless) to 5; the weakest reply, counted from 1, and what is wrong with it."""

    grade: int
    worst: int
    reason: str


@dataclass(frozen=True)
class Judge:
    """Who grades, with which instruction; a grade below ``at_least`` refuses the weakest reply."""

    model: str
    name: str
    prompt: str
    at_least: int = 3
    file: Path | None = None

    def instruction(self) -> str:
        """The text file with the character filled in.

        Raises:
            ConfigError: The file cannot be read, or does not say whom it is about.
        """
        if self.file is None:
            text = (files("understudy.teaching") / "data" / "judge.txt").read_text(encoding="utf-8")
        else:
            try:
                text = self.file.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(
                    f"{self.file}: cannot be read ({error}). Name a text file in UTF-8."
                ) from error
            if FIELDS[1] not in text:
                raise ConfigError(
                    f"{self.file}: write {FIELDS[1]} where the character's long prompt belongs."
                )
        return text.replace(FIELDS[0], self.name).replace(FIELDS[1], self.prompt)


def read_grade(text: str) -> Grade | None:
    """The grade in a judge's answer, or ``None`` where it gives none."""
    found = {
        key: match[1].strip()
        for key in ("GRADE", "WORST", "REASON")
        if (match := re.search(rf"^\W*{key}\W*:\W*(.+)$", text, re.MULTILINE | re.IGNORECASE))
    }
    grade = re.search(r"[1-5]", found.get("GRADE", ""))
    worst = re.search(r"\d+", found.get("WORST", ""))
    if grade is None:
        return None
    return Grade(int(grade[0]), int(worst[0]) if worst else 1, found.get("REASON", "")[:200])


async def grade_dialogues(
    judge: Judge, desk: Desk, written: Sequence[Written], settings: TeachingSettings
) -> tuple[dict[Place, str], list[Grade | None]]:
    """Faults by place, and each conversation's grade; ``None`` where the judge gave none.

    Raises:
        Stopped, ProviderError: The judge could not be asked to the end.
    """
    import asyncio

    instruction = judge.instruction()
    grades: list[Grade | None] = [None] * len(written)
    waiting = iter(enumerate(written))
    faults: list[Exception] = []

    async def work() -> None:
        for number, one in waiting:
            if faults:
                return
            try:
                grades[number] = await _grade(judge, instruction, desk, one, settings)
            except BudgetReached:
                return
            except Exception as fault:
                desk.stop()
                faults.append(fault)

    await asyncio.gather(*(work() for _ in range(min(settings.concurrency, len(written)))))
    if faults:
        raise faults[0]
    refused = {}
    for number, (one, grade) in enumerate(zip(written, grades, strict=True)):
        turns = [t for t, e in enumerate(one.exchanges) if e.reply is not None and not e.by_student]
        if grade is not None and grade.grade < judge.at_least and turns:
            turn = turns[min(len(turns), max(1, grade.worst)) - 1]
            refused[number, turn] = f"judge gave {grade.grade}: {grade.reason}"
    return refused, grades


async def _grade(
    judge: Judge, instruction: str, desk: Desk, written: Written, settings: TeachingSettings
) -> Grade | None:
    said = written.messages()
    if not any(m.role == "assistant" and m.weight != 0 for m in said):
        return None
    number, rows = 0, []
    for message in said:
        number += message.role == "assistant" and message.weight != 0
        speaker = f"{judge.name} (reply {number})" if message.role == "assistant" else "User"
        rows.append(f"{speaker}: {message.content}")
    messages = [{"role": "system", "content": instruction}, {"role": "user", "content": "\n".join(rows)}]
    try:
        answer = await desk.ask(
            judge.model,
            messages,
            temperature=0.0,
            max_tokens=MOST_TOKENS,
            seed=settings.seed_of(f"{written.outline.id}/judge", 0, 0),
        )
    except RequestRefused:
        return None
    return read_grade(answer.text)
