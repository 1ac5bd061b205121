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
from understudy.dialogue import Dialogue
from understudy.evaluation.arms import Arm
from understudy.evaluation.asking import Asked, ask_arms
from understudy.evaluation.candidates import CRISIS, exchanges
from understudy.evaluation.drift import measure_drift
from understudy.evaluation.gap_closed import Likelihood, score_nll
from understudy.evaluation.likelihoods import score_conversations
from understudy.evaluation.pass_rules import PassRules
from understudy.evaluation.primary import Passed, measure_passed
from understudy.evaluation.probe import Answer, Measured
from understudy.evaluation.probes import ProbeSet, build_probes
from understudy.evaluation.replies import Asker, Progress, RowFile, ask
from understudy.evaluation.scoreboard import score_arm
from understudy.evaluation.settings import Settings
from understudy.evaluation.style import Line
from understudy.evaluation.thresholds import find_thresholds
from understudy.evaluation.yardsticks import Yardsticks, train_yardsticks, training_questions
from understudy.study.material import Material
from understudy.study.measurement import Board
from understudy.study.subset import nested_order

if TYPE_CHECKING:
    from understudy.evaluation import OpenAIConnection

__all__ = ["Bench", "Measures", "arms_of", "open_bench", "study_settings"]

Report = Callable[[Progress], None]
Connect = Callable[[], "OpenAIConnection"]
MOST_CONVERSATIONS = 120
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
    rules: PassRules
    connect: Connect

    def measure(self, arms: Sequence[Arm], place: Path, report: Report = lambda progress: None) -> Measures:
        """Ask and score the arms; replies are kept in ``place``, so a stopped measuring goes on.

        Raises:
            ProviderError: The provider stopped answering. What came before is kept.
        """
        asked = asyncio.run(self._ask(arms, place, report))
        boards: Board = {}
        turns = {}
        for name, answers in asked.answers(self.probes.probes).items():
            boards[name] = self._score(answers, asked.likelihoods[name])
            turns[name] = measure_drift(answers, self.yardsticks.style).by_turn
        return Measures(boards, turns, asked.note)

    async def _ask(self, arms: Sequence[Arm], place: Path, report: Report) -> Asked:
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
            await connection.close()
        return Asked(rows, likelihoods, [], note)

    def _score(self, answers: Sequence[Answer], likelihoods: Sequence[Likelihood]) -> dict[str, Measured]:
        scores = score_arm(answers, likelihoods, self.yardsticks, self.material.character, self.settings)
        passed: dict[str, list[bool]] = {}
        for answer, decision in zip(answers, self.rules.decide(answers), strict=True):
            passed.setdefault(answer.probe.id, []).append(decision.passed)
        shares = Passed({probe: sum(found) / len(found) for probe, found in passed.items()})
        scores["probes_passed"] = measure_passed(shares, self.probes.probes)
        later = [item for item in likelihoods if int(item.id.rsplit("#", 1)[1]) >= LATER_PLACE]
        return {**scores, "nll_later": score_nll(later, self.settings.seed)}

    def sha256(self) -> str:
        """Hash of what is asked and how."""
        return hashlib.sha256(f"{self.probes.sha256()}{self.settings.sha256()}".encode()).hexdigest()


def study_settings(material: Material, *, quick: bool = True, concurrency: int = 16) -> Settings:
    """How much is asked of every cell: the development probes, which a choice may be made on.

    ``quick`` asks each once and holds few conversations; otherwise as much as a verdict asks of them.
    """
    settings = Settings(
        concurrency=concurrency, probe_set="development", scored_conversations=MOST_CONVERSATIONS
    )
    if quick:
        settings = replace(settings, replies_per_probe=1, further=40, scripts=3, script_turns=8)
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
    probes = _choose_probes(material, settings)
    write_jsonl(place / "probes.jsonl", probes.rows())
    lines = asyncio.run(_plain_lines(material, place, connect, base, settings, report))
    yardsticks = train_yardsticks(material.character, material.pool, lines, settings.seed)
    thresholds = find_thresholds(yardsticks.style, yardsticks.matcher)
    rules = PassRules(material.character, yardsticks.sheet, thresholds)
    return Bench(material, settings, probes, yardsticks, rules, connect)


def _choose_probes(material: Material, settings: Settings) -> ProbeSet:
    """Development probes, in each category as many as a final set has: a study needs the power."""
    made = build_probes(material.character, material.pool, material.held_out, "development", one_in=1)
    further = [probe for probe in made.probes if probe.part == "further"]
    return replace(
        made,
        probes=(*made.single(), *further[: settings.further]),
        scripts=tuple(s.first(settings.script_turns) for s in made.scripts[: settings.scripts]),
        conversations=_conversations(material)[: settings.scored_conversations],
    )


def _conversations(material: Material) -> tuple[Dialogue, ...]:
    """Held-out dialogues in which somebody is answered, spread over categories and groups."""
    answered = [d for d in material.held_out if d.category != CRISIS and next(exchanges(d), None)]
    return tuple(nested_order(answered, seed=0))


async def _plain_lines(
    material: Material, place: Path, connect: Connect, base: str, settings: Settings, report: Report
) -> list[Line]:
    questions = training_questions(material.pool, settings.style_questions)
    untuned = Arm("cheap+none", base, base, "none", "")
    file, connection = RowFile(place / "plain_replies.jsonl"), connect()
    try:
        rows = await ask(Asker(connection, settings, file), [untuned], questions, report)
    finally:
        file.close()
        await connection.close()
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
