"""Gap closed: how much of what the long prompt teaches the cheap model is in the weights.

First the differences with their intervals (``likelihood_gain``), then their ratio, because the ratio
alone hides a prompt that gains next to nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from understudy.evaluation.probe import Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.statistics import Interval, bootstrap_ratio

__all__ = ["Likelihood", "fieller", "score_gap_closed", "score_likelihood_gain", "score_nll"]

METHOD = "real held-out replies scored by the model itself; bootstrap clustered by group"
RATIO_METHOD = "real held-out replies scored by the model itself; Fieller's interval over groups"
STAR_WROTE = "the held-out lines were written by {model}, which favours it and whatever learned from it"
UNIT = "nats per token"


@dataclass(frozen=True)
class Likelihood:
    """What one arm thinks of one real reply: ``nats`` is the negative log-probability."""

    id: str
    group: str
    nats: float
    tokens: int
    bytes: int


def score_nll(likelihoods: Sequence[Likelihood], seed: int = 0) -> Measured:
    """Negative log-likelihood of the real held-out replies, per token.

        NLL = Σ nats / Σ tokens     (the note gives Σ nats / (Σ bytes · ln 2), bits per byte,
                                     which also compares models with different tokenizers)

    The end-of-turn token counts. Cannot be computed where the provider does not score text.
    """
    if not likelihoods:
        return Measured(not_computed("no real reply could be scored", unit=UNIT, method=METHOD))
    nats = [item.nats for item in likelihoods]
    tokens = [item.tokens for item in likelihoods]
    interval = bootstrap_ratio(nats, tokens, [item.group for item in likelihoods], seed=seed)
    bits = sum(nats) / (sum(item.bytes for item in likelihoods) * np.log(2))
    note = f"{bits:.3f} bits per byte over {len(nats)} replies, {sum(tokens)} tokens"
    return Measured(
        Score.of(interval, count=len(nats), unit=UNIT, method=METHOD, note=note),
        values={item.id: item.nats for item in likelihoods},
        groups={item.id: item.group for item in likelihoods},
        weights={item.id: float(item.tokens) for item in likelihoods},
    )


def score_likelihood_gain(
    arm: Sequence[Likelihood], cheap_short: Sequence[Likelihood], seed: int = 0, *, author: str | None = None
) -> Measured:
    """How much likelier the arm finds the real replies than the cheap model with the short prompt does.

        gain = Σ (nats_cheap,short − nats_arm) / Σ tokens,  over the replies that both scored

    Paired by reply. The gain of ``cheap+long`` is what the prompt is worth. ``author`` is the model
    that wrote the held-out lines, where one did: its own words are likely to itself, so the note
    says so. Cannot be computed where nothing was scored, or tokens are counted differently.
    """
    common = _common(arm, cheap_short)
    if not common:
        return Measured(not_computed("no real reply was scored by both arms", unit=UNIT, method=METHOD))
    mine, short = common
    if _tokens_differ(mine, short):
        return Measured(not_computed("the models count tokens differently", unit=UNIT, method=METHOD))
    interval = _difference(short, mine, seed)
    note = STAR_WROTE.format(model=author) if author else None
    return Measured(
        Score.of(interval, count=len(mine), unit=UNIT, method=METHOD, note=note),
        values={a.id: b.nats - a.nats for a, b in zip(mine, short, strict=True)},
        groups={item.id: item.group for item in mine},
        weights={item.id: float(item.tokens) for item in mine},
    )


def score_gap_closed(
    arm: Sequence[Likelihood],
    cheap_short: Sequence[Likelihood],
    cheap_long: Sequence[Likelihood],
    seed: int = 0,
    *,
    author: str | None = None,
) -> Score:
    """Share of the long prompt's gain that the arm has, on the replies that all three scored.

        G = (NLL_cheap,short − NLL_arm) / (NLL_cheap,short − NLL_cheap,long)

    0 is the cheap model with the short prompt, 1 the same with the long prompt; above 1, training
    taught more than the prompt tells. Undefined, and so without a value, where the prompt gains
    nothing: where the 95 % interval of the denominator reaches 0, which is where Fieller's interval
    is unbounded. Needs one tokenizer for all three. The differences stand in ``likelihood_gain``.

    Source: the ratio as used for prompt internalisation (GenPI, arXiv 2411.15927), on likelihood;
    Fieller 1954, J. R. Stat. Soc. B 16:175.
    """
    unit = "share of the prompt's gain"
    common = _common(arm, cheap_short, cheap_long)
    if not common:
        return not_computed("no real reply was scored by all three arms", unit=unit, method=RATIO_METHOD)
    mine, short, long = common
    if _tokens_differ(mine, short, long):
        return not_computed("the models count tokens differently", unit=unit, method=RATIO_METHOD)
    gain, own = _difference(short, long, seed), _difference(short, mine, seed)
    if gain.value is not None and gain.value < 0:
        reason = f"the long prompt makes the real replies less likely: {_text(gain)}"
        return not_computed(reason, unit=unit, method=RATIO_METHOD)
    interval = fieller(_group_sums(short, mine), _group_sums(short, long))
    if interval.low is None:
        reason = f"the long prompt gains nothing that can be told from 0: {_text(gain)}"
        return not_computed(reason, unit=unit, method=RATIO_METHOD)
    note = f"{_text(own)} gained of the prompt's {_text(gain)}"
    note += f"; {STAR_WROTE.format(model=author)}" if author else ""
    return Score.of(interval, count=len(mine), unit=unit, method=RATIO_METHOD, note=note)


def fieller(numerators: np.ndarray, denominators: np.ndarray, confidence: float = 0.95) -> Interval:
    """Interval of Σ numerators / Σ denominators, both given per cluster: all R for which the mean of
    numerator − R · denominator is not told from 0 by Student's t.

        (ā − R b̄)² ≤ t² (v_aa − 2 R v_ab + R² v_bb),   v the covariance of the means over clusters

    Without bounds where the denominator itself is not told from 0: the set is then unbounded. Also
    for fewer than three clusters.

    Source: Fieller 1954, J. R. Stat. Soc. B 16:175.
    """
    from scipy.stats import t

    clusters = len(denominators)
    total = float(np.sum(denominators))
    value = float(np.sum(numerators)) / total if total else None
    if clusters < 3 or value is None:
        return Interval(value, None, None)
    a, b = float(np.mean(numerators)), float(np.mean(denominators))
    covariance = np.cov(numerators, denominators) / clusters
    squared = float(t.ppf(0.5 + confidence / 2, clusters - 1)) ** 2
    square = b * b - squared * covariance[1, 1]
    if square <= 0:
        return Interval(value, None, None)
    linear = a * b - squared * covariance[0, 1]
    root = math.sqrt(max(0.0, linear * linear - square * (a * a - squared * covariance[0, 0])))
    return Interval(value, float((linear - root) / square), float((linear + root) / square))


def _common(*arms: Sequence[Likelihood]) -> list[list[Likelihood]]:
    """The replies that all arms scored, in one order; empty where there are none."""
    by_id = [{item.id: item for item in items} for items in arms]
    shared = sorted(set.intersection(*(set(items) for items in by_id)))
    return [[items[i] for i in shared] for items in by_id] if shared else []


def _tokens_differ(*arms: Sequence[Likelihood]) -> bool:
    return any(len({item.tokens for item in items}) > 1 for items in zip(*arms, strict=True))


def _group_sums(a: Sequence[Likelihood], b: Sequence[Likelihood]) -> np.ndarray:
    """Nats that b saves against a, summed by group."""
    order = {group: number for number, group in enumerate(dict.fromkeys(item.group for item in a))}
    index = np.array([order[item.group] for item in a])
    return np.bincount(index, weights=np.array([x.nats - y.nats for x, y in zip(a, b, strict=True)]))


def _difference(a: Sequence[Likelihood], b: Sequence[Likelihood], seed: int) -> Interval:
    nats = [x.nats - y.nats for x, y in zip(a, b, strict=True)]
    return bootstrap_ratio(nats, [x.tokens for x in a], [x.group for x in a], seed=seed)


def _text(interval: Interval) -> str:
    if interval.low is None or interval.high is None or interval.value is None:
        return "too few conversations for an interval"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}] nats per token"
