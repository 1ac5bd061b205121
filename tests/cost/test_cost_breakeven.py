"""Break-even: when a training has paid for itself."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.cost import break_even


def compare(training, tuned, other, per_day=100.0, shutdown=None):
    return break_even(
        "tuned+short",
        "cheap+long",
        training_usd=training,
        tuned_usd=tuned,
        other_usd=other,
        conversations_per_day=per_day,
        today=date(2026, 11, 23),
        shutdown=shutdown,
    )


def test_it_counts_conversations_and_days():
    result = compare(3.0, 0.001, 0.004)
    assert result.conversations == 1000
    assert result.days == pytest.approx(10.0)
    assert result.twice == 2000
    assert "1,000 conversations (10.0 days" in result.sentence


@pytest.mark.parametrize("other", [0.001, 0.0009])
def test_where_a_conversation_is_not_cheaper_it_says_never_first(other):
    result = compare(3.0, 0.001, other)
    assert result.conversations is None
    assert result.twice is None
    assert result.days is None
    assert result.sentence.startswith("Never: ")


def test_free_training_pays_at_once():
    assert compare(0.0, 0.001, 0.004).sentence.startswith("At once")


def test_a_model_that_is_shut_down_before_is_not_in_time():
    late = compare(300.0, 0.001, 0.004, shutdown=date(2027, 1, 14))
    assert late.in_time is False
    assert "2027-01-14: not in time" in late.sentence
    assert compare(3.0, 0.001, 0.004, shutdown=date(2027, 1, 14)).in_time is True
    assert compare(3e9, 0.001, 0.004, per_day=1e-6, shutdown=date(2027, 1, 14)).in_time is False


def test_a_training_paid_twice_can_come_too_late():
    result = compare(10.0, 0.001, 0.004, shutdown=date(2027, 1, 14))
    assert (result.days, result.twice_days) == (pytest.approx(33.34), pytest.approx(66.67))
    assert result.in_time is True
    assert result.twice_in_time is False
    assert result.sentence.endswith("Trained twice it is not in time: the model is shut down on 2027-01-14.")


def test_without_traffic_there_are_no_days():
    assert compare(3.0, 0.001, 0.004, per_day=0).days is None


@given(st.floats(0, 1e4), st.floats(1e-6, 1), st.floats(1e-6, 1))
def test_at_break_even_the_tuned_arm_is_no_longer_dearer(training, tuned, other):
    result = compare(training, tuned, other)
    if result.conversations is None:
        assert tuned >= other
        return
    n = result.conversations
    assert training + n * tuned <= n * other + 1e-6 * max(1.0, training)
    if n > 1:
        assert training + (n - 1) * tuned >= (n - 1) * other - 1e-6 * max(1.0, training)
