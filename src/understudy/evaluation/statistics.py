"""Statistics: intervals for shares, for clustered means and ratios, and for paired differences.

Replies to the paraphrases of one fact, or to turns of one conversation, are alike. Every
interval here therefore treats the cluster (fact, conversation, scene) as the unit that was
sampled, not the reply (Miller 2024, "Adding Error Bars to Evals", arXiv 2411.00640).
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "DRAWS",
    "Interval",
    "bootstrap_mean",
    "bootstrap_ratio",
    "bootstrap_statistic",
    "difference_of_shares",
    "paired_difference",
    "paired_share_difference",
    "share",
    "wilson",
]

DRAWS = 10_000
CONFIDENCE = 0.95
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value with the interval around it. Bounds are ``None`` where they cannot be estimated."""

    value: float | None
    low: float | None
    high: float | None

    def excludes(self, point: float) -> bool:
        """Whether the interval exists and ``point`` lies outside it."""
        return self.low is not None and self.high is not None and not self.low <= point <= self.high


def _z(confidence: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(0.5 + confidence / 2))


def wilson(successes: float, count: float, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval for a share: with z the normal quantile and p = successes / count,

        (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n).

    It stays inside [0, 1] and does not collapse at 0 or n successes: 0 of 30 gives [0, 0.114].
    ``count`` may be an effective sample size and need not be whole.

    Source: Wilson 1927, JASA 22:209; recommended by Brown, Cai, DasGupta 2001, Statist. Sci. 16:101.
    """
    if count <= 0:
        return Interval(None, None, None)
    z, p = _z(confidence), successes / count
    scale = 1 + z * z / count
    middle = (p + z * z / (2 * count)) / scale
    half = z * math.sqrt(max(0.0, p * (1 - p) / count + z * z / (4 * count * count))) / scale
    low = 0.0 if successes <= 0 else max(0.0, middle - half)
    high = 1.0 if successes >= count else min(1.0, middle + half)
    return Interval(p, low, high)


def _cluster_index(clusters: Sequence[Hashable]) -> tuple[NDArray[np.intp], int]:
    order: dict[Hashable, int] = {}
    index = np.fromiter(
        (order.setdefault(c, len(order)) for c in clusters), dtype=np.intp, count=len(clusters)
    )
    return index, len(order)


def _sums(values: ArrayLike, index: NDArray[np.intp], clusters: int) -> Floats:
    return np.bincount(index, weights=np.asarray(values, dtype=np.float64), minlength=clusters).astype(
        np.float64
    )


def effective_count(outcomes: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """How many independent replies ``outcomes`` are worth: n / design effect, at least one per cluster.

    The design effect is 1 + (m' − 1) ρ, with ρ the intraclass correlation by one-way analysis
    of variance and m' the mean cluster size weighted by size (Kish 1965, "Survey Sampling",
    section 8.2). It is never taken below 1.
    """
    values = np.asarray(outcomes, dtype=np.float64)
    index, groups = _cluster_index(clusters)
    count = len(values)
    if groups == count or groups < 2:
        return float(groups if groups < 2 else count)
    sizes = np.bincount(index, minlength=groups).astype(np.float64)
    means = _sums(values, index, groups) / sizes
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (groups - 1)
    within = float(((values - means[index]) ** 2).sum()) / (count - groups)
    typical = (count - float((sizes**2).sum()) / count) / (groups - 1)
    spread = between + (typical - 1) * within
    correlation = max(0.0, (between - within) / spread) if spread > 0 else 1.0
    effect = 1 + (float((sizes**2).sum()) / count - 1) * min(1.0, correlation)
    return max(float(groups), count / effect)


def share(
    outcomes: Sequence[float], clusters: Sequence[Hashable], confidence: float = CONFIDENCE
) -> Interval:
    """Share of successes among clustered outcomes of 0 and 1: Wilson at the effective sample size.

    Source: Dean & Pagano 2015, "Evaluating confidence interval methods for binomial
    proportions in clustered surveys", J. Surv. Stat. Methodol. 3:484.
    """
    if not len(outcomes):
        return Interval(None, None, None)
    worth = effective_count(outcomes, clusters)
    return wilson(float(np.mean(outcomes)) * worth, worth, confidence)


@lru_cache(maxsize=16)  # the same clusters are resampled for every arm and score
def _resample(clusters: int, draws: int, seed: int) -> NDArray[np.float32]:
    """How often each cluster is drawn in each bootstrap sample: draws × clusters."""
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)
    return drawn.astype(np.float32)  # Small whole numbers, so nothing is rounded.


def _tails(clusters: int, confidence: float) -> tuple[float, float]:
    """Percentiles that make the bootstrap as wide as Student's t for few clusters.

    The plain percentile interval is too short by √((n−1)/n) · z/t. Taking the percentile
    Φ(−√(n/(n−1)) t) instead mends both ("expanded percentile interval", Hesterberg 2015,
    "What Teachers Should Know About the Bootstrap", Am. Stat. 69:371, section 5.3).
    """
    from scipy.stats import norm, t

    quantile = t.ppf(0.5 + confidence / 2, clusters - 1) * math.sqrt(clusters / (clusters - 1))
    tail = float(norm.cdf(-quantile))
    return 100 * tail, 100 * (1 - tail)


def bootstrap_statistic(
    sums: Floats,
    statistic: Callable[[Floats], Floats],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Cluster bootstrap of any statistic that depends on the data through sums over clusters.

    Args:
        sums: Clusters × columns; what each cluster adds to each column.
        statistic: Takes column totals (… × columns) and returns the value for each row.

    Returns:
        The value, with bounds ``None`` for fewer than three clusters, or where more than one
        draw in twenty is undefined.
    """
    clusters = len(sums)
    if clusters == 0:
        return Interval(None, None, None)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(sums.sum(axis=0)[None, :])[0])
        if clusters < 3 or not math.isfinite(value):
            return Interval(value if math.isfinite(value) else None, None, None)
        totals = _resample(clusters, draws, seed) @ sums.astype(np.float32)
        drawn = statistic(totals.astype(np.float64))
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < 0.95 * draws:
        return Interval(value, None, None)
    low, high = np.percentile(drawn, _tails(clusters, confidence))
    return Interval(value, float(low), float(high))


