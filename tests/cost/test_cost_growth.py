"""A conversation as it grows: history re-sent, caching, trimming."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.cost import (
    ALL_HISTORY,
    Caching,
    Shape,
    Trimming,
    cache_rule,
    conversation_usd,
    find_price,
    grow,
)
from understudy.cost.conversation import chance_still_cached, parse_trimming
from understudy.errors import ConfigError

RULE = cache_rule()
POLICIES = [
    ALL_HISTORY,
    Trimming("last", 0),
    Trimming("last", 5),
    Trimming("tokens", 500),
    Trimming("halve", 6),
]
LONG = Shape(prompt_tokens=1500, user_tokens=20, reply_tokens=50, turns=10)


def test_history_is_sent_again_every_turn():
    turns = grow(Shape(prompt_tokens=100, user_tokens=20, reply_tokens=50, turns=3))
    # 100 + 4 system; 20 + 4 message; 3 before the reply; 20 + 50 + 8 for each past exchange.
    assert [turn.prompt_tokens for turn in turns] == [131, 209, 287]
    assert all(turn.fresh_tokens == turn.prompt_tokens for turn in turns)


def test_without_a_prompt_no_system_message_is_counted():
    assert grow(Shape(prompt_tokens=0, user_tokens=20, reply_tokens=50, turns=1))[0].prompt_tokens == 27


def test_the_cache_reads_what_the_previous_turn_sent_in_whole_steps():
    turns = grow(LONG, caching=Caching(RULE))
    assert turns[0].cached_tokens == 0
    assert turns[0].written_tokens == 1024 + (1531 - 1024) // 128 * 128
    assert turns[1].cached_tokens == 1024 + (1531 - 1024) // 128 * 128
    assert turns[5].cached_tokens == 1024 + (turns[4].prompt_tokens - 1024) // 128 * 128


def test_below_the_minimum_nothing_is_cached_until_history_brings_it_there():
    shape = Shape(prompt_tokens=700, user_tokens=20, reply_tokens=50, turns=10)
    turns = grow(shape, caching=Caching(RULE, first=1.0))
    first = next(turn.number for turn in turns if turn.cached_tokens)
    assert turns[first - 2].prompt_tokens >= 1024
    assert turns[first - 3].prompt_tokens < 1024


def test_another_conversation_can_leave_the_prompt_in_the_cache():
    turns = grow(LONG, caching=Caching(RULE, first=0.5))
    assert turns[0].cached_tokens == 0.5 * (1024 + (1504 - 1024) // 128 * 128)


def test_trimming_by_turns_stops_the_growth_but_breaks_the_cached_beginning():
    whole = grow(LONG, caching=Caching(RULE))
    trimmed = grow(LONG, caching=Caching(RULE), trimming=Trimming("last", 2))
    assert trimmed[-1].prompt_tokens == trimmed[-2].prompt_tokens < whole[-1].prompt_tokens
    assert trimmed[-1].dropped_turns == 7
    assert trimmed[-1].cached_tokens == 1024 + (1504 - 1024) // 128 * 128 < whole[-1].cached_tokens


def test_trimming_by_tokens_keeps_whole_turns():
    turns = grow(LONG, trimming=Trimming("tokens", 200))
    assert turns[-1].dropped_turns == 7  # 78 tokens an exchange: two fit


def test_the_greeting_is_sent_until_it_is_trimmed_away():
    shape = Shape(prompt_tokens=10, user_tokens=20, reply_tokens=50, turns=4, greeting_tokens=30)
    turns = grow(shape, trimming=Trimming("last", 1))
    assert turns[0].prompt_tokens == 10 + 4 + 30 + 4 + 24 + 3
    assert turns[-1].prompt_tokens == 10 + 4 + 78 + 24 + 3


def test_a_conversation_is_the_sum_of_its_requests():
    price = find_price("gpt-4.1-mini")
    turns = grow(LONG)
    by_hand = sum(turn.prompt_tokens for turn in turns) * 0.40 / 1e6 + 10 * 50 * 1.60 / 1e6
    assert conversation_usd(turns, price) == pytest.approx(by_hand)


@given(
    st.integers(0, 5000),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(1, 40),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(POLICIES),
)
def test_the_kinds_of_token_always_add_up(prompt, user, reply, turns, within, first, trimming):
    shape = Shape(prompt, user, reply, turns)
    price = find_price("ft:gpt-4.1-mini")
    plain = grow(shape, trimming=trimming)
    cached = grow(shape, caching=Caching(RULE, within, first), trimming=trimming)
    for one, other in zip(plain, cached, strict=True):
        assert one.prompt_tokens == other.prompt_tokens
        assert min(other.fresh_tokens, other.cached_tokens, other.written_tokens) >= -1e-9
        total = other.fresh_tokens + other.cached_tokens + other.written_tokens
        assert total == pytest.approx(other.prompt_tokens)
    # Where writing to the cache is free, caching never costs more.
    assert conversation_usd(cached, price) <= conversation_usd(plain, price) + 1e-12


SHAPES = st.builds(
    Shape,
    st.integers(0, 5000),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(1, 40),
    st.integers(0, 99),
)


@given(SHAPES)
def test_the_sum_over_turns_equals_the_closed_form(shape):
    """Sum of t = 1..T of (S + (t - 1) X + Q) = T (S + Q) + X T (T - 1) / 2."""
    system = sum(tokens + 4 for tokens in (shape.prompt_tokens, shape.greeting_tokens) if tokens)
    asked, exchange = shape.user_tokens + 4 + 3, shape.user_tokens + shape.reply_tokens + 8
    expected = shape.turns * (system + asked) + exchange * shape.turns * (shape.turns - 1) / 2
    assert sum(turn.prompt_tokens for turn in grow(shape)) == pytest.approx(expected)


@given(SHAPES, st.sampled_from(POLICIES), st.sampled_from(["gpt-4.1-mini", "gpt-6.1-sol", "ft:gpt-4o"]))
def test_a_longer_conversation_never_costs_less(shape, trimming, model):
    price, longer = find_price(model), replace(shape, turns=shape.turns + 1)
    costs = [
        conversation_usd(grow(one, caching=Caching(RULE, 1.0, 0.5), trimming=trimming), price)
        for one in (shape, longer)
    ]
    assert costs[0] <= costs[1] + 1e-15


@given(SHAPES, st.sampled_from(POLICIES))
def test_trimming_never_sends_more_and_never_reads_more_from_the_cache(shape, trimming):
    whole = grow(shape, caching=Caching(RULE))
    trimmed = grow(shape, caching=Caching(RULE), trimming=trimming)
    for one, other in zip(whole, trimmed, strict=True):
        assert other.prompt_tokens <= one.prompt_tokens
        assert other.cached_tokens <= one.cached_tokens + 1e-9
        assert 0 <= other.dropped_turns < max(1, other.number)


@given(st.integers(2, 20), st.integers(1, 60))
def test_halving_keeps_between_half_and_all_of_its_turns(limit, turns):
    kept = [
        turn.number - 1 - turn.dropped_turns
        for turn in grow(replace(LONG, turns=turns), trimming=Trimming("halve", limit))
    ]
    assert max(kept) <= limit
    assert all(later in (earlier + 1, limit // 2) for earlier, later in pairwise(kept))


def test_halving_breaks_the_cache_less_often_than_a_sliding_window():
    def broken(trimming):
        dropped = [turn.dropped_turns for turn in grow(replace(LONG, turns=40), trimming=trimming)]
        return sum(one != other for one, other in pairwise(dropped))

    assert broken(Trimming("last", 6)) == 33
    assert broken(Trimming("halve", 6)) == 9


def test_writing_to_the_cache_can_cost_more_than_it_saves():
    shape = Shape(prompt_tokens=2000, user_tokens=20, reply_tokens=50, turns=1)
    luna = find_price("gpt-6-luna")
    assert conversation_usd(grow(shape, caching=Caching(RULE)), luna) > conversation_usd(grow(shape), luna)


def test_dense_traffic_keeps_the_prompt_cached():
    assert chance_still_cached(0, 10) == 0
    assert chance_still_cached(144, 10) == pytest.approx(1 - 2.718281828**-1)
    assert chance_still_cached(100_000, 10) > 0.999


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", ALL_HISTORY),
        ("halve-12", Trimming("halve", 12)),
        ("last-6", Trimming("last", 6)),
        ("tokens-1000", Trimming("tokens", 1000)),
    ],
)
def test_history_policies_are_read(text, expected):
    assert parse_trimming(text) == expected


@pytest.mark.parametrize("text", ["", "last", "last-x", "tokens--1", "summary", "halve-1", "last-²"])
def test_an_unknown_history_policy_is_refused(text):
    with pytest.raises(ConfigError, match="all, last-6"):
        parse_trimming(text)


def test_a_conversation_without_turns_is_refused():
    with pytest.raises(ConfigError, match="at least one turn"):
        Shape(1, 1, 1, 0)
