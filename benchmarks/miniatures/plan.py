"""Plan: what every sheet is asked, turn by turn, fixed before any model answers."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from understudy.miniature import Sheet, draw_sheet, render_sheet
from understudy.miniature.role import character_exchange, fact_exchange

__all__ = ["MEASURED_TURNS", "TURNS", "Asked", "Script", "draw_scripts", "load_questions"]

TURNS = 12
MEASURED_TURNS = (1, 4, 8, 12)
SIZES = (6, 24)


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


def load_questions() -> dict[str, list[str]]:
    """Lines written for the measurement: teasing, sincere, talk."""
    text = (Path(__file__).parent / "questions.yaml").read_text("utf-8")
    return dict(yaml.safe_load(text))


def draw_scripts(count: int, seed: int, facts: tuple[int, int] = SIZES) -> list[Script]:
    """``count`` scripts of held-out sheets. The same seed gives the same, and fewer are the first of more."""
    return [_draw(random.Random(f"miniatures {seed} {number}"), facts) for number in range(count)]


def _draw(rng: random.Random, facts: tuple[int, int]) -> Script:
    lines = load_questions()
    sheet = draw_sheet(rng, rng.randint(*facts), "held_out")
    fact_lines = _fact_lines(sheet, rng)
    teasing = rng.sample(lines["teasing"], len(MEASURED_TURNS))
    talk = rng.sample(lines["talk"], len(MEASURED_TURNS))
    turns: list[tuple[Asked, ...]] = []
    for turn in range(1, TURNS + 1):
        if turn in MEASURED_TURNS:
            fact = [fact_lines[len(turns) % len(fact_lines)]] if fact_lines else []
            turns.append((Asked("talk", talk.pop()), Asked("teasing", teasing.pop()), *fact))
        else:
            turns.append((Asked("filler", _filler(sheet, fact_lines, rng)),))
    return Script(sheet, render_sheet(sheet, rng), tuple(turns))


def _fact_lines(sheet: Sheet, rng: random.Random) -> list[Asked]:
    """A held-out question for every fact, in random order; none that holds its own answer."""
    exchanges = [fact_exchange(sheet, index, rng, "held_out") for index in range(len(sheet.facts))]
    rng.shuffle(exchanges)
    return [Asked("fact", e.user, e.value) for e in exchanges if e.value not in e.user.lower()]


def _filler(sheet: Sheet, facts: Sequence[Asked], rng: random.Random) -> str:
    """A line of the kinds that the models were trained on, so that the conversation goes on."""
    if facts and rng.random() < 0.5:
        return rng.choice(facts).user
    kinds: Any = ("greeting", "knowledge", "opinion", "statement", "do_you_like", "doing", "favourite")
    while True:
        exchange = character_exchange(sheet, rng)
        if exchange.kind in kinds:
            return exchange.user
