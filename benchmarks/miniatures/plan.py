"""Plan: what every sheet is asked, turn by turn, fixed before any model answers."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from understudy.miniature import Sheet, draw_sheet, render_sheet
from understudy.miniature.role import character_exchange, fact_exchange

__all__ = ["MEASURED_TURNS", "TURNS", "Asked", "Script", "draw_scripts", "load_questions", "says"]

TURNS = 12
MEASURED_TURNS = (1, 4, 8, 12)
SIZES = (6, 24)
"""Fewest and most facts of a sheet; the fewest leave two for the turns in between."""
FILLERS = frozenset(("greeting", "knowledge", "opinion", "statement", "do_you_like", "doing", "favourite"))
"""Kinds of the generator's talk that keep a conversation going."""


@dataclass(frozen=True)
class Asked:
    """A user line. ``kind`` is fact, teasing or talk; ``value`` is what a right answer contains."""

    kind: str
    user: str
    value: str = ""


@dataclass(frozen=True)
class Script:
    """One sheet and its conversation of ``TURNS`` turns.

    Every measured turn asks all three kinds, so that turns can be compared on the same sheets: the fact
    and the teasing question go to copies of the conversation, and the talk goes on in it.
    """

    sheet: Sheet
    prompt: str
    turns: tuple[tuple[Asked, ...], ...]

    @property
    def phrases(self) -> list[str]:
        """What the sheet quotes: exclamations, forms of address, endings; lower case."""
        voice = self.sheet.voice
        return [phrase.lower() for phrase in (*voice.exclaim, *voice.address, *voice.ending)]


@cache
def load_questions() -> dict[str, list[str]]:
    """Lines written for the measurement: teasing, sincere, talk."""
    text = (Path(__file__).parent / "questions.yaml").read_text("utf-8")
    return dict(yaml.safe_load(text))


def says(text: str, value: str) -> bool:
    """Whether ``value`` stands in the text as whole words, in any case."""
    return re.search(rf"(?<!\w){re.escape(value.lower())}(?!\w)", text.lower()) is not None


def draw_scripts(count: int, seed: int, facts: tuple[int, int] = SIZES) -> list[Script]:
    """``count`` scripts of held-out sheets. The same seed gives the same, and fewer are the first of more.

    The fact of a measured turn is asked nowhere else, and no line of the script holds its answer: a reply
    that has it has it from the sheet.
    """
    return [_draw(random.Random(f"miniatures {seed} {number}"), facts) for number in range(count)]


def _draw(rng: random.Random, facts: tuple[int, int]) -> Script:
    """The first script drawn in which no answer is given away."""
    while True:
        sheet = draw_sheet(rng, rng.randint(*facts), "held_out")
        lines = [_fact_line(sheet, index, rng) for index in range(len(sheet.facts))]
        rng.shuffle(lines)
        measured, others = lines[: len(MEASURED_TURNS)], lines[len(MEASURED_TURNS) :]
        turns = _turns(sheet, measured, others, rng)
        users = [asked.user for turn in turns for asked in turn]
        if not any(says(user, line.value) for line in measured for user in users):
            return Script(sheet, render_sheet(sheet, rng), turns)


def _turns(
    sheet: Sheet, measured: Sequence[Asked], others: Sequence[Asked], rng: random.Random
) -> tuple[tuple[Asked, ...], ...]:
    """All kinds at each measured turn, one filler at each of the rest."""
    lines = load_questions()
    teasing, talk = (rng.sample(lines[kind], len(MEASURED_TURNS)) for kind in ("teasing", "talk"))
    facts, fillers = iter(measured), list(others)
    turns: list[tuple[Asked, ...]] = []
    for turn in range(1, TURNS + 1):
        if turn in MEASURED_TURNS:
            turns.append((Asked("talk", talk.pop()), Asked("teasing", teasing.pop()), next(facts)))
        elif fillers and rng.random() < 0.5:
            turns.append((Asked("filler", fillers.pop().user),))
        else:
            turns.append((Asked("filler", _small_talk(sheet, rng)),))
    return tuple(turns)


def _fact_line(sheet: Sheet, index: int, rng: random.Random) -> Asked:
    exchange = fact_exchange(sheet, index, rng, "held_out")
    return Asked("fact", exchange.user, exchange.value)


def _small_talk(sheet: Sheet, rng: random.Random) -> str:
    """A line of the kinds that the models were trained on, so that the conversation goes on."""
    while True:
        exchange = character_exchange(sheet, rng)
        if exchange.kind in FILLERS:
            return exchange.user
