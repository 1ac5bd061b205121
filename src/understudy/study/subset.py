"""Subset: a number of dialogues that looks like all of them, and lies inside every larger subset."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from understudy.dialogue import Dialogue

__all__ = ["nested_order"]


def nested_order(dialogues: Sequence[Dialogue], seed: int) -> list[Dialogue]:
    """All dialogues in an order of which every beginning is a stratified sample.

    Of each category a beginning of N dialogues holds its share of N, give or take one; within a category
    groups take turns, so that a few dialogues are not all of one scene. The same dialogues and seed give the
    same order, whatever order they come in, and a longer beginning holds every shorter one.

    Args:
        dialogues: With ids of their own.
        seed: Another one draws other dialogues.
    """
    categories: dict[str, list[Dialogue]] = defaultdict(list)
    for dialogue in dialogues:
        categories[dialogue.category].append(dialogue)
    placed: list[tuple[float, str, Dialogue]] = []
    for category, members in categories.items():
        # Each category is spread evenly over (0, 1); where it begins is left to the seed, lest small
        # categories all come late.
        shift = _fraction(seed, "shift", category)
        for place, dialogue in enumerate(_by_turns(members, seed)):
            placed.append(((place + shift) / len(members), _digest(seed, "tie", dialogue.id), dialogue))
    return [dialogue for *_, dialogue in sorted(placed, key=lambda entry: entry[:2])]


def _by_turns(members: Sequence[Dialogue], seed: int) -> list[Dialogue]:
    """One of each group, then a second of each, groups and members in an order of the seed."""
    groups: dict[str, list[Dialogue]] = defaultdict(list)
    for dialogue in sorted(members, key=lambda d: _digest(seed, "member", d.id)):
        groups[dialogue.group].append(dialogue)
    rounds = [
        (number, _digest(seed, "group", group), dialogue)
        for group, found in groups.items()
        for number, dialogue in enumerate(found)
    ]
    return [dialogue for *_, dialogue in sorted(rounds, key=lambda entry: entry[:2])]


def _digest(seed: int, *parts: str) -> str:
    text = "\x1f".join((str(seed), *parts))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _fraction(seed: int, *parts: str) -> float:
    """A number from 0 up to 1 that depends on nothing but the parts."""
    return int(_digest(seed, *parts)[:12], 16) / 16**12
