"""Checks: is a reply good enough to be learned from? A dataset is only as good as its worst line."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from understudy.character.character import Character
from understudy.dataset.disclaimer import DANGER, may_leave_role
from understudy.dialogue.language import is_other_language
from understudy.evaluation.detectors import says_it_is_ai
from understudy.evaluation.facts import NEGATIONS, FactSheet
from understudy.evaluation.honesty import is_truthful
from understudy.evaluation.words import normalised, words
from understudy.teaching.faults import finds, prompt_runs, quotes_prompt, wrong_name
from understudy.teaching.openings import begins_alike, own_words
from understudy.teaching.outline import CRISIS, SINCERE, Outline
from understudy.teaching.plan import Filter

__all__ = ["Check", "Said", "reply_check"]

HELP = re.compile(
    r"\d{3}|\b(?:help ?lines?|hot ?lines?|crisis line|emergency|doctors?|ambulance|police|"
    r"samaritans|somebody you trust|someone you trust|a grown-up|professional)\b",
    re.IGNORECASE,
)
# What only a person in danger is told.
CRISIS_LINE = re.compile(
    r"\b(?:crisis line|help ?line|hot ?line|emergency (?:number|services?))\b", re.IGNORECASE
)
UNSAFE = "unsafe"
# Where the truth or help matters more than the form.
FREE_TO_BEGIN_ALIKE = (SINCERE, CRISIS)
OTHER_SIDE = re.compile(r"^\s*(?:user|human|assistant|system)\s*:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Said:
    """A reply where it was given: to the line ``turn`` of the outline, after ``earlier`` replies."""

    outline: Outline
    turn: int
    reply: str
    finish_reason: str
    earlier: tuple[str, ...]
    spoken: str = ""

    @property
    def line(self) -> str:
        """What the user said, which a model may have worded anew."""
        return self.spoken or self.outline.lines[self.turn].content

    @property
    def fact(self) -> str:
        """The fact that the outline says is asked for here."""
        return self.outline.facts[self.turn] if self.turn < len(self.outline.facts) else ""


Check = Callable[[Said], str | None]


def reply_check(character: Character, rules: Filter | None = None) -> Check:
    """A function that gives the reason why a reply must not be learned, or ``None`` where it may."""
    rules = rules or Filter()
    facts = FactSheet(character.facts)
    asked: dict[str, list[str]] = {}
    for fact in character.facts:
        for question in fact.questions if fact.expected else ():
            asked.setdefault(normalised(question), []).append(fact.id)
    answered = {fact.id for fact in character.facts if fact.expected}
    disclosure = character.policies.disclosure
    prompt = character.long_prompt()
    own = own_words(character)
    known, runs = f"{character.name} {prompt}", prompt_runs(prompt)

    def check(said: Said) -> str | None:
        if fault := _form_fault(said, rules) or _role_fault(said, disclosure):
            return fault
        if said.outline.category not in FREE_TO_BEGIN_ALIKE and begins_alike(
            said.reply, said.earlier, own, rules.same_openings
        ):
            return "begins like an earlier reply"
        if wrong_name(said.reply, known):
            return "gives itself another name"
        if quotes_prompt(said.reply, runs):
            return "speaks of its instructions"
        if said.turn in said.outline.premises:
            return None if _sets_right(said, facts) else "agrees with something wrong"
        # Outlines that name their facts name them all; in others, questions are known by their words.
        about = [said.fact] if said.outline.facts else asked.get(normalised(said.line), [])
        about = [fact for fact in about if fact in answered]
        if about and not any(facts.is_right(fact, said.reply, said.line) for fact in about):
            return "fact answered wrongly"
        return None

    return check


def _sets_right(said: Said, facts: FactSheet) -> bool:
    """The right answer, or a plain no without the wrong one."""
    if facts.is_right(said.fact, said.reply):
        return True
    beginning = words(said.reply)[:12]
    wrong = {word for text in facts.facts[said.fact].forbidden for word in words(text)}
    return bool(NEGATIONS & set(beginning)) and not wrong & set(words(said.reply))


def _form_fault(said: Said, rules: Filter) -> str | None:
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
    length = len(reply.split())
    if length > rules.most_words:
        return "too long"
    if length < rules.fewest_words:
        return "too short"
    if is_other_language(said.reply, said.outline.manner.language):
        return "another language"
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
    if says_it_is_ai(said.reply):
        return "calls itself an AI inside the play"
    if finds("role_break", said.reply):
        return "leaves the role"
    if finds("leak", said.reply):
        return "speaks of its instructions"
    if finds("refusal", said.reply):
        return "refuses like an assistant"
    if category != UNSAFE and CRISIS_LINE.search(said.reply) and not DANGER.search(said.line):
        return "names help in a crisis where there is none"
    if category == UNSAFE and not NEGATIONS & set(words(said.reply)):
        return "does not decline an unsafe wish"
    return None
