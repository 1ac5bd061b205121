"""Gap closed: how much of what the long prompt teaches the cheap model is in the weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from understudy.evaluation.probe import Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.statistics import Interval, bootstrap_ratio, bootstrap_statistic

__all__ = ["Likelihood", "score_gap_closed", "score_nll"]

METHOD = "real held-out replies scored by the model itself; bootstrap clustered by group"
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


def score_gap_closed(
    arm: Sequence[Likelihood],
    cheap_short: Sequence[Likelihood],
    cheap_long: Sequence[Likelihood],
    seed: int = 0,
) -> Score:
    """Share of the long prompt's gain that the arm has, on the replies that all three scored.

        G = (NLL_cheap,short − NLL_arm) / (NLL_cheap,short − NLL_cheap,long)

    0 is the cheap model with the short prompt, 1 the same with the long prompt; above 1, training
    taught more than the prompt tells. Undefined, and so without a value, where the prompt gains
    nothing: where the 95 % interval of the denominator includes 0. The interval resamples groups
    for numerator and denominator together. Needs one tokenizer for all three.

    Source: the ratio as used for prompt internalisation (GenPI, arXiv 2411.15927), on likelihood.
    """
    unit = "share of the prompt's gain"
    by_id = [{item.id: item for item in items} for items in (arm, cheap_short, cheap_long)]
    common = sorted(set.intersection(*(set(items) for items in by_id)))
    if not common:
        return not_computed("no real reply was scored by all three arms", unit=unit, method=METHOD)
    mine, short, long = ([items[i] for i in common] for items in by_id)
    if any(len({a.tokens, b.tokens, c.tokens}) > 1 for a, b, c in zip(mine, short, long, strict=True)):
        return not_computed("the models count tokens differently", unit=unit, method=METHOD)
    gain = _difference(short, long, seed)
    if gain.low is None or gain.high is None or gain.low <= 0 <= gain.high or gain.value is None:
        return not_computed(
            f"the long prompt gains nothing that can be told from 0: {_text(gain)}", unit=unit
        )
    if gain.value < 0:
        return not_computed(f"the long prompt makes the real replies less likely: {_text(gain)}", unit=unit)
    own = _difference(short, mine, seed)
    interval = _ratio(mine, short, long, seed)
    note = f"{_text(own)} gained of the prompt's {_text(gain)}"
    return Score.of(interval, count=len(common), unit=unit, method=METHOD, note=note)


def _sums(items: Mapping[str, Sequence[float]], groups: Sequence[str]) -> np.ndarray:
    order = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    index = np.array([order[group] for group in groups])
    return np.stack([np.bincount(index, weights=np.asarray(column)) for column in items.values()], axis=1)


def _difference(a: Sequence[Likelihood], b: Sequence[Likelihood], seed: int) -> Interval:
    nats = [x.nats - y.nats for x, y in zip(a, b, strict=True)]
    return bootstrap_ratio(nats, [x.tokens for x in a], [x.group for x in a], seed=seed)


def _ratio(
    mine: Sequence[Likelihood], short: Sequence[Likelihood], long: Sequence[Likelihood], seed: int
) -> Interval:
    columns = {
        "own": [a.nats - b.nats for a, b in zip(short, mine, strict=True)],
        "prompt": [a.nats - b.nats for a, b in zip(short, long, strict=True)],
    }
    sums = _sums(columns, [item.group for item in short])
    return bootstrap_statistic(sums, lambda total: total[:, 0] / total[:, 1], seed=seed)


def _text(interval: Interval) -> str:
    if interval.low is None or interval.high is None or interval.value is None:
        return "too few conversations for an interval"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}] nats per token"
