"""Diversity: as many different word pairs as the character itself uses?"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from understudy.evaluation.probe import Answer, Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.scores.asked import ordinary
from understudy.evaluation.statistics import Interval
from understudy.evaluation.words import words

__all__ = ["blocks_of_pairs", "score_diversity"]

BUDGETS = (1000, 500, 250)
FEWEST_BLOCKS = 3
UNIT = "distinct-2 of the replies / of the character's own lines"
METHOD = "mean over blocks of whole groups with one fixed number of word pairs; Student's t over blocks"


def score_diversity(answers: Sequence[Answer], real_replies: Sequence[str]) -> Measured:
    """Distinct word pairs of the replies against the character's own lines, at one budget of pairs.

        distinct-2(B) = #(different word pairs) / B within B pairs        ratio = replies' / own lines'

    The budget is fixed because the ratio falls with the amount of text: the largest of 1,000, 500
    and 250 that gives three blocks of both texts. Blocks are made of whole groups, and the interval
    is Student's t over them, because drawing a reply twice, as a bootstrap does, would itself
    repeat. 1 is as varied as the character; nonsense lies above. Cannot be computed for less text.

    Source: distinct-n, Li et al. 2016, arXiv 1510.03055.
    """
    asked = ordinary(answers)
    for budget in BUDGETS:
        mine = blocks_of_pairs([a.text for a in _by_group(asked)], budget)
        own = blocks_of_pairs(real_replies, budget)
        if min(len(mine), len(own)) >= FEWEST_BLOCKS:
            return Measured(_ratio(mine, own, budget, len(asked)))
    return Measured(
        not_computed("too little text for three blocks of 250 word pairs", unit=UNIT, method=METHOD)
    )


def _by_group(answers: Sequence[Answer]) -> list[Answer]:
    """Whole groups one after the other, so that a block holds all replies of a group."""
    order: dict[str, int] = {}
    for answer in answers:
        order.setdefault(answer.probe.group, len(order))
    return sorted(answers, key=lambda a: order[a.probe.group])


def blocks_of_pairs(texts: Sequence[str], budget: int) -> list[float]:
    """distinct-2 of each block of ``budget`` word pairs, in order; what is left over is dropped."""
    found: list[float] = []
    block: list[tuple[str, str]] = []
    for text in texts:
        tokens = words(text)
        block += pairwise(tokens)
        if len(block) >= budget:
            found.append(len(set(block[:budget])) / budget)
            block = []
    return found


def _ratio(mine: Sequence[float], own: Sequence[float], budget: int, count: int) -> Score:
    from scipy.stats import t

    usual = float(np.mean(own))
    value = float(np.mean(mine)) / usual
    # Both means vary; relative variances add (delta method).
    spread = value * float(
        np.sqrt(
            np.var(mine, ddof=1) / len(mine) / np.mean(mine) ** 2 + np.var(own, ddof=1) / len(own) / usual**2
        )
    )
    half = float(t.ppf(0.975, min(len(mine), len(own)) - 1)) * spread
    note = (
        f"distinct-2 {np.mean(mine):.2f} over {len(mine)} blocks of {budget} word pairs; "
        f"the character's own lines {usual:.2f}"
    )
    return Score.of(
        Interval(value, value - half, value + half), count=count, unit=UNIT, method=METHOD, note=note
    )
