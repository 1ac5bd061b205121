"""Quotes for training: at OpenAI while it lasts, at hosts, at home; nothing is invented."""

from datetime import date

import pytest

from understudy.cost.hosting import OwnMachine
from understudy.cost.training_quote import quote_training
from understudy.errors import ConfigError

BEFORE, AFTER = date(2026, 11, 24), date(2027, 1, 6)


def by_place(quotes):
    return {quote.place: quote for quote in quotes}


def test_openai_costs_its_price_while_it_takes_jobs():
    quote = by_place(quote_training(2_000_000, model="gpt-4.1-mini", today=BEFORE))["OpenAI"]

    assert quote.usd == pytest.approx(10.0)
    assert "gpt-4.1-mini" in quote.detail
    assert "before 2027-01-06" in quote.detail
    assert by_place(quote_training(1e6, today=AFTER))["OpenAI"].usd is None


def test_a_local_base_is_compared_with_the_cheapest_hosted_one():
    assert (
        "gpt-4o-mini" in by_place(quote_training(1e6, model="understudy/mini", today=BEFORE))["OpenAI"].detail
    )


def test_hosts_charge_their_minimum_and_grow_with_the_model():
    small = by_place(quote_training(1000, billions=8))
    large = by_place(quote_training(100e6, billions=70))

    assert small["Together"].usd == 4.0
    assert large["Together"].usd == pytest.approx(290.0)


def test_a_host_without_a_printed_price_tells_none_unless_the_user_does():
    assert by_place(quote_training(1e6))["Nebius"].usd is None
    quote = by_place(quote_training(1e6, own_prices={"nebius": 0.4}))["Nebius"]
    assert (quote.usd, quote.source) == (pytest.approx(0.4), "yours")


def test_home_costs_electricity():
    quote = quote_training(3600 * 1000, tokens_per_second=1000, machine=OwnMachine(100, 0.5))[-1]

    assert (quote.place, quote.usd) == ("this machine", pytest.approx(0.05))
    with pytest.raises(ConfigError, match="above 0"):
        quote_training(1e6, tokens_per_second=-1)
