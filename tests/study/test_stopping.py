"""The rule for "more data stopped paying": what it says, and that noise does not make it say so."""

import numpy as np
import pytest

from understudy.evaluation.statistics import Interval, bootstrap_mean
from understudy.study.stopping import find_stop


def stop(*gains, least=0.05):
    """Sizes 25, 50, … below 400 with (gain, low, high)."""
    sizes = [25 * 2**i for i in range(len(gains))]
    found = [(size, Interval(*gain)) for size, gain in zip(sizes, gains, strict=True)]
    return find_stop("nll_per_token", found, 25 * 2 ** len(gains), least_gain=least, unit="nats per token")


def test_pays_where_the_last_step_still_gains():
    found = stop((0.9, 0.7, 1.1), (0.5, 0.3, 0.7), (0.2, 0.1, 0.3))

    assert (found.answer, found.after) == ("pays", 100)
    assert found.sentence.startswith("More data still paid at 200 dialogues: from 100 to 200")
    assert "+0.20 nats per token (+0.10 to +0.30)" in found.sentence


def test_stopped_between_the_last_that_paid_and_the_first_without_a_gain_that_counts():
    found = stop((0.9, 0.7, 1.1), (0.1, -0.1, 0.3), (0.01, -0.02, 0.04), (0.0, -0.03, 0.03))

    assert (found.answer, found.after, found.until) == ("stopped", 25, 100)
    assert found.sentence.startswith("More data stopped paying between 25 and 100 dialogues")


def test_stopped_at_the_smallest():
    found = stop((0.01, -0.02, 0.04), (0.0, -0.03, 0.03))

    assert (found.answer, found.after, found.until) == ("stopped", None, 25)
    assert "at 25 dialogues or earlier" in found.sentence


def test_a_wide_interval_shows_nothing():
    found = stop((0.9, 0.7, 1.1), (0.02, -0.1, 0.14))

    assert (found.answer, found.after, found.until) == ("not_shown", 25, None)
    assert found.sentence.startswith("Not shown where more data stops paying")
    assert stop((0.0, -0.1, 0.1)).sentence.startswith("Not shown whether more data pays")


def test_a_point_without_an_interval_shows_nothing():
    assert stop((0.5, None, None)).answer == "not_shown"
    assert "without an interval" in stop((0.5, None, None)).sentence


def test_a_shown_gain_too_small_to_count_is_none():
    assert stop((0.02, 0.01, 0.03)).answer == "stopped"


def test_a_late_fall_is_called_a_loss():
    assert "made it worse" in stop((-0.2, -0.3, -0.1)).sentence


def test_a_size_that_stops_before_one_that_pays_does_not_count():
    found = stop((0.0, -0.01, 0.01), (0.3, 0.2, 0.4))

    assert (found.answer, found.after) == ("pays", 50)


def test_one_size_says_nothing():
    found = find_stop("style", [], 50, least_gain=5, unit="points")

    assert found.answer == "not_shown"
    assert found.sentence.startswith("Only one size was measured")


@pytest.mark.parametrize("true_gain", [0.0, 0.05])
def test_noise_alone_is_rarely_taken_for_an_answer(true_gain):
    """At no gain the rule should hardly say "pays"; at a gain just at the bound hardly "stopped"."""
    chance = np.random.default_rng(3)
    wrong = 0
    for _ in range(300):
        groups = np.repeat(np.arange(40), 2)
        values = true_gain + 0.1 * chance.standard_normal(40)[groups] + 0.1 * chance.standard_normal(80)
        gain = bootstrap_mean(values, list(groups), draws=1000)
        found = find_stop("nll", [(100, gain)], 200, least_gain=0.05, unit="nats per token")
        wrong += found.answer == ("pays" if true_gain == 0.0 else "stopped")
    # One side of a 95 % interval: 2.5 % expected, 7.5 of 300; beyond 17 lies less than one in a thousand.
    assert wrong <= 17
