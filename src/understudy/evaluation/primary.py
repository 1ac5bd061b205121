"""Primary endpoint: the share of probes passed, and whether tuned+short is not inferior in it.

Fixed before anything is measured: a probe's value is the share of its replies that pass; arms are
compared by the mean paired difference over the probes that both answered; the margin stands in the
settings. Non-inferior means that the lower one-sided 95 % bound lies above minus the margin. The bound is a
bootstrap over families of probes (facts, scenes, paraphrases), because replies within one are alike.

Source: non-inferiority by a confidence bound, ICH E9 (1998) section 3.3.2 and E10; paired
clusters, Miller 2024, arXiv 2411.00640.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from understudy.evaluation.arms import DEPLOYED
from understudy.evaluation.power import Power, clustered_variance, find_power
from understudy.evaluation.probe import CATEGORIES, Measured, Probe
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.statistics import DRAWS, Interval, bootstrap_ratio, share

__all__ = [
    "ENDPOINT",
    "Passed",
    "Primary",
    "Superiority",
    "bounded_difference",
    "find_primary",
    "measure_passed",
]

ENDPOINT = "probes_passed"
CONFIDENCE = 0.95
STAR = "expensive+long"
PROMPTED = "cheap+long"
UNTUNED = "cheap+short"
METHOD = "pass rules fixed beforehand, replies averaged in a probe; interval clustered by family"


@dataclass(frozen=True)
class Passed:
    """Which share of its replies to each probe an arm passed, by probe id."""

    values: Mapping[str, float]


@dataclass(frozen=True)
class Difference:
    """a − b over common probes: two-sided 95 % interval, one-sided 95 % bounds, and what they rest on."""

    interval: Interval
    lower: float | None
    upper: float | None
    variance: float | None
    count: int
    families: int


@dataclass(frozen=True)
class Superiority:
    """Whether the deployed arm passes more than ``b``."""

    b: str
    difference: Interval
    bound: float | None
    conclusion: str

    def as_row(self) -> dict[str, Any]:
        return {
            "b": self.b,
            "difference": _row(self.difference),
            "bound": self.bound,
            "conclusion": self.conclusion,
        }


@dataclass(frozen=True)
class Primary:
    """The endpoint with everything that its conclusion rests on."""

    margin: float
    a: str
    b: str
    b_reason: str | None
    count: int
    families: int
    replies_per_probe: int
    a_rate: Interval
    b_rate: Interval
    difference: Interval
    bound: float | None
    conclusion: str
    power: Power
    superiority: Sequence[Superiority]
    by_category: Sequence[Mapping[str, Any]]
    sentence: str = ""
    seeds: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    def as_row(self) -> dict[str, Any]:
        return {
            "endpoint": ENDPOINT,
            "margin": self.margin,
            "confidence": CONFIDENCE,
            "a": self.a,
            "b": self.b,
            "b_reason": self.b_reason,
            "count": self.count,
            "families": self.families,
            "replies_per_probe": self.replies_per_probe,
            "a_rate": _row(self.a_rate),
            "b_rate": _row(self.b_rate),
            "difference": _row(self.difference),
            "bound": self.bound,
            "conclusion": self.conclusion,
            "sentence": self.sentence,
            "power": self.power.as_row(),
            "superiority": [s.as_row() for s in self.superiority],
            "by_category": list(self.by_category),
            "seeds": list(self.seeds),
        }


def _row(interval: Interval) -> dict[str, float | None]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def bounded_difference(
    differences: Sequence[float], families: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> Difference:
    """Mean difference with bounds from a bootstrap over families.

    Two families of average size with differences of ±√½ are added for the bounds, not for the value:
    without them a bootstrap of thirty equal probes has no width and would claim certainty. For
    unclustered pairs they add what half a pair in each discordant cell adds (Agresti & Min 2005, Stat.
    Med. 24:729). They widen the interval by less than a tenth of a point for 200 families.
    """
    count, clusters = len(differences), len(set(families))
    if count == 0:
        return Difference(Interval(None, None, None), None, None, None, 0, 0)
    value = float(np.mean(differences))
    size = count / clusters
    numerators = [*differences, size * np.sqrt(0.5), -size * np.sqrt(0.5)]
    denominators = [*np.ones(count), size, size]
    padded = [*(f"family {family}" for family in families), "added +", "added -"]

    def bounds(confidence: float) -> Interval:
        if clusters < 3:
            return Interval(value, None, None)
        return bootstrap_ratio(
            numerators, denominators, padded, draws=draws, seed=seed, confidence=confidence
        )

    two_sided, one_sided = bounds(CONFIDENCE), bounds(2 * CONFIDENCE - 1)
    return Difference(
        Interval(value, two_sided.low, two_sided.high),
        one_sided.low,
        one_sided.high,
        clustered_variance(differences, families),
        count,
        clusters,
    )


def measure_passed(passed: Passed, probes: Sequence[Probe]) -> Measured:
    """The share of probes passed as a score of one arm.

        probes_passed = mean over probes of (replies passed / replies given)

    Cannot be computed without answered probes.
    """
    mine = [p for p in probes if p.part == "single" and p.id in passed.values]
    if not mine:
        return Measured(not_computed("no probe was answered", unit="share of probes", method=METHOD))
    values = [passed.values[p.id] for p in mine]
    interval = share(values, [p.group for p in mine])
    score = Score.of(interval, count=len(mine), unit="share of probes", method=METHOD)
    groups = {p.id: p.group for p in mine}
    return Measured(score, dict(zip(groups, values, strict=True)), groups, binary=True)


def find_primary(
    passed: Mapping[str, Passed],
    probes: Sequence[Probe],
    *,
    margin: float,
    replies_per_probe: int,
    draws: int = DRAWS,
    seed: int = 0,
) -> Primary:
    """Compare the deployed arm with the star, or with the prompted cheap model where no star was measured."""
    single = [p for p in probes if p.part == "single"]
    b = STAR if STAR in passed else PROMPTED
    reason = None if b == STAR else "no expensive model was measured, so this says nothing about one"

    def against(other: str) -> Difference:
        mine, theirs = passed[DEPLOYED].values, passed[other].values
        common = [p for p in single if p.id in mine and p.id in theirs]
        gains = [mine[p.id] - theirs[p.id] for p in common]
        return bounded_difference(gains, [p.group for p in common], draws=draws, seed=seed)

    found = against(b)
    conclusion = _conclusion(found, margin)
    rates = {name: measure_passed(passed[name], probes).score for name in (DEPLOYED, b)}
    primary = Primary(
        margin=margin,
        a=DEPLOYED,
        b=b,
        b_reason=reason,
        count=found.count,
        families=found.families,
        replies_per_probe=replies_per_probe,
        a_rate=_interval(rates[DEPLOYED]),
        b_rate=_interval(rates[b]),
        difference=found.interval,
        bound=found.lower,
        conclusion=conclusion,
        power=find_power(found.variance, found.count, margin),
        superiority=[_superiority(name, against(name)) for name in (PROMPTED, UNTUNED) if name in passed],
        by_category=_by_category(passed, single),
    )
    return replace(primary, sentence=_sentence(primary, found))


def _interval(score: Score) -> Interval:
    return Interval(score.value, score.low, score.high)


def _conclusion(found: Difference, margin: float) -> str:
    if found.lower is not None and found.lower > -margin:
        return "non_inferior"
    return "inferior" if found.upper is not None and found.upper < -margin else "not_shown"


def _superiority(b: str, found: Difference) -> Superiority:
    shown = found.lower is not None and found.lower > 0
    return Superiority(b, found.interval, found.lower, "superior" if shown else "not_shown")


def _by_category(passed: Mapping[str, Passed], single: Sequence[Probe]) -> list[dict[str, Any]]:
    """Shares by category, for description only: a category is too small to conclude from."""
    rows = []
    for category in CATEGORIES:
        mine = [p for p in single if p.category == category]
        if not mine:
            continue
        shares = {}
        for name, arm in passed.items():
            given = [p for p in mine if p.id in arm.values]
            shares[name] = _row(share([arm.values[p.id] for p in given], [p.group for p in given]))
        rows.append({"category": category, "count": len(mine), "passed": shares})
    return rows


NAMES = {
    STAR: "the expensive model with the long prompt",
    PROMPTED: "the untuned model with the long prompt",
    UNTUNED: "the untuned model with the same short prompt",
}


def _sentence(primary: Primary, found: Difference) -> str:
    """The conclusion in words. What was not shown is never called equal."""
    points = 100 * primary.margin
    rival = NAMES[primary.b]
    if primary.a_rate.value is None or primary.b_rate.value is None or found.interval.value is None:
        return f"No probe was answered by both arms, so nothing is known against {rival}."
    rates = (
        f"it passes {100 * primary.a_rate.value:.0f} % of {primary.count} probes, {rival} "
        f"{100 * primary.b_rate.value:.0f} %"
    )
    if found.lower is None or found.upper is None:
        return f"Not shown: {rates}; {found.families} families are too few for an interval."
    bound = f"the one-sided 95 % bound of the difference is {100 * found.lower:+.1f} points"
    if primary.conclusion == "non_inferior":
        return (
            f"Shown: the tuned model with its short prompt is not worse than {rival} by {points:g} points or "
            f"more: {rates}; {bound}."
        )
    if primary.conclusion == "inferior":
        return (
            f"Shown to be worse: the tuned model with its short prompt falls more than {points:g} points "
            f"short of {rival}: {rates}; at best it is {100 * found.upper:+.1f} points (one-sided 95 %)."
        )
    return (
        f"Not shown: whether the tuned model stays within {points:g} points of {rival}: {rates}; {bound}."
        + (_size_needed(primary))
    )


def _size_needed(primary: Primary) -> str:
    power = primary.power
    if power.power is None:
        return ""
    text = (
        f" Were the two truly equal, {primary.count} probes would show it with a probability of "
        f"{100 * power.power:.0f} %"
    )
    if power.probes_needed_for_80 and power.probes_needed_for_80 > primary.count:
        text += f"; {power.probes_needed_for_80} probes would with 80 %"
    return text + "."
