"""Drift: does the character hold over sixteen turns, and when does it first break?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from understudy.evaluation.detectors import says_it_is_ai
from understudy.evaluation.probe import Answer
from understudy.evaluation.statistics import Interval, bootstrap_statistic
from understudy.evaluation.style import StyleClassifier
from understudy.evaluation.survival import SurvivalCurve, kaplan_meier

__all__ = ["Drift", "measure_drift", "slope_by_turn"]


@dataclass(frozen=True)
class Drift:
    """What happens over the turns of conversations, as a verdict holds it.

    ``slope`` is the change of style per turn. ``survival`` is the share of conversations without a
    break, and ``median_turns`` the turn by which half have broken, ``None`` where fewer have.
    """

    by_turn: list[dict[str, Any]]
    slope: Interval
    survival: SurvivalCurve

    def as_row(self) -> dict[str, Any]:
        slope = {"value": self.slope.value, "low": self.slope.low, "high": self.slope.high}
        return {
            "by_turn": self.by_turn,
            "slope": slope,
            "survival": [point.as_row() for point in self.survival.points],
            "median_turns": self.survival.median_turns,
        }


def measure_drift(
    answers: Sequence[Answer],
    classifier: StyleClassifier | None,
    breaks: Callable[[str], bool] = says_it_is_ai,
    seed: int = 0,
) -> Drift:
    """Style and breaks by turn, over scripted conversations and the probes asked beside them.

    A reply scores the probability of the style classifier, 0 where it breaks the play; without a
    classifier, 1 where it does not break. The slope is the pooled least-squares slope of that score
    on the turn, with a bootstrap over conversations. Time to first break counts the script's own
    turns and the probes beside it; a conversation that was not broken by its last turn is censored
    there. Where no conversation was held, the lists are empty.

    Source: scores by turn after Li et al. 2024, arXiv 2402.10962; time to first break as in
    arXiv 2510.02712; Kaplan & Meier 1958.
    """
    asked = [a for a in answers if a.probe.category in ("drift", "script")]
    broken = {id(a): breaks(a.text) for a in asked}
    styles = classifier.probabilities([a.text for a in asked]) if classifier else [1.0] * len(asked)
    values = [0.0 if broken[id(a)] else style for a, style in zip(asked, styles, strict=True)]
    slope = slope_by_turn([a.probe.turn for a in asked], values, [a.probe.group for a in asked], seed)
    rows = _by_turn(asked, styles if classifier else None, broken)
    return Drift(rows, slope, kaplan_meier(*_first_breaks(asked, broken)))


def _by_turn(
    asked: Sequence[Answer], styles: Sequence[float] | None, broken: Mapping[int, bool]
) -> list[dict[str, Any]]:
    turns: dict[int, list[int]] = {}
    for place, answer in enumerate(asked):
        turns.setdefault(answer.probe.turn, []).append(place)
    return [
        {
            "turn": turn,
            "style": float(np.mean([styles[i] for i in places])) if styles else None,
            "leak": float(np.mean([broken[id(asked[i])] for i in places])),
            "count": len(places),
        }
        for turn, places in sorted(turns.items())
    ]


def slope_by_turn(
    turns: Sequence[int], values: Sequence[float], conversations: Sequence[str], seed: int = 0
) -> Interval:
    """Least-squares slope of the values on the turn, per turn, with an interval over conversations.

    slope = (Σ 1 · Σ t·y − Σ t · Σ y) / (Σ 1 · Σ t² − (Σ t)²)
    """
    if len(set(turns)) < 2:
        return Interval(None, None, None)
    t, y = np.asarray(turns, dtype=np.float64), np.asarray(values, dtype=np.float64)
    order = {c: number for number, c in enumerate(dict.fromkeys(conversations))}
    sums = np.zeros((len(order), 5))
    np.add.at(sums, [order[c] for c in conversations], np.column_stack([np.ones_like(t), t, y, t * y, t * t]))

    def slope(total: np.ndarray) -> np.ndarray:
        n, st, sy, sty, stt = (total[:, i] for i in range(5))
        return np.asarray((n * sty - st * sy) / (n * stt - st * st))

    return bootstrap_statistic(sums, slope, seed=seed)


def _first_breaks(asked: Sequence[Answer], broken: Mapping[int, bool]) -> tuple[list[int], list[bool]]:
    """For each conversation (and sample of it): the turn of its first break, or its last turn."""
    lasting: dict[tuple[str, int], int] = {}
    first: dict[tuple[str, int], int] = {}
    for answer in asked:
        key = answer.probe.group, getattr(answer, "sample", 0)
        lasting[key] = max(lasting.get(key, 0), answer.probe.turn)
        if broken[id(answer)]:
            first[key] = min(first.get(key, answer.probe.turn), answer.probe.turn)
    return [first.get(key, last) for key, last in lasting.items()], [key in first for key in lasting]
