"""The intervals cover what they promise; simulations with fixed seeds."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.evaluation.statistics import (
    bootstrap_mean,
    bootstrap_ratio,
    difference_of_shares,
    effective_count,
    paired_difference,
    paired_share_difference,
    share,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [(0, 30, 0.0, 0.1135), (30, 30, 0.8865, 1.0), (15, 30, 0.3315, 0.6685), (1, 10, 0.0179, 0.4042)],
)
def test_wilson_gives_the_textbook_bounds(successes, count, low, high):
    interval = wilson(successes, count)

    assert interval.low == pytest.approx(low, abs=5e-4)
    assert interval.high == pytest.approx(high, abs=5e-4)


def test_nothing_asked_has_no_interval():
    assert wilson(0, 0).value is None
    assert share([], []).low is None


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=100, deadline=None)
def test_wilson_stays_within_0_and_1_and_holds_its_value(case):
    successes, count = case
    interval = wilson(successes, count)

    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.low < interval.high


@pytest.mark.parametrize("probability", [0.02, 0.1, 0.5, 0.9])
def test_wilson_covers_95_percent(probability):
    drawn = np.random.default_rng(1).binomial(40, probability, size=4000)
    covered = [wilson(int(k), 40) for k in np.unique(drawn)]
    table = {int(k): i.low <= probability <= i.high for k, i in zip(np.unique(drawn), covered, strict=True)}

    assert 0.92 <= np.mean([table[int(k)] for k in drawn]) <= 0.99


def simulated(rng, clusters, size, spread):  # type: ignore[no-untyped-def]
    """Values around 0 whose clusters differ by ``spread``."""
    values = rng.normal(size=(clusters, 1)) * spread + rng.normal(size=(clusters, size))
    return values.ravel(), np.repeat(np.arange(clusters), size)


@pytest.mark.parametrize("clusters", [6, 12, 40])
def test_cluster_bootstrap_covers_where_replies_of_a_group_are_alike(clusters):
    rng = np.random.default_rng(7)
    hits = naive = 0
    for seed in range(300):
        values, groups = simulated(rng, clusters, 5, 1.0)
        interval = bootstrap_mean(values, groups.tolist(), draws=1000, seed=seed % 5)
        hits += interval.low <= 0 <= interval.high
        naive += abs(values.mean()) <= 1.96 * values.std(ddof=1) / np.sqrt(len(values))

    assert 0.915 <= hits / 300 <= 0.985
    assert naive / 300 < 0.85  # what forgetting the groups would claim


def test_clustered_share_covers_where_paraphrases_agree():
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(400):
        chances = rng.beta(2, 2, size=(30, 1))
        outcomes = (rng.random((30, 4)) < chances).astype(float).ravel()
        interval = share(outcomes, np.repeat(np.arange(30), 4).tolist())
        hits += interval.low <= 0.5 <= interval.high

    assert 0.92 <= hits / 400 <= 0.99


def test_effective_count_is_the_clusters_when_they_agree_and_the_replies_when_not():
    same = [1.0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0]
    groups = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    mixed = [1.0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0]

    assert effective_count(same, groups) == pytest.approx(4)
    assert effective_count(mixed, groups) == pytest.approx(12)
    assert effective_count(same, list(range(12))) == 12


def test_paired_difference_covers_and_is_narrower_than_unpaired():
    rng = np.random.default_rng(3)
    hits, widths, unpaired = 0, [], []
    for seed in range(200):
        hardness, groups = simulated(rng, 20, 3, 2.0)
        a, b = hardness + rng.normal(size=60) + 0.3, hardness + rng.normal(size=60)
        interval = paired_difference(a, b, groups.tolist(), draws=1000, seed=seed % 5)
        hits += interval.low <= 0.3 <= interval.high
        widths.append(interval.high - interval.low)
        one = bootstrap_mean(a, groups.tolist(), draws=1000, seed=seed % 5)
        unpaired.append(one.high - one.low)

    assert 0.91 <= hits / 200 <= 0.99
    assert np.mean(widths) < 0.5 * np.mean(unpaired)


def test_difference_of_shares_covers_for_rare_events():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(600):
        a, b = (rng.random(30) < 0.03).astype(float), (rng.random(30) < 0.25).astype(float)
        interval = paired_share_difference(a, b, list(range(30)), draws=1000)
        hits += interval.low <= -0.22 <= interval.high

    assert 0.93 <= hits / 600 <= 1.0


def test_unanimous_shares_still_have_an_interval():
    interval = paired_share_difference([0.0] * 30, [1.0] * 30, list(range(30)))

    assert interval.value == -1.0
    assert interval.low == -1.0
    assert -0.9 < interval.high < -0.7


def test_newcombe_gives_the_published_example():
    """Newcombe 1998, table II (a): 56/70 against 48/80, method 10: 0.0524 to 0.3339."""
    interval = difference_of_shares(wilson(56, 70), wilson(48, 80))

    assert interval.low == pytest.approx(0.0524, abs=5e-4)
    assert interval.high == pytest.approx(0.3339, abs=5e-4)


def test_two_groups_give_a_value_without_an_interval():
    interval = bootstrap_mean([1.0, 2.0, 3.0], ["a", "a", "b"])

    assert interval.value == 2.0
    assert interval.low is None


def test_ratio_weighs_tokens_not_replies():
    assert bootstrap_ratio([10.0, 10.0, 20.0], [10, 1, 10], ["a", "b", "c"]).value == pytest.approx(40 / 21)


def test_the_same_seed_gives_the_same_interval():
    values = np.arange(30.0)

    assert bootstrap_mean(values, list(range(30)), seed=4) == bootstrap_mean(values, list(range(30)), seed=4)
    assert bootstrap_mean(values, list(range(30)), seed=4) != bootstrap_mean(values, list(range(30)), seed=5)


def test_ten_thousand_draws_are_quick():
    started = time.monotonic()
    for _ in range(20):
        bootstrap_mean(np.arange(300.0), list(range(300)), draws=10_000)

    assert time.monotonic() - started < 10
