"""Measuring: a cell's model is asked and scored as in a verdict, on the study's held-out dialogues."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.atomic import write_jsonl
from understudy.evaluation.arms import Arm
from understudy.evaluation.asking import ask_arms, match_answers
from understudy.evaluation.drift import measure_drift
from understudy.evaluation.gap_closed import Likelihood, score_nll
from understudy.evaluation.likelihoods import score_conversations
from understudy.evaluation.probe import Answer, Measured
from understudy.evaluation.probes import ProbeSet, build_probes
from understudy.evaluation.replies import Asker, ask
from understudy.evaluation.row_file import Progress, Row, RowFile
from understudy.evaluation.scoreboard import score_arm
from understudy.evaluation.settings import Settings
from understudy.evaluation.style import Line
from understudy.evaluation.yardsticks import Yardsticks, train_yardsticks, training_questions
from understudy.study.material import Material
from understudy.study.measurement import Board

if TYPE_CHECKING:
    from understudy.evaluation import Connection

__all__ = ["Bench", "Measures", "arms_of", "open_bench", "study_settings"]

Report = Callable[[Progress], None]
Connect = Callable[[], "Connection"]
# Replies from the third of a conversation on, counted in messages after the system prompt.
LATER_PLACE = 5


@dataclass(frozen=True)
class Measures:
    """What one model gave: scores by arm, style and leaks by turn, and a note where something is missing."""

    arms: Board
    by_turn: dict[str, list[dict[str, Any]]]
    note: str | None


@dataclass(frozen=True)
class Bench:
    """Probes and yardsticks that every cell of a study is measured with."""

    material: Material
    settings: Settings
    probes: ProbeSet
    yardsticks: Yardsticks
    connect: Connect

    def measure(self, arms: Sequence[Arm], place: Path, report: Report = lambda progress: None) -> Measures:
        """Ask and score the arms; replies are kept in ``place``, so a stopped measuring goes on.

        Raises:
            ProviderError: The provider stopped answering. What came before is kept.
        """
        rows, likelihoods, note = asyncio.run(self._ask(arms, place, report))
        boards: Board = {}
        turns = {}
        for arm in arms:
            answers = match_answers(rows[arm.name], self.probes.probes)
            boards[arm.name] = self._score(answers, likelihoods[arm.name])
            turns[arm.name] = measure_drift(answers, self.yardsticks.style).by_turn
        return Measures(boards, turns, note)

    async def _ask(
        self, arms: Sequence[Arm], place: Path, report: Report
    ) -> tuple[dict[str, list[Row]], dict[str, list[Likelihood]], str | None]:
        connection = self.connect()
        replies, scores = RowFile(place / "replies.jsonl"), RowFile(place / "likelihoods.jsonl")
        try:
            asker = Asker(connection, self.settings, replies)
            rows = await ask_arms(asker, arms, self.probes, report)
            likelihoods, note = await score_conversations(
                asker, arms, self.probes.conversations, scores, report
            )
        finally:
            replies.close()
            scores.close()
        return rows, likelihoods, note

    def _score(self, answers: Sequence[Answer], likelihoods: Sequence[Likelihood]) -> dict[str, Measured]:
        scores = score_arm(answers, likelihoods, self.yardsticks, self.material.character, self.settings)
        later = [item for item in likelihoods if int(item.id.rsplit("#", 1)[1]) >= LATER_PLACE]
        return {**scores, "nll_later": score_nll(later, self.settings.seed)}

    def sha256(self) -> str:
        """Hash of what is asked and how."""
        return hashlib.sha256(f"{self.probes.sha256()}{self.settings.sha256()}".encode()).hexdigest()


def study_settings(material: Material, *, quick: bool = True, concurrency: int = 16) -> Settings:
    """How much is asked of every cell; ``quick`` is a third of what a verdict asks, once."""
    settings = Settings(concurrency=concurrency)
    if quick:
        settings = replace(
            settings,
            probes=108,
            replies_per_probe=1,
            further=40,
            skills=24,
            scripts=4,
            script_turns=8,
            style_questions=50,
        )
    real = [m.content for d in material.pool for m in d.messages if m.role == "assistant"]
    return settings.with_room_for(real)


def open_bench(
    material: Material,
    place: Path,
    connect: Connect,
    base: str,
    settings: Settings,
    report: Report = lambda progress: None,
) -> Bench:
    """Fix the probes, write them to ``place/probes.jsonl``, and train the yardsticks.

    Args:
        base: The untuned model whose plain answers are what style is told from.

    Raises:
        EvaluationError: Nothing can be asked.
        ProviderError: The base does not answer.
    """
    probes = build_probes(material.character, material.pool, material.held_out).asked(settings)
    write_jsonl(place / "probes.jsonl", probes.rows())
    lines = asyncio.run(_plain_lines(material, place, connect, base, settings, report))
    yardsticks = train_yardsticks(material.character, material.pool, lines, settings.seed)
    return Bench(material, settings, probes, yardsticks, connect)


async def _plain_lines(
    material: Material, place: Path, connect: Connect, base: str, settings: Settings, report: Report
) -> list[Line]:
    questions = training_questions(material.pool, settings.style_questions)
    untuned = Arm("cheap+none", base, base, "none", "")
    file = RowFile(place / "plain_replies.jsonl")
    try:
        rows = await ask(Asker(connect(), settings, file), [untuned], questions, report)
    finally:
        file.close()
    return [Line(row["reply"], row["group"]) for row in rows["cheap+none"] if row["reply"]]


def arms_of(
    material: Material, model: str, base: str, kinds: Sequence[str], whose: str = "tuned"
) -> list[Arm]:
    """Arms of one model, for example ``tuned+short``.

    Args:
        kinds: Of system prompt: ``short``, ``none``, ``long``.
    """
    character = material.character
    prompts = {"short": character.identity_prompt.strip(), "none": "", "long": character.long_prompt()}
    return [Arm(f"{whose}+{kind}", model, base, kind, prompts[kind]) for kind in kinds]


def fingerprint(*parts: Any) -> str:
    """SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
