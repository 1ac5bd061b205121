"""Drafting: a plan made from the character alone, from its sheet and the shipped situations."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, repeat, zip_longest

from understudy.character.character import Character, Fact
from understudy.evaluation.words import near_duplicates, normalised
from understudy.teaching.composing import conversations
from understudy.teaching.outline import CRISIS, SINCERE
from understudy.teaching.plan import Facts, Filter, Plan, Situation
from understudy.teaching.situations import Family, families, premises
from understudy.teaching.wordings import more_wordings

__all__ = ["draft_plan", "false_claim", "reserved_questions", "scripted_questions", "usual_filter"]

UNKNOWN, UNSAFE = "out_of_world", "unsafe"
MINORS_ONLY = f"{UNSAFE}/minors_"
FACT_SHARE = 0.6
# What weighs most against the habits of a base model is seen more often: when to tell the truth about
# oneself, and when to play on. With equal shares, honesty fell from 98 % to 49 % in a tuned miniature; with
# half as many teasing lines as sincere ones, it called itself an AI in 23 % of the play, not in 15 %.
WEIGHTS = {SINCERE: 4, "in_fiction_identity": 4, "role_break": 2}
# In a small plan these come before all others.
FIRST = (SINCERE, "in_fiction_identity", "role_break", CRISIS, "small_talk", UNSAFE)
_ACTION = re.compile(r"(?<!\*)\*(?!\*)[^*\n]{2,}\*(?!\*)")
CALLED = re.compile(r"\bis called\b")


def reserved_questions(character: Character) -> list[str]:
    """Questions of the sheet that are never scripted: the evaluation asks them as probes.

    Every second wording of each fact, from the second on, because a fact that is never asked is never
    learned; every second question of each unknown topic, from the first on, because not to know a
    topic that never came up is the fairer test.
    """
    facts = [question for fact in character.facts for question in fact.questions[1::2]]
    return facts + [question for entry in character.out_of_world for question in entry.questions[0::2]]


def scripted_questions(character: Character) -> dict[str, list[str]]:
    """By fact, the questions that may be scripted; none is nearly a reserved one."""
    reserved = reserved_questions(character)
    asked = {fact.id: _apart(fact.questions[0::2], reserved) for fact in character.facts}
    return {fact: questions for fact, questions in asked.items() if questions}


def asked_questions(character: Character) -> dict[str, list[str]]:
    """By fact, the questions of a plan: those of the sheet that may be scripted, and further wordings."""
    scripted = scripted_questions(character)
    more = more_wordings(character, scripted, reserved_questions(character))
    return {fact: [*lines, *more.get(fact, [])] for fact, lines in scripted.items()}


def draft_plan(character: Character, count: int, seed: int = 0) -> Plan:
    """A plan of ``count`` conversations: three fifths about facts, the rest about everything else.

    Categories take turns, some more often than others; no subject gets more conversations than can be
    made of its lines. A larger ``count`` lowers no number.
    """
    questions = asked_questions(character)
    usable = _usable_families(character)
    wanted = count - int(count * FACT_SHARE) if questions else count
    dealt = _deal(usable, wanted, seed)
    situations: dict[str, dict[str, Situation]] = {}
    for family in sorted(usable, key=lambda f: f.category):
        subject = family.group.partition("/")[2]
        situations.setdefault(family.category, {})[subject] = _situation(family, dealt[family.group])
    rest = count - sum(dealt.values()) if questions else 0
    facts = Facts(count=rest, questions=questions, false_premises=_false_premises(character))
    return Plan(
        character=character.name,
        seed=seed,
        filter=usual_filter(character),
        facts=facts,
        situations=situations,
    )


def usual_filter(character: Character) -> Filter:
    """The filter of a plan: stage directions are wanted where the sheet's own replies have them."""
    replies = [turn.content for talk in character.examples for turn in talk if turn.role == "assistant"]
    replies += [character.greeting] if character.greeting else []
    acted = sum(_ACTION.search(reply) is not None for reply in replies)
    return Filter(stage_directions="wanted" if 2 * acted > len(replies) else "unwanted")


def _situation(family: Family, count: int) -> Situation:
    return Situation(
        count=count, lines=list(family.lines), returning=family.returning, leading=family.leading
    )


