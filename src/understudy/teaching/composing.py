"""Composing: outlines made from the character's sheet and the shipped situations."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count as count_up
from itertools import zip_longest

from understudy.character.character import Character
from understudy.dialogue import Message
from understudy.dialogue.scene import dialogue_id
from understudy.evaluation.words import near_duplicates, normalised
from understudy.teaching.outline import CRISIS, SINCERE, Outline
from understudy.teaching.situations import Family, connectives, families

__all__ = ["FACTS", "compose_outlines", "reserved_questions", "scripted_questions"]

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
UNKNOWN = "out_of_world"
FACT_SHARE = 0.6

TURNS = range(1, 9)
TURN_WEIGHTS = (20, 20, 17, 13, 11, 8, 6, 5)
GREETING_CHANCE, GOODBYE_CHANCE, FOLLOW_UP_CHANCE, CHAT_CHANCE = 0.5, 0.35, 0.25, 0.1
FEWEST_LONG = 5
# What weighs most against the habits of a base model is seen more often: when to tell the truth about
# oneself, and when to play on. With equal shares, honesty fell from 98 % to 49 % in a tuned miniature.
WEIGHTS = {SINCERE: 4, "in_fiction_identity": 2}
TRIES = 50


@dataclass(frozen=True)
class _Question:
    fact: str
    text: str


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


def compose_outlines(character: Character, count: int, seed: int = 0) -> list[Outline]:
    """Outlines of 1 to 8 lines: about facts, spread evenly over them, and about everything else.

    The same sheet and seed give the same outlines, and a smaller ``count`` the beginning of them.
    There may be fewer than asked for: no conversation is made twice.
    """
    by_facts = _fact_outlines(character, random.Random(f"{seed}/facts"))
    by_family = _family_outlines(_usable_families(character), random.Random(f"{seed}/families"))
    outlines: list[Outline] = []
    for number in range(count):
        is_fact = int((number + 1) * FACT_SHARE) > int(number * FACT_SHARE)
        first, second = (by_facts, by_family) if is_fact else (by_family, by_facts)
        outline = next(first, None) or next(second, None)
        if outline is None:
            break
        outlines.append(outline)
    return outlines


def _apart(lines: Iterable[str], reserved: Sequence[str]) -> list[str]:
    lines = list(dict.fromkeys(lines))
    near = near_duplicates(lines, reserved)
    return [line for line in lines if line not in near]


def _made(lines: Sequence[str], group: str, category: str, sincere: Iterable[int] = ()) -> Outline:
    messages = tuple(Message("user", line) for line in lines)
    identity, asked = dialogue_id(messages, "taught"), frozenset(sincere)
    return Outline(identity, group, category, messages, sincere=asked, loose=group == FACTS)


# --- conversations about facts --------------------------------------------------------------------


class _Deck:
    """Questions dealt round after round, one of each fact a round, in an order of chance."""

    def __init__(self, rounds: Sequence[Sequence[_Question]], chance: random.Random) -> None:
        self._rounds = rounds
        self._facts = {card.fact for cards in rounds for card in cards}
        self._chance = chance
        self._cards: list[_Question] = []
        self._round = 0

    def deal(self, facts: set[str], texts: set[str]) -> _Question | None:
        """The next card whose fact and text are not in the conversation; skipped ones stay on top."""
        if self._facts <= facts:
            return None
        for _ in range(len(self._rounds) + 1):
            for place, card in enumerate(self._cards):
                if card.fact not in facts and card.text not in texts:
                    return self._cards.pop(place)
            self._cards += self._shuffled()
        return None

    def _shuffled(self) -> list[_Question]:
        cards = self._rounds[self._round % len(self._rounds)]
        self._round += 1
        return self._chance.sample(cards, len(cards))


def _fact_outlines(character: Character, chance: random.Random) -> Iterator[Outline]:
    """Conversations over one fact or several, without end; none for a sheet without questions."""
    questions = scripted_questions(character)
    if not questions:
        return
    # A round holds one question of every fact: no fact is a question ahead of another.
    longest = max(map(len, questions.values()))
    rounds = [
        [_Question(fact, texts[number % len(texts)]) for fact, texts in questions.items()]
        for number in range(longest)
    ]
    deck = _Deck(rounds, chance)
    reserved = reserved_questions(character)
    joints = {kind: _apart(lines, reserved) for kind, lines in connectives(character.name).items()}
    seen: set[str] = set()
    failures = 0
    while failures < TRIES:
        outline = _made(_fact_lines(deck, joints, chance), FACTS, FACT_CATEGORY)
        failures = failures + 1 if outline.id in seen else 0
        if outline.id not in seen:
            seen.add(outline.id)
            yield outline


def _fact_lines(deck: _Deck, joints: dict[str, list[str]], chance: random.Random) -> list[str]:
    """Perhaps a greeting, questions with follow-ups and small talk between them, perhaps a goodbye."""
    turns = chance.choices(TURNS, TURN_WEIGHTS)[0]
    lines: list[str] = []
    facts: set[str] = set()
    if turns >= 2 and chance.random() < GREETING_CHANCE:
        lines.append(_fresh(joints["greeting"], lines, chance))
    ends = turns - len(lines) >= 2 and chance.random() < GOODBYE_CHANCE
    while len(lines) < turns - ends:
        draw = chance.random()
        if facts and draw < FOLLOW_UP_CHANCE:
            lines.append(_fresh(joints["follow_up"], lines, chance))
        elif facts and draw < FOLLOW_UP_CHANCE + CHAT_CHANCE:
            lines.append(_fresh(joints["chat"], lines, chance))
        elif question := deck.deal(facts, set(lines)):
            facts.add(question.fact)
            lines.append(question.text)
        else:  # A sheet of few facts: all of them were asked already.
            lines.append(_fresh(joints["follow_up"] + joints["chat"], lines, chance))
    if ends:
        lines.append(_fresh(joints["goodbye"], lines, chance))
    return lines


def _fresh(choices: Sequence[str], lines: Sequence[str], chance: random.Random) -> str:
    return chance.choice([line for line in choices if line not in lines])


# --- conversations about everything else -----------------------------------------------------------


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
    open_families = [family for family in families(character.name) if family.category not in shut]
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


def _family_outlines(usable: Sequence[Family], chance: random.Random) -> Iterator[Outline]:
    """A conversation of each family, category by category in turn; then of each another one, and so on."""
    categories: dict[str, list[Family]] = {}
    for family in chance.sample(usable, len(usable)):
        categories.setdefault(family.category, []).append(family)
    rows = [members for name, members in categories.items() for _ in range(WEIGHTS.get(name, 1))]
    order = [family for row in zip_longest(*rows) for family in row if family]
    seen: set[str] = set()
    for _ in count_up():
        fresh = [outline for family in order if (outline := _another(family, seen, chance)) is not None]
        if not fresh:
            return
        yield from fresh


def _another(family: Family, seen: set[str], chance: random.Random) -> Outline | None:
    """A conversation of the family that was not made yet, if it can be found."""
    for _ in range(TRIES):
        lines, sincere = _family_lines(family, chance)
        outline = _made(lines, family.group, family.category, sincere)
        if outline.id not in seen:
            seen.add(outline.id)
            return outline
    return None


def _family_lines(family: Family, chance: random.Random) -> tuple[list[str], list[int]]:
    """Some of the family's lines in their order, and where they sincerely ask for the truth."""
    lines = list(family.lines)
    if family.category == SINCERE:  # The first line leads to the question; the others all ask it.
        lead = lines[:1] if chance.random() < 0.5 and len(lines) > 1 else []
        return [*lead, chance.choice(lines[1:] or lines)], [len(lead)]
    first = lines[:1] if family.leading else []
    rest = lines[len(first) :]
    fewest = min(len(rest), FEWEST_LONG - 1) if len(lines) >= FEWEST_LONG else 1 - len(first)
    most = min(len(rest), TURNS[-1] - len(first))
    size = chance.randint(min(fewest, most), most)
    chosen = sorted(chance.sample(range(len(rest)), size))
    return [*first, *(rest[place] for place in chosen)], []
