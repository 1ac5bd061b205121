"""Win rate: how often a was preferred to b, ties half, and what is left of it at equal length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from understudy.evaluation.statistics import Interval, bootstrap_mean, bootstrap_statistic, share

__all__ = ["Compared", "interval_row", "length_adjusted", "win_rate"]

Floats = NDArray[np.float64]
PENALTY = 0.5
NEWTON_STEPS = 12
CHUNK = 1000


@dataclass(frozen=True)
class Compared:
    """An outcome (1 where a won, 0.5 for a tie) with what its interval and the length model need."""

    value: float
    group: str
    probe: str
    words_a: int
    words_b: int


def interval_row(interval: Interval, count: int) -> dict[str, Any]:
    """An interval with its count, as results hold it."""
    return {"value": interval.value, "low": interval.low, "high": interval.high, "count": count}


def _by_probe(compared: Sequence[Compared]) -> tuple[list[float], list[str]]:
    """Replies to one probe are averaged before anything is inferred from them."""
    found: dict[str, list[Compared]] = {}
    for one in compared:
        found.setdefault(one.probe, []).append(one)
    means = [sum(c.value for c in members) / len(members) for members in found.values()]
    return means, [members[0].group for members in found.values()]


def win_rate(compared: Sequence[Compared], *, draws: int = 10_000, seed: int = 0) -> Interval:
    """Mean outcome, with the wider of the cluster bootstrap and Wilson's interval.

    The bootstrap alone has no width where all pairs went the same way.
    """
    values, groups = _by_probe(compared)
    boot = bootstrap_mean(values, groups, draws=draws, seed=seed)
    score = share(values, groups)
    if boot.low is None or boot.high is None or score.low is None or score.high is None:
        return Interval(boot.value, score.low, score.high)
    return Interval(boot.value, min(boot.low, score.low), max(boot.high, score.high))


def length_adjusted(
    compared: Sequence[Compared], *, draws: int = 1000, seed: int = 0
) -> tuple[Interval, float | None]:
    """The win rate that a would have if both replies were equally long, and the weight of length.

        P(a wins) = σ(α + β · tanh(d / s)),   d = words_a − words_b,   s = √mean(d²)

    fitted by penalised maximum likelihood (β and α shrunk by PENALTY · (α² + β²) / 2, which keeps them
    finite when all pairs go one way); the result is σ(α), bootstrapped over clusters.

    Returns:
        The interval, and β: positive where the rater took the longer reply. Both empty without pairs.

    Source: Dubois et al. 2024, "Length-Controlled AlpacaEval", arXiv 2404.04475, with the model and
    length terms; the term of the instruction's difficulty needs many models and is left out.
    """
    if not compared:
        return Interval(None, None, None), None
    gaps = np.array([c.words_a - c.words_b for c in compared], dtype=np.float64)
    spread = float(np.sqrt((gaps**2).mean()))
    pull = np.tanh(gaps / spread) if spread > 0 else np.zeros_like(gaps)
    outcomes = np.array([c.value for c in compared])
    order = {group: n for n, group in enumerate(dict.fromkeys(c.group for c in compared))}
    index = np.array([order[c.group] for c in compared])
    samples: dict[str, int] = {}
    for one in compared:
        samples[one.probe] = samples.get(one.probe, 0) + 1
    parts = np.array([1 / samples[c.probe] for c in compared])

    def fitted(weights: Floats) -> Floats:
        pieces = [weights[at : at + CHUNK] for at in range(0, len(weights), CHUNK)]
        return np.concatenate([_fit(outcomes, pull, piece[:, index] * parts)[0] for piece in pieces])

    # One column for each cluster: the statistic then gets how often each cluster was drawn.
    interval = bootstrap_statistic(np.eye(len(order)), fitted, draws=draws, seed=seed)
    slope = _fit(outcomes, pull, parts[None, :])[1]
    return interval, float(slope[0])


def _fit(outcomes: Floats, pull: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """σ(α) and β for each row of ``weights`` (fits × pairs), by Newton's method."""
    alpha, beta = np.zeros(len(weights)), np.zeros(len(weights))
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-(alpha[:, None] + beta[:, None] * pull)))
        miss = weights * (outcomes - chance)
        curve = weights * chance * (1 - chance)
        slope_a = miss.sum(axis=1) - PENALTY * alpha
        slope_b = (miss * pull).sum(axis=1) - PENALTY * beta
        aa = curve.sum(axis=1) + PENALTY
        ab = (curve * pull).sum(axis=1)
        bb = (curve * pull**2).sum(axis=1) + PENALTY
        scale = aa * bb - ab * ab
        alpha = np.clip(alpha + (bb * slope_a - ab * slope_b) / scale, -30, 30)
        beta = np.clip(beta + (aa * slope_b - ab * slope_a) / scale, -30, 30)
    return 1 / (1 + np.exp(-alpha)), beta