def bootstrap_ratio(
    numerators: ArrayLike,
    denominators: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Σ numerators / Σ denominators with its cluster-bootstrap interval (nats per token, for example)."""
    index, groups = _cluster_index(clusters)
    sums = np.stack([_sums(numerators, index, groups), _sums(denominators, index, groups)], axis=1)
    return bootstrap_statistic(
        sums, lambda total: total[:, 0] / total[:, 1], draws=draws, seed=seed, confidence=confidence
    )


def bootstrap_mean(
    values: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Mean over all values with its cluster-bootstrap interval."""
    array = np.asarray(values, dtype=np.float64)
    return bootstrap_ratio(
        array, np.ones_like(array), clusters, draws=draws, seed=seed, confidence=confidence
    )


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Mean of a − b over the same probes, bootstrapped over clusters.

    Pairing removes what makes one probe harder than another from the comparison.
    """
    gain = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    return bootstrap_mean(gain, clusters, draws=draws, seed=seed, confidence=confidence)


def difference_of_shares(a: Interval, b: Interval) -> Interval:
    """Difference of two shares from their Wilson intervals, combined by squares:

        low = d − √((p_a − low_a)² + (high_b − p_b)²),  high = d + √((high_a − p_a)² + (p_b − low_b)²).

    Source: Newcombe 1998, Stat. Med. 17:873, method 10. It takes the two as independent,
    which is cautious for replies to the same probes.
    """
    if (
        a.value is None
        or a.low is None
        or a.high is None
        or b.value is None
        or b.low is None
        or b.high is None
    ):
        return Interval(None, None, None)
    gain = a.value - b.value
    low = gain - math.hypot(a.value - a.low, b.high - b.value)
    high = gain + math.hypot(a.high - a.value, b.value - b.low)
    return Interval(gain, max(-1.0, low), min(1.0, high))


def paired_share_difference(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Difference of two shares on the same probes: the wider of the bootstrap and Newcombe's interval.

    The bootstrap alone has no width where all probes agree (0 of 30 against 30 of 30), and
    would claim certainty from thirty replies.
    """
    boot = paired_difference(a, b, clusters, draws=draws, seed=seed, confidence=confidence)
    score = difference_of_shares(share(a, clusters, confidence), share(b, clusters, confidence))
    if boot.low is None or boot.high is None or score.low is None or score.high is None:
        return Interval(boot.value, score.low, score.high)
    return Interval(boot.value, min(boot.low, score.low), max(boot.high, score.high))
