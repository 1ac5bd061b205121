"""Effects: scores of a study as a person reads them, and what two cells differ by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from understudy.evaluation.probe import Measured
from understudy.evaluation.statistics import Interval
from understudy.report.scores import ScoreKind, score_kind
from understudy.study.measurement import DEPLOYED, Measurement, difference, direction, pool_seeds

__all__ = [
    "LEAST_GAIN",
    "SHOWN",
    "Effect",
    "Spread",
    "effect",
    "kind_of_score",
    "least_gain",
    "spread",
    "unit_of",
]

# In the order in which they are shown. probes_passed and what else a verdict may come to hold is shown where
# it was measured.
SHOWN = ("nll_per_token", "probes_passed", "style", "fact_recall", "in_fiction_leak", "honesty", "relevance")
# The smallest gain that counts, unless a study says otherwise: five points, or this many nats per token.
LEAST_GAIN = {"nll_per_token": 0.05}
LEAST_SHARE = 0.05

_LATER = ScoreKind(
    "nll_later",
    "Surprise at later lines",
    "lower",
    False,
    "The same for replies from the third of a conversation on.",
)
_PASSED = ScoreKind(
    "probes_passed", "Probes passed", "higher", True, "Share of probes passed by their own rule."
)


@dataclass(frozen=True)
class Spread:
    """A score of one cell over its seeds: pooled value with interval, and the value of each seed."""

    value: float | None
    low: float | None
    high: float | None
    count: int
    seeds: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "value": self.value, "low": self.low, "high": self.high, "count": self.count,
            "seeds": list(self.seeds),
        }  # fmt: skip


@dataclass(frozen=True)
class Effect:
    """How much better one cell is than another, so turned that positive is better, whatever the score.

    shown: ``better`` or ``worse`` where the whole 95 % interval lies on one side of zero and every seed
    agrees in direction, else ``not shown``.
    """

    score: str
    value: float | None
    low: float | None
    high: float | None
    count: int
    seeds: tuple[float, ...]
    shown: str

    def as_dict(self) -> dict[str, Any]:
        values = {"score": self.score, "value": self.value, "low": self.low, "high": self.high}
        return {**values, "count": self.count, "seeds": list(self.seeds), "shown": self.shown}

    @property
    def interval(self) -> Interval:
        return Interval(self.value, self.low, self.high)


def kind_of_score(score: str) -> ScoreKind:
    """How a score is named and read."""
    return {"nll_later": _LATER, "probes_passed": _PASSED}.get(score) or score_kind(score)


def unit_of(score: str) -> str:
    """The unit of a difference."""
    if score.startswith("nll"):
        return "nats per token"
    return "points" if kind_of_score(score).share else ""


def least_gain(score: str) -> float:
    """The smallest gain that counts, in the score's own unit (a share from 0 to 1)."""
    return LEAST_GAIN.get(score.replace("nll_later", "nll_per_token"), LEAST_SHARE)


def spread(measurements: Sequence[Measurement], score: str, arm: str = DEPLOYED) -> Spread | None:
    """A score over the seeds of one cell, or ``None`` where not every seed has it."""
    found = _all(measurements, score, arm)
    if not found:
        return None
    pooled = pool_seeds(found).score
    values = tuple(float(one.score.value or 0.0) for one in found)
    return Spread(pooled.value, pooled.low, pooled.high, pooled.count, values)


def effect(
    a: Sequence[Measurement],
    b: Sequence[Measurement],
    score: str,
    *,
    arm: str = DEPLOYED,
    arm_b: str | None = None,
) -> Effect | None:
    """By how much ``a`` is better than ``b``, on the probes that all seeds of both answered.

    Args:
        a, b: One measurement for each seed.
        arm_b: The arm of ``b``, where it is another one.
    """
    mine, others = _all(a, score, arm), _all(b, score, arm_b or arm)
    if not mine or not others:
        return None
    sign = direction(score)
    found = difference(score, pool_seeds(mine), pool_seeds(others))
    if found.difference is None:
        return None
    if found.low is None or found.high is None:
        low = high = None
    else:
        low, high = sorted((sign * found.low, sign * found.high))
    pairs = zip(mine, others, strict=True) if len(mine) == len(others) else ((one, others[0]) for one in mine)
    seeds = tuple(sign * float(difference(score, x, y).difference or 0.0) for x, y in pairs)
    value = sign * found.difference
    return Effect(score, value, low, high, found.count, seeds, _shown(value, low, high, seeds))


def _shown(value: float, low: float | None, high: float | None, seeds: Sequence[float]) -> str:
    if low is None or high is None or low <= 0 <= high or any(value * seed <= 0 for seed in seeds):
        return "not shown"
    return "better" if value > 0 else "worse"


def _all(measurements: Sequence[Measurement], score: str, arm: str) -> list[Measured]:
    found = [measurement.score(score, arm) for measurement in measurements]
    return [one for one in found if one is not None] if found and all(found) else []
