"""Comparison: the deployed arm against another, probe by probe."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from understudy.evaluation.probe import Measured
from understudy.evaluation.score import DIRECTIONS
from understudy.evaluation.statistics import (
    Interval,
    bootstrap_ratio,
    bootstrap_statistic,
    paired_difference,
    paired_share_difference,
)

__all__ = ["Comparison", "compare"]

POINT_SCORES = frozenset(
    (
        "probes_passed",
        "style",
        "style_topic_free",
        "in_fiction_leak",
        "false_break",
        "honesty",
        "fact_recall",
        "relevance",
    )
)


@dataclass(frozen=True)
class Comparison:
    """``difference`` is a − b on the probes that both answered; ``better`` speaks of a.

    ``better`` is true or false where the 95 % interval lies on one side of 0, else ``None``: then
    nothing is known about which is better, which is not the same as being equal. ``not_worse`` is
    true where the one-sided 95 % bound excludes that a is worse by the margin or more, false where
    the interval excludes that it is not, ``None`` where neither or where no margin is set.
    """

    score: str
    a: str
    b: str
    difference: float | None
    low: float | None
    high: float | None
    count: int
    better: bool | None
    note: str | None = None
    not_worse: bool | None = None

    def as_row(self) -> dict[str, Any]:
        return {
            "score": self.score,
            "a": self.a,
            "b": self.b,
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "count": self.count,
            "better": self.better,
            "not_worse": self.not_worse,
            "note": self.note,
        }


def compare(
    score: str,
    names: tuple[str, str],
    a: Measured,
    b: Measured,
    *,
    margin: float,
    draws: int,
    seed: int,
) -> Comparison:
    """Difference of two arms in one score, paired by probe and clustered by group.

    For the length ratio the difference is of distances from 1: |mean log ratio|. For likelihood it
    is per token and needs one tokenizer.
    """
    common = [key for key in a.values if key in b.values]
    if not common:
        reason = a.score.note if a.score.value is None else b.score.note
        return Comparison(score, *names, None, None, None, 0, None, reason or "no probe was answered by both")
    if a.weights and b.weights and any(a.weights[k] != b.weights[k] for k in common):
        reason = "the models count tokens differently; compare the bits per byte in the scores' notes"
        return Comparison(score, *names, None, None, None, 0, None, reason)

    def interval(confidence: float) -> Interval:
        return _interval(score, a, b, common, draws, seed, confidence)

    gain = interval(0.95)
    sign = DIRECTIONS[score] or -1
    better = bool(sign * (gain.value or 0.0) > 0) if gain.excludes(0.0) else None
    not_worse = _not_worse(interval, sign, margin) if score in POINT_SCORES else None
    note: str | None = None
    if better is None and gain.low is not None:
        note = "not shown either way; that is not the same as equal"
    elif gain.low is None:
        note = "too few groups for an interval"
    return Comparison(score, *names, gain.value, gain.low, gain.high, len(common), better, note, not_worse)


def _interval(
    score: str, a: Measured, b: Measured, common: Sequence[str], draws: int, seed: int, confidence: float
) -> Interval:
    left, right = [a.values[k] for k in common], [b.values[k] for k in common]
    groups = [a.groups[k] for k in common]
    if DIRECTIONS[score] == 0:
        return _distance_difference(left, right, groups, draws, seed, confidence)
    if a.weights:
        tokens = [a.weights[k] for k in common]
        gains = np.subtract(left, right)
        return bootstrap_ratio(gains, tokens, groups, draws=draws, seed=seed, confidence=confidence)
    function = paired_share_difference if a.binary else paired_difference
    return function(left, right, groups, draws=draws, seed=seed, confidence=confidence)


def _distance_difference(
    left: Sequence[float],
    right: Sequence[float],
    groups: Sequence[str],
    draws: int,
    seed: int,
    confidence: float,
) -> Interval:
    """|mean of left| − |mean of right|, clustered."""
    order = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    index = np.array([order[g] for g in groups])
    sums = np.stack(
        [np.bincount(index, weights=np.asarray(v)) for v in (left, right, np.ones(len(left)))], axis=1
    )
    return bootstrap_statistic(
        sums.astype(np.float64),
        lambda total: np.abs(total[:, 0] / total[:, 2]) - np.abs(total[:, 1] / total[:, 2]),
        draws=draws,
        seed=seed,
        confidence=confidence,
    )


def _not_worse(interval: Callable[[float], Interval], sign: int, margin: float) -> bool | None:
    """Non-inferiority at one-sided 95 %: the bound of the two-sided 90 % interval on the bad side."""
    bounds = interval(0.90)
    if bounds.low is None or bounds.high is None or math.isinf(margin):
        return None
    worst, best = sorted((sign * bounds.low, sign * bounds.high))
    if worst > -margin:
        return True
    return False if best < -margin else None
