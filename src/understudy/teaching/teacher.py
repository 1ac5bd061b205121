"""Teacher: the star answers an outline line by line, and each answer is checked before it is kept."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from understudy.dialogue import Dialogue, Message
from understudy.evaluation import Connection
from understudy.evaluation.connection import RequestRefused
from understudy.teaching.checks import Check, Said
from understudy.teaching.outline import Outline
from understudy.teaching.settings import TeachingSettings

__all__ = ["Row", "Teacher", "dialogue_of", "write_dialogues"]

Row = dict[str, Any]
TOO_LONG = "request refused by the provider"


@dataclass(frozen=True)
class Teacher:
    """The star: a model under the long prompt, and what its replies have to pass."""

    connection: Connection
    model: str
    prompt: str
    check: Check
    settings: TeachingSettings


@dataclass
class _Count:
    """What writing one dialogue took."""

    refused: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


async def write_dialogues(
    teacher: Teacher, outlines: Sequence[Outline], keep: Callable[[Outline, Row], None]
) -> None:
    """Write a dialogue for each outline, several at a time; each is given to ``keep`` when finished.

    Raises:
        ProviderError: The provider stopped answering.
    """
    waiting = iter(outlines)

    async def work() -> None:
        for outline in waiting:
            keep(outline, await _write(teacher, outline))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(teacher.settings.concurrency, len(outlines))):
                group.create_task(work())
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None


async def _write(teacher: Teacher, outline: Outline) -> Row:
    """The dialogue as far as it is good.

    It ends before the first line that got no good reply; loose lines are left out (``None``) instead.
    """
    count = _Count()
    replies: list[str | None] = []
    ended: str | None = None
    started = time.monotonic()
    for turn in range(len(outline.lines)):
        reply, fault = await _reply(teacher, outline, turn, replies, count)
        if fault is not None:
            ended = fault
            if not outline.loose or fault == TOO_LONG:
                break
        replies.append(reply if fault is None else None)
    return {
        "id": outline.id,
        "replies": replies,
        "ended": ended,
        "refused": dict(count.refused),
        "requests": count.requests,
        "prompt_tokens": count.prompt_tokens,
        "completion_tokens": count.completion_tokens,
        "seconds": round(time.monotonic() - started, 3),
    }


async def _reply(
    teacher: Teacher, outline: Outline, turn: int, replies: Sequence[str | None], count: _Count
) -> tuple[str, str | None]:
    """A reply that passes the checks and ``None``; or the last fault, after all repeats."""
    settings = teacher.settings
    messages = [{"role": "system", "content": teacher.prompt}] if teacher.prompt else []
    messages += [message.as_chat() for message in _history(outline, replies)]
    earlier = tuple(reply for reply in replies if reply is not None)
    fault: str | None = None
    for attempt in range(settings.repeats + 1):
        count.requests += 1
        try:
            answer = await teacher.connection.reply(
                teacher.model,
                messages,
                temperature=settings.temperature_of(attempt),
                max_tokens=settings.max_tokens,
                seed=settings.seed_of(outline.id, turn, attempt),
            )
        except RequestRefused:  # Too long for the model; asking again would not make it shorter.
            count.refused[TOO_LONG] += 1
            return "", TOO_LONG
        count.prompt_tokens += answer.prompt_tokens or 0
        count.completion_tokens += answer.completion_tokens or 0
        text = answer.text.strip()
        fault = teacher.check(Said(outline, turn, text, answer.finish_reason, earlier))
        if fault is None:
            return text, None
        count.refused[fault] += 1
    return "", fault


def _history(outline: Outline, replies: Sequence[str | None]) -> list[Message]:
    """Everything said so far; the last message is the line to answer."""
    return [*_said(outline, replies), outline.lines[len(replies)]]


def _said(outline: Outline, replies: Sequence[str | None]) -> list[Message]:
    """Lines with their replies; lines that were left out are not there."""
    messages = list(outline.opening)
    for line, reply in zip(outline.lines, replies, strict=False):
        if reply is not None:
            messages += [line, Message("assistant", reply)]
    return messages


def dialogue_of(outline: Outline, row: Row, model: str) -> Dialogue | None:
    """The finished dialogue, or ``None`` where no line got a good reply."""
    if not any(reply is not None for reply in row["replies"]):
        return None
    messages = _said(outline, row["replies"])
    source = f"written by {model} under the long prompt"
    return Dialogue(outline.id, outline.group, tuple(messages), outline.category, source)
