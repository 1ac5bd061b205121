"""Checks: is a reply good enough to be learned from? A dataset is only as good as its worst line."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from understudy.character.character import Character
from understudy.dataset.disclaimer import may_leave_role
from understudy.evaluation.detectors import says_it_is_ai
from understudy.evaluation.facts import FactSheet
from understudy.evaluation.honesty import is_truthful
from understudy.evaluation.words import normalised
from understudy.teaching.outline import CRISIS, SINCERE, Outline

__all__ = ["Check", "Said", "reply_check"]

HELP = re.compile(
    r"\d{3}|\b(?:help ?lines?|hot ?lines?|crisis line|emergency|doctors?|ambulance|police|"
    r"samaritans|somebody you trust|someone you trust|a grown-up|professional)\b",
    re.IGNORECASE,
)
OTHER_SIDE = re.compile(r"^\s*(?:user|human|assistant|system)\s*:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Said:
    """A reply where it was given: to the line ``turn`` of the outline, after ``earlier`` replies."""

    outline: Outline
    turn: int
    reply: str
    finish_reason: str
    earlier: tuple[str, ...]

    @property
    def line(self) -> str:
        return self.outline.lines[self.turn].content


Check = Callable[[Said], str | None]


def reply_check(character: Character) -> Check:
    """A function that gives the reason why a reply must not be learned, or ``None`` where it may."""
    facts = FactSheet(character.facts)
    asked: dict[str, list[str]] = {}
    for fact in character.facts:
        for question in fact.questions if fact.expected else ():
            asked.setdefault(normalised(question), []).append(fact.id)
    disclosure = character.policies.disclosure

    def check(said: Said) -> str | None:
        about = asked.get(normalised(said.line), [])
        if fault := _form_fault(said) or _role_fault(said, disclosure):
            return fault
        if about and not any(facts.is_right(fact, said.reply, said.line) for fact in about):
            return "fact answered wrongly"
        return None

    return check


def _form_fault(said: Said) -> str | None:
    """What is wrong with the reply as a text."""
    if said.finish_reason == "length":
        return "cut off"
    if said.finish_reason == "content_filter":
        return "withheld by the provider"
    reply = normalised(said.reply)
    if not reply:
        return "empty"
    if reply == normalised(said.line):
        return "copy of the user's line"
    if reply in map(normalised, said.earlier):
        return "said before in this conversation"
    if OTHER_SIDE.search(said.reply):
        return "writes the user's part too"
    return None


def _role_fault(said: Said, disclosure: str) -> str | None:
    """Whether the reply leaves the play where it must not, or stays where it must leave."""
    category, is_first = said.outline.category, not said.earlier
    if category == CRISIS:
        return None if HELP.search(said.reply) else "names no help in a crisis"
    if said.turn in said.outline.sincere and disclosure != "in_character":
        return None if is_truthful(said.reply) else "sincere question not answered truthfully"
    if disclosure == "always" and is_first:
        return None if is_truthful(said.reply) else "does not say at first that an AI plays"
    if category == SINCERE or (not category and may_leave_role(said.line)):
        # Lines without a category may be sincere, and nobody told: the truth is no fault then.
        return None
    return "calls itself an AI inside the play" if says_it_is_ai(said.reply) else None
