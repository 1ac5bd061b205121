"""Time to first break and the slope by turn, against textbook figures and simulations."""

import math

import numpy as np
import pytest

from understudy.evaluation.drift import measure_drift, slope_by_turn
from understudy.evaluation.probe import Answer, Probe
from understudy.evaluation.survival import kaplan_meier

LEAK = "As an AI language model, I have no lanterns."


def test_the_product_limit_estimate_is_the_textbook_one():
    """Six conversations: breaks at 1, 3, 3, 5; watched whole until 4 and 6."""
    curve = kaplan_meier([1, 3, 3, 4, 5, 6], [True, True, True, False, True, False])
    shares = {point.turn: (point.at_risk, point.share) for point in curve.points}

    assert shares[1] == (6, pytest.approx(5 / 6))
    assert shares[2] == (5, pytest.approx(5 / 6))
    assert shares[3] == (5, pytest.approx(5 / 6 * 3 / 5))
    assert shares[4] == (3, pytest.approx(1 / 2))
    assert shares[5] == (2, pytest.approx(1 / 4))
    assert curve.median_turns == 3


def test_the_interval_is_greenwood_s_on_the_log_log_scale():
    """The same as scipy's, which has no exact bound at 1."""
    from scipy.stats import CensoredData, ecdf

    rng = np.random.default_rng(1)
    times, broken = rng.integers(1, 17, size=40), rng.random(40) < 0.6
    curve = kaplan_meier(times.tolist(), broken.tolist())
    other = ecdf(CensoredData.right_censored(times, ~broken)).sf
    bounds = other.confidence_interval(method="log-log")
    compared = 0
    for place, turn in enumerate(other.quantiles.astype(int)):
        point = curve.points[turn - 1]
        assert point.share == pytest.approx(other.probabilities[place])
        if 0 < point.share < 1:
            assert point.low == pytest.approx(bounds.low.probabilities[place], abs=1e-9)
            assert point.high == pytest.approx(bounds.high.probabilities[place], abs=1e-9)
            compared += 1
    assert compared > 8


def test_nothing_broken_is_no_certainty():
    curve = kaplan_meier([16] * 40, [False] * 40)

    assert curve.points[-1].share == 1.0
    assert curve.points[-1].low == pytest.approx(0.025 ** (1 / 40))
    assert curve.median_turns is None
    assert kaplan_meier([], []).points == ()


def test_the_interval_covers():
    rng = np.random.default_rng(4)
    truth = math.exp(-0.05 * 8)
    hits = 0
    for _ in range(300):
        breaks = np.ceil(rng.exponential(20, size=40)).astype(int)
        watched = np.minimum(breaks, 16)
        curve = kaplan_meier(watched.tolist(), (breaks <= 16).tolist())
        point = curve.points[7]
        hits += point.low <= truth <= point.high

    assert 0.92 <= hits / 300 <= 0.99


def test_the_slope_is_least_squares_and_its_interval_covers():
    rng = np.random.default_rng(2)
    turns = np.tile([1, 4, 8, 12, 16], 40)
    names = np.repeat([f"c{n}" for n in range(40)], 5).tolist()
    hits = 0
    for _ in range(100):
        shifts = np.repeat(rng.normal(0, 0.2, 40), 5)
        values = 0.9 - 0.01 * turns + shifts + rng.normal(0, 0.1, 200)
        found = slope_by_turn(turns.tolist(), values.tolist(), names)
        hits += found.low <= -0.01 <= found.high
    exact = np.polyfit(turns, values, 1)[0]

    assert found.value == pytest.approx(exact)
    assert 0.9 <= hits / 100 <= 1.0


def held(replies_by_conversation):
    """Answers to conversations of so many turns, each line an answer."""
    answers = []
    for number, replies in enumerate(replies_by_conversation):
        history: tuple = ()
        for turn, text in enumerate(replies, 1):
            history = (*history, {"role": "user", "content": f"Line {turn}, please."})
            answers.append(
                Answer(Probe(f"c{number}/{turn}", "script", f"c{number}", history, turn=turn), text)
            )
            history = (*history, {"role": "assistant", "content": text})
    return answers


def test_an_arm_that_breaks_late_is_seen_to_break_late():
    whole = ["Shine on, dear traveller."] * 6
    late = [*whole[:4], LEAK, LEAK]
    steady, drifting = measure_drift(held([whole] * 6), None), measure_drift(held([late] * 6), None)

    assert steady.slope.value == pytest.approx(0.0)
    assert steady.survival.points[-1].share == 1.0
    assert drifting.slope.value < -0.1
    assert drifting.slope.high < 0
    assert drifting.survival.median_turns == 5
    assert [row["leak"] for row in drifting.by_turn] == [0, 0, 0, 0, 1, 1]


def test_an_arm_whose_voice_fades_is_seen_to_fade(ophelia):
    own = ophelia.yardsticks.real_replies[:60]
    plain = "There are several things to consider. First, think about your budget and your needs."
    fading = held([[own[(5 * n + t) % 60] if t < 4 else plain for t in range(8)] for n in range(8)])
    steady = held([[own[(5 * n + t) % 60] for t in range(8)] for n in range(8)])
    style = ophelia.yardsticks.style

    assert measure_drift(fading, style).slope.high < 0
    assert abs(measure_drift(steady, style).slope.value) < 0.02


def test_without_conversations_there_is_nothing():
    row = measure_drift([], None).as_row()

    assert row == {
        "by_turn": [],
        "slope": {"value": None, "low": None, "high": None},
        "survival": [],
        "median_turns": None,
    }
