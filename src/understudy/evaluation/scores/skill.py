"""Skill: what has nothing to do with the character, before and after tuning."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from understudy.evaluation.probe import Answer, Measured, Probe
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.scores.asked import of_category
from understudy.evaluation.statistics import paired_share_difference, share
from understudy.evaluation.words import normalised, plain, words

__all__ = ["SKILL", "SkillItem", "is_done", "score_skill", "score_skill_lost", "skill_items", "skill_probes"]

SKILL = "skill"
LOW_BASE = 0.2
UNIT = "share of tasks"
METHOD = "rules for each task (answer, form, order); Wilson 95 % interval"
_YES_NO = re.compile(r"\b(yes|aye|yea|indeed|certainly|of course|no|nay|never|not)\b|n't\b", re.I)
_ENTRY = re.compile(r"^\s*(?:[-*•]|\d+[.):])\s*\S", re.M)


@dataclass(frozen=True)
class SkillItem:
    """One task with the rules that a right reply keeps, all of them."""

    id: str
    kind: str
    ask: str
    rules: Mapping[str, Any]

    def is_right(self, reply: str) -> bool:
        return bool(reply.strip()) and all(_RULES[name](reply, value) for name, value in self.rules.items())


def _has_any(reply: str, answers: Sequence[str]) -> bool:
    text = f" {normalised(reply)} "
    return any(f" {normalised(answer)} " in text for answer in answers)


def _says(reply: str, yes: bool) -> bool:
    match = _YES_NO.search(plain(reply))
    return (
        match is not None
        and (match[0].casefold() in ("yes", "aye", "yea", "indeed", "certainly", "of course")) == yes
    )


def _has_items(reply: str, count: int) -> bool:
    """Lines that begin like list entries, or, in one line, as many numbers with a full stop or bracket."""
    inline = len(re.findall(r"(?:^|\s)\d+[.)]\s*\S", reply))
    return count in (len(_ENTRY.findall(reply)), inline)


_RULES: dict[str, Any] = {
    "any": _has_any,
    "none": lambda reply, answers: not _has_any(reply, answers),
    "pattern": lambda reply, pattern: re.search(pattern, plain(reply).strip(), re.I | re.S) is not None,
    "yes": _says,
    "items": _has_items,
    "most_words": lambda reply, most: len(words(reply)) <= most,
}


@lru_cache
def skill_items() -> tuple[SkillItem, ...]:
    """The tasks of ``data/skills.yaml``, kinds in turn, so that a beginning holds some of each."""
    text = (files("understudy.evaluation") / "data" / "skills.yaml").read_text(encoding="utf-8")
    ranked = []
    for kind, rows in yaml.safe_load(text)["items"].items():
        for number, row in enumerate(rows):
            rules = {name: value for name, value in row.items() if name != "ask"}
            ranked.append((number, kind, SkillItem(f"{SKILL}/{kind}/{number}", kind, row["ask"], rules)))
    return tuple(item for *_, item in sorted(ranked, key=lambda r: r[:2]))


def skill_probes() -> list[Probe]:
    """The tasks as probes, each a family of its own."""
    return [
        Probe(item.id, SKILL, item.id, ({"role": "user", "content": item.ask},), part="skill")
        for item in skill_items()
    ]


def is_done(answer: Answer) -> bool:
    """Whether the reply keeps all rules of the task that its probe asks."""
    return any(item.is_right(answer.text) for item in skill_items() if item.id == answer.probe.id)


def score_skill(answers: Sequence[Answer]) -> Measured:
    """Share of small general tasks that are done right, in whatever voice.

        skill = #(replies that keep all rules of their task) / #(tasks)

    Arithmetic, spelling, form, order, common knowledge, reading. Cannot be computed where the tasks
    were not asked.

    Source: verifiable instructions as in IFEval, arXiv 2311.07911, in words for small models.
    """
    known = {item.id: item for item in skill_items()}
    asked = [a for a in of_category(answers, SKILL) if a.probe.id in known]
    if not asked:
        return Measured(not_computed("general tasks were not asked", unit=UNIT, method=METHOD))
    right = [float(is_done(a)) for a in asked]
    interval = share(right, [a.probe.group for a in asked])
    kinds: dict[str, list[float]] = {}
    for answer, value in zip(asked, right, strict=True):
        kinds.setdefault(known[answer.probe.id].kind, []).append(value)
    note = ", ".join(f"{kind} {sum(v) / len(v):.2f}" for kind, v in kinds.items())
    score = Score.of(interval, count=len(right), unit=UNIT, method=METHOD, note=note)
    return Measured.per_answer(score, asked, right, binary=True)


def score_skill_lost(before: Measured, after: Measured, seed: int = 0) -> Score:
    """How much less the arm can do than the untuned model with the same short prompt.

        lost = skill before − skill after,  paired by task

    Cannot be computed where the untuned model does fewer than one task in five: then there is next
    to nothing to lose, and no loss would mean nothing.
    """
    unit = "share of tasks, before less after"
    method = "paired by task; the wider of bootstrap and Newcombe's interval"
    common = [key for key in before.values if key in after.values]
    if not common:
        return not_computed("general tasks were not asked of both", unit=unit, method=method)
    base = before.score.value or 0.0
    if base < LOW_BASE:
        reason = (
            f"low base: the untuned model does {base:.0%} of the tasks, so there is next to nothing to lose"
        )
        return not_computed(reason, unit=unit, method=method)
    interval = paired_share_difference(
        [before.values[k] for k in common],
        [after.values[k] for k in common],
        [before.groups[k] for k in common],
        seed=seed,
    )
    note = f"{base:.2f} before, {after.score.value or 0.0:.2f} after"
    return Score.of(interval, count=len(common), unit=unit, method=method, note=note)
