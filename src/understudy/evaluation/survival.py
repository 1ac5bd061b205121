"""Survival: the share of conversations that have not broken by a turn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["SurvivalCurve", "SurvivalPoint", "kaplan_meier"]


@dataclass(frozen=True)
class SurvivalPoint:
    """After ``turn``: the share without a break, its 95 % interval, and how many were at risk."""

    turn: int
    share: float
    low: float
    high: float
    at_risk: int

    def as_row(self) -> dict[str, float | int]:
        return {
            "turn": self.turn,
            "share": self.share,
            "low": self.low,
            "high": self.high,
            "at_risk": self.at_risk,
        }


@dataclass(frozen=True)
class SurvivalCurve:
    """One point for each turn; ``median_turns`` is the first by which half have broken, if half have."""

    points: tuple[SurvivalPoint, ...]

    @property
    def median_turns(self) -> int | None:
        return next((point.turn for point in self.points if point.share <= 0.5), None)


def kaplan_meier(turns: Sequence[int], broken: Sequence[bool], confidence: float = 0.95) -> SurvivalCurve:
    """The product-limit estimate, turn by turn.

        S(t) = Π_{u ≤ t} (1 − d_u / n_u),   d_u broken at turn u, n_u still whole and watched before it

    ``turns`` holds for each conversation the turn of its first break, or, where ``broken`` is
    false, the last turn that was watched. The interval is Greenwood's variance on the log −log scale,
    which stays inside [0, 1]. Where nothing broke yet, the lower bound is the exact binomial one
    (rule of three), because Greenwood's variance is then 0; where everything broke, likewise above.

    Source: Kaplan & Meier 1958, JASA 53:457; log −log interval: Kalbfleisch & Prentice 1980.
    """
    from scipy.stats import norm

    z = float(norm.ppf(0.5 + confidence / 2))
    whole, variance = 1.0, 0.0
    points: list[SurvivalPoint] = []
    for turn in range(1, max(turns, default=0) + 1):
        at_risk = sum(t >= turn for t in turns)
        breaks = sum(t == turn and b for t, b in zip(turns, broken, strict=True))
        if not at_risk:
            break
        whole *= 1 - breaks / at_risk
        if breaks < at_risk:
            variance += breaks / (at_risk * (at_risk - breaks))
        low, high = _bounds(whole, variance, at_risk, z, confidence)
        points.append(SurvivalPoint(turn, whole, low, high, at_risk))
    return SurvivalCurve(tuple(points))


def _bounds(whole: float, variance: float, at_risk: int, z: float, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    if whole >= 1:
        return tail ** (1 / at_risk), 1.0
    if whole <= 0:
        return 0.0, 1 - tail ** (1 / at_risk)
    width = z * math.sqrt(variance) / abs(math.log(whole))
    return whole ** math.exp(width), whole ** math.exp(-width)
