"""Comparison: one pair, asked in both orders; whoever changes sides with the order has said nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from understudy.judging.briefing import Briefing, conversation_text
from understudy.judging.pair import Pair, place
from understudy.judging.prompt import load_prompt

__all__ = [
    "ORDERS",
    "Choice",
    "Order",
    "Outcome",
    "combine",
    "compose_comparison",
    "first_order",
    "labels_of",
    "read_choice",
]

Order = Literal["ab", "ba"]
Choice = Literal["a", "b", "tie"]
ORDERS: tuple[Order, Order] = ("ab", "ba")
LABELS = (("1", "2"), ("A", "B"), ("X", "Y"), ("P", "Q"))
_ANSWER = re.compile(r"^\W*BETTER\W*:\W*([A-Za-z0-9]+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Outcome:
    """What one rater said of one pair. ``value`` is 1 where a won, 0 where b won, 0.5 for a tie.

    consistent: Whether both orders agreed; ``None`` where only one was asked.
    first: Share of orders in which the reply that stood first was chosen; ties count half.
    """

    value: float
    consistent: bool | None
    first: float


def labels_of(pair: Pair, seed: int) -> tuple[str, str]:
    """The names of the first and the second reply, the same in both orders."""
    return LABELS[int(place(seed, "labels", pair.id), 16) % len(LABELS)]


def first_order(pair: Pair, seed: int) -> Order:
    """Which order is shown where only one is, and is asked first where both are."""
    return ORDERS[int(place(seed, "order", pair.id), 16) % 2]


def compose_comparison(briefing: Briefing, pair: Pair, order: Order, seed: int) -> list[dict[str, str]]:
    """The request to a judge. Arm names stand nowhere in it."""
    first, second = labels_of(pair, seed)
    system = briefing.filled(load_prompt("pairwise"), first=first, second=second)
    lines = [
        conversation_text(pair, briefing.name),
        "",
        f"Line {first}:\n<line>\n{pair.reply(order[0])}\n</line>",
        "",
        f"Line {second}:\n<line>\n{pair.reply(order[1])}\n</line>",
    ]
    return [{"role": "system", "content": system}, {"role": "user", "content": "\n".join(lines)}]


def read_choice(answer: str, pair: Pair, order: Order, seed: int) -> Choice | None:
    """The side that an answer names, or ``None`` where it names none. The last naming counts."""
    found = _ANSWER.findall(answer)
    if not found:
        return None
    word = found[-1].casefold()
    first, second = (label.casefold() for label in labels_of(pair, seed))
    chosen: dict[str, Choice] = {first: _side(order[0]), second: _side(order[1]), "tie": "tie"}
    return chosen.get(word)


def _side(letter: str) -> Choice:
    return "a" if letter == "a" else "b"


def combine(choices: Mapping[Order, Choice | None]) -> Outcome | None:
    """The outcome of a pair: what both orders agree on, else a tie; ``None`` where an answer is missing.

    One order alone, as a person is shown, counts as it is.

    Source: Zheng et al. 2023, "Judging LLM-as-a-judge", arXiv 2306.05685, section 3.4.
    """
    given = {order: choice for order, choice in choices.items() if choice is not None}
    if not given or len(given) < len(choices):
        return None
    first = sum(0.5 if c == "tie" else float(c == order[0]) for order, c in given.items()) / len(given)
    said = set(given.values())
    value = {"a": 1.0, "b": 0.0, "tie": 0.5}[said.pop()] if len(said) == 1 else 0.5
    consistent = None if len(given) < 2 else len(set(given.values())) == 1
    return Outcome(value, consistent, first)