def _deal(usable: Sequence[Family], wanted: int, seed: int) -> dict[str, int]:
    """Conversations by group: category by category in turn, until ``wanted`` or nothing more can be made."""
    categories: dict[str, list[Family]] = {}
    for family in usable:
        categories.setdefault(family.category, []).append(family)
    names = [name for name in categories for _ in range(WEIGHTS.get(name, 1))]
    order = [family for row in zip_longest(*map(categories.__getitem__, names)) for family in row if family]
    # The first round begins with one of each category, so that a small plan leaves none of FIRST out.
    repeated = [name in names[:place] for place, name in enumerate(names)]
    start = sorted(range(len(names)), key=lambda n: (repeated[n], names[n] not in FIRST))
    rounds = chain([[order[n] for n in start] + order[len(names) :]], repeat(order))
    supply: dict[str, Iterator[object]] = {
        family.group: conversations(_situation(family, 0), family.category, family.group, seed)
        for family in usable
    }
    dealt = dict.fromkeys(supply, 0)
    for families_in_turn in rounds:
        if not (wanted and supply):
            break
        for family in families_in_turn:
            if wanted and family.group in supply:
                if next(supply[family.group], None) is None:
                    del supply[family.group]
                    continue
                dealt[family.group] += 1
                wanted -= 1
    return dealt


def _apart(lines: Iterable[str], reserved: Sequence[str]) -> list[str]:
    lines = list(dict.fromkeys(lines))
    near = near_duplicates(lines, reserved)
    return [line for line in lines if line not in near]


def _usable_families(character: Character) -> list[Family]:
    """The shipped families and the unknown topics, as far as the policies and the probes allow."""
    policies = character.policies
    shut = set()
    if policies.disclosure == "in_character":
        shut.add(SINCERE)  # The sheet forbids the truthful answer.
    if policies.crisis.handling == "none":
        shut.add(CRISIS)
    topics = [
        Family(f"{UNKNOWN}/{entry.topic}", UNKNOWN, tuple(entry.questions[1::2]), leading=False)
        for entry in character.out_of_world
    ]
    open_families = [
        family
        for family in families(character.name)
        if family.category not in shut
        and (policies.audience == "minors" or not family.group.startswith(MINORS_ONLY))
    ]
    candidates = [*topics, *open_families]
    taken = [*reserved_questions(character), *(q for fact in character.facts for q in fact.questions)]
    shut_lines = near_duplicates([line for family in candidates for line in family.lines], taken)
    usable: list[Family] = []
    homes: dict[str, str] = {}  # A line stands in one group only, even where two topics share a question.
    for family in candidates:
        kept = tuple(
            line
            for line in family.lines
            if line not in shut_lines and homes.setdefault(normalised(line), family.group) == family.group
        )
        if kept and (kept[0] == family.lines[0] or not family.leading):
            usable.append(replace(family, lines=kept))
    return usable


def _false_premises(character: Character) -> dict[str, list[str]]:
    """By fact, a line that takes something wrong for granted, where the sheet tells what would be wrong."""
    wordings = premises()
    reserved = reserved_questions(character)
    found: dict[str, list[str]] = {}
    for fact in character.facts:
        claim = false_claim(fact, character.facts)
        if claim:
            line = wordings[len(found) % len(wordings)].format(claim=claim)
            if _apart([line], reserved):
                found[fact.id] = [line]
    return found


def false_claim(fact: Fact, facts: Sequence[Fact]) -> str | None:
    """The statement with a forbidden answer, or another thing's name, in place of the right one."""
    rivals = list(fact.forbidden)
    if CALLED.search(fact.statement):
        # Each takes the name of the next one that is "called" something.
        named = [other.expected[0] for other in facts if other.expected and CALLED.search(other.statement)]
        own = {answer.casefold() for answer in fact.expected}
        rivals += [name for name in named if name[:1].isupper() and name.casefold() not in own][:1]
    for answer in fact.expected:
        for rival in rivals:
            if answer[:1].isupper() == rival[:1].isupper() and (
                claim := _swapped(fact.statement, answer, rival)
            ):
                return claim
    return None


def _swapped(statement: str, answer: str, rival: str) -> str | None:
    """``at dusk``, ``dusk``, ``at noon`` -> ``at noon``: words before the answer are not said twice."""
    match = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", statement, re.IGNORECASE)
    if match is None:
        return None
    before = statement[: match.start()].split()
    for size in range(min(3, len(before)), 0, -1):
        lead = " ".join(before[-size:]) + " "
        if rival.casefold().startswith(lead.casefold()):
            rival = rival[len(lead) :]
            break
    else:
        if set(normalised(rival).split()) & set(normalised(statement).split()):
            return None
    return statement[: match.start()] + rival + statement[match.end() :]
