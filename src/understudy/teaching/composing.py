"""Composing: a plan becomes outlines, one for each conversation that is to be written."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from understudy.character.character import Character
from understudy.dialogue import Message
from understudy.dialogue.scene import dialogue_id
from understudy.evaluation.words import near_duplicates
from understudy.teaching.outline import SINCERE, Manner, Outline
from understudy.teaching.plan import Facts, Plan, Situation
from understudy.teaching.situations import LONG, connectives
from understudy.teaching.typing_style import type_line

__all__ = ["FACTS", "Composed", "compose_plan", "conversations"]

# Groups. A split holds out whole groups, about a third of them, and drops each training dialogue that
# repeats a held-out line, or a held-out reply, in nearly the same words. So:
#
# - With a group for each fact, a third of the facts would never be trained, and every conversation over
#   several facts would be dropped for the sake of one that is held out. A group for each wording is no
#   better: two wordings of a question get nearly the same answer.
# - Therefore all conversations about facts are one family and share one group. It is the largest, and
#   the split puts the largest where the most room is, into training: every fact is taught. What the
#   model knows is asked later in the wordings of the sheet that are never scripted.
# - The conversations about anything else have a group for each subject, and no line stands in two
#   groups. Some of these subjects are held out, and style, likelihood and drift are measured on them.
# - Greetings and other connectives get nearly the same reply everywhere, so they stand only in the
#   group of the facts.
FACTS = "facts"
FACT_CATEGORY = "worldview"

TURNS = range(1, 9)
TURN_WEIGHTS = (20, 20, 17, 13, 11, 8, 6, 5)
GREETING_CHANCE, GOODBYE_CHANCE, FOLLOW_UP_CHANCE, CHAT_CHANCE = 0.5, 0.35, 0.25, 0.1
PREMISE_CHANCE = 0.08
FEWEST_LONG = 5
FEWEST_FOR_STUDENT = 3
TRIES = 50
# In these a person says what comes to mind; elsewhere the very words of the plan are the point.
FREE_CATEGORIES = frozenset(
    ("small_talk", "feelings", "comfort", "everyday", "opinions", "relations", "later_than_canon", LONG)
)


@dataclass(frozen=True)
class Composed:
    """Outlines of a plan. ``left_out``: lines that are nearly a probe of the evaluation.

    ``missing``: conversations that could not be made, because none is made twice.
    """

    outlines: list[Outline]
    left_out: list[str]
    missing: int


@dataclass(frozen=True)
class _Said:
    """One line of a conversation about facts."""

    text: str
    fact: str = ""
    is_premise: bool = False
    follows: bool = False


def compose_plan(
    plan: Plan, character: Character, reserved: Sequence[str], *, played: bool = False
) -> Composed:
    """The conversations of a plan, all subjects evenly spread over the whole.

    The same plan gives the same outlines; with higher counts they are among those of the larger plan.

    Args:
        reserved: Questions that are the evaluation's probes; no line is nearly one of them.
        played: Whether a model plays the user and may word free lines anew.
    """
    plan, left_out = _without(plan, reserved)
    composed: list[list[Outline]] = []
    if plan.facts.count:
        composed.append(list(islice(_fact_outlines(plan, character, reserved), plan.facts.count)))
    for category, subjects in plan.situations.items():
        for subject, situation in subjects.items():
            group = f"{category}/{subject}"
            found = conversations(situation, category, group, plan.seed)
            extra = plan.user.extra_turns if played and category == LONG else 0
            composed.append(
                [
                    _family_outline(*row, situation, category, group, extra)
                    for row in islice(found, situation.count)
                ]
            )
    ranked = [
        ((number + 0.5) / len(row), outline.id, outline)
        for row in composed
        for number, outline in enumerate(row)
    ]
    ranked.sort(key=lambda item: item[:2])
    outlines = [_in_manner(outline, plan, played) for *_, outline in ranked]
    return Composed(outlines, left_out, plan.dialogues - len(outlines))


def _without(plan: Plan, reserved: Sequence[str]) -> tuple[Plan, list[str]]:
    """The plan without the lines that the evaluation keeps for itself, and those lines."""
    by_fact = (plan.facts.questions, plan.facts.false_premises)
    asked = [line for table in by_fact for lines in table.values() for line in lines]
    asked += [line for subjects in plan.situations.values() for s in subjects.values() for line in s.lines]
    near = near_duplicates(asked, reserved)
    if not near:
        return plan, []
    facts = plan.facts.model_copy(
        update={
            "questions": _kept(plan.facts.questions, near),
            "false_premises": _kept(plan.facts.false_premises, near),
        }
    )
    situations = {
        category: {
            subject: situation.model_copy(update={"lines": lines})
            for subject, situation in subjects.items()
            if (lines := [line for line in situation.lines if line not in near])
        }
        for category, subjects in plan.situations.items()
    }
    return plan.model_copy(update={"facts": facts, "situations": situations}), list(near)


def _kept(lines: Mapping[str, list[str]], near: Mapping[str, str]) -> dict[str, list[str]]:
    kept = {fact: [line for line in texts if line not in near] for fact, texts in lines.items()}
    return {fact: texts for fact, texts in kept.items() if texts}


def _in_manner(outline: Outline, plan: Plan, played: bool) -> Outline:
    """Somebody of a certain temperament says the lines, typed as that person types."""
    chance = random.Random(f"{plan.seed}/manner/{outline.id}")
    user = plan.user
    manner = Manner(*(_pick(weights, chance) for weights in (user.temperaments, user.typing, user.languages)))
    lines = tuple(
        replace(line, content=type_line(line.content, manner.typing, outline.id)) for line in outline.lines
    )
    free = outline.free if played else frozenset()
    if played and manner.language != Manner.language:  # The plan's lines are English.
        free = frozenset(range(len(lines)))
    student = 0
    if len(lines) >= FEWEST_FOR_STUDENT and chance.random() < plan.student_history:
        student = chance.randint(1, len(lines) - 1)
    return replace(outline, lines=lines, free=free, manner=manner, student_turns=student)


def _pick(weights: Mapping[str, int], chance: random.Random) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]


# --- conversations about facts --------------------------------------------------------------------


class _Deck:
    """Questions dealt round after round, one of each fact a round, in an order of chance."""

    def __init__(self, questions: Mapping[str, Sequence[str]], chance: random.Random) -> None:
        # A round holds one question of every fact: no fact is a question ahead of another.
        longest = max(map(len, questions.values()))
        self._rounds = [
            [_Said(texts[number % len(texts)], fact) for fact, texts in questions.items()]
            for number in range(longest)
        ]
        self._facts = set(questions)
        self._chance = chance
        self._cards: list[_Said] = []
        self._round = 0

    def deal(self, facts: set[str], texts: set[str]) -> _Said | None:
        """The next card whose fact and text are not in the conversation; skipped ones stay on top."""
        if self._facts <= facts:
            return None
        for _ in range(len(self._rounds) + 1):
            for place, card in enumerate(self._cards):
                if card.fact not in facts and card.text not in texts:
                    return self._cards.pop(place)
            self._cards += self._shuffled()
        return None

    def _shuffled(self) -> list[_Said]:
        cards = self._rounds[self._round % len(self._rounds)]
        self._round += 1
        return self._chance.sample(cards, len(cards))


def _fact_outlines(plan: Plan, character: Character, reserved: Sequence[str]) -> Iterator[Outline]:
    """Conversations over one fact or several, without end; none for a plan without questions."""
    facts = plan.facts
    if not facts.questions:
        return
    chance = random.Random(f"{plan.seed}/{FACTS}")
    deck = _Deck(facts.questions, chance)
    joints = {}
    for kind, lines in connectives(character.name).items():
        near = near_duplicates(lines, reserved)
        joints[kind] = [line for line in lines if line not in near]
    seen: set[str] = set()
    failures = 0
    while failures < TRIES:
        said = _fact_lines(deck, facts, joints, chance)
        outline = _outline([line.text for line in said], FACTS, FACT_CATEGORY)
        outline = replace(
            outline,
            loose=True,
            facts=tuple(line.fact for line in said),
            premises=frozenset(place for place, line in enumerate(said) if line.is_premise),
            follows=frozenset(place for place, line in enumerate(said) if line.follows),
            free=frozenset(place for place, line in enumerate(said) if place and not line.fact),
        )
        failures = failures + 1 if outline.id in seen else 0
        if outline.id not in seen:
            seen.add(outline.id)
            yield outline


def _fact_lines(
    deck: _Deck, facts: Facts, joints: dict[str, list[str]], chance: random.Random
) -> list[_Said]:
    """Perhaps a greeting, questions with follow-ups and small talk between them, perhaps a goodbye."""
    turns = chance.choices(TURNS, TURN_WEIGHTS)[0]
    lines: list[_Said] = []
    asked: set[str] = set()

    def join(kind: str) -> None:
        said = {line.text for line in lines}
        text = chance.choice([line for line in joints[kind] if line not in said])
        lines.append(_Said(text, follows=kind == "follow_up"))

    if turns >= 2 and chance.random() < GREETING_CHANCE:
        join("greeting")
    ends = turns - len(lines) >= 2 and chance.random() < GOODBYE_CHANCE
    while len(lines) < turns - ends:
        draw = chance.random()
        wrong = sorted(set(facts.false_premises) - asked)
        if asked and draw < FOLLOW_UP_CHANCE:
            join("follow_up")
        elif asked and draw < FOLLOW_UP_CHANCE + CHAT_CHANCE:
            join("chat")
        elif wrong and draw > 1 - PREMISE_CHANCE:
            fact = chance.choice(wrong)
            lines.append(_Said(chance.choice(facts.false_premises[fact]), fact, is_premise=True))
            asked.add(fact)
        elif question := deck.deal(asked, {line.text for line in lines}):
            asked.add(question.fact)
            lines.append(question)
        else:  # A sheet of few facts: all of them were asked already.
            join(chance.choice(["follow_up", "chat"]))
    if ends:
        join("goodbye")
    return lines


def _outline(lines: Sequence[str], group: str, category: str) -> Outline:
    messages = tuple(Message("user", line) for line in lines)
    return Outline(dialogue_id(messages, "taught"), group, category, messages)


# --- conversations about everything else -----------------------------------------------------------


def conversations(
    situation: Situation, category: str, group: str, seed: int
) -> Iterator[tuple[list[str], frozenset[int]]]:
    """Different conversations that can be made of the lines, and where they sincerely ask for the truth."""
    chance = random.Random(f"{seed}/{group}")
    seen: set[tuple[str, ...]] = set()
    failures = 0
    while failures < TRIES:
        lines, sincere = _family_lines(situation, category, chance)
        failures = failures + 1 if tuple(lines) in seen else 0
        if tuple(lines) not in seen:
            seen.add(tuple(lines))
            yield lines, frozenset(sincere)


def _family_lines(situation: Situation, category: str, chance: random.Random) -> tuple[list[str], list[int]]:
    """Some of the lines in their order."""
    lines = list(situation.lines)
    if category == SINCERE:  # The first line leads to the question; the others all ask it.
        lead = lines[:1] if chance.random() < 0.5 and len(lines) > 1 else []
        return [*lead, chance.choice(lines[1:] or lines)], [len(lead)]
    first = lines[:1] if situation.leading else []
    rest = lines[len(first) :]
    fewest = min(len(rest), FEWEST_LONG - 1) if len(lines) >= FEWEST_LONG else 1 - len(first)
    most = min(len(rest), TURNS[-1] - len(first))
    size = chance.randint(min(fewest, most), most)
    chosen = sorted(chance.sample(range(len(rest)), size))
    return [*first, *(rest[place] for place in chosen)], []


def _family_outline(
    lines: list[str],
    sincere: frozenset[int],
    situation: Situation,
    category: str,
    group: str,
    extra: int,
) -> Outline:
    """The outline with room for what a model adds, and the way back to the first line at its end."""
    outline = _outline(lines, group, category)
    added = random.Random(outline.id).randint(0, extra)
    whole = [*lines, *[""] * added, *([situation.returning] if situation.returning else [])]
    free = range(1, len(lines) + added) if category in FREE_CATEGORIES else ()
    messages = tuple(Message("user", line) for line in whole)
    return replace(outline, lines=messages, sincere=sincere, free=frozenset(free))
