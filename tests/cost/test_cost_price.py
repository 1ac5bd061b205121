"""Prices: dated, sourced, and right where they can be checked by hand."""

from datetime import date
from importlib.resources import files

import pytest
import yaml

from understudy.cost import list_claims, tuned_price_ratio
from understudy.cost.cache_rule import cache_rule, rule_of
from understudy.cost.price import base_name, find_gpu, find_price, list_tunable, open_training
from understudy.errors import ConfigError


def test_at_the_launch_of_2023_tuned_use_cost_exactly_eight_times_the_base():
    assert tuned_price_ratio("gpt-3.5-turbo", on=date(2023, 8, 22)) == (8.0, 8.0)
    assert tuned_price_ratio("gpt-3.5-turbo", on=date(2023, 11, 5)) == (8.0, 8.0)
    assert find_price("ft:gpt-3.5-turbo-0613:acme::abc", on=date(2023, 9, 1)).training == 8.0


def test_from_november_2023_it_was_three_times():
    assert tuned_price_ratio("gpt-3.5-turbo", on=date(2023, 11, 6)) == (3.0, 3.0)


@pytest.mark.parametrize(
    ("model", "ratio"),
    [("gpt-4.1", 1.5), ("gpt-4.1-mini", 2.0), ("gpt-4.1-nano", 2.0), ("gpt-4o", 1.5), ("gpt-4o-mini", 2.0)],
)
def test_today_tuned_use_costs_one_and_a_half_or_two_times(model, ratio):
    assert tuned_price_ratio(model) == (pytest.approx(ratio), pytest.approx(ratio))


def test_before_its_launch_a_model_has_no_price():
    with pytest.raises(ConfigError, match=r"No price of 'ft:gpt-3\.5-turbo' is known on 2023-08-21"):
        find_price("ft:gpt-3.5-turbo", on=date(2023, 8, 21))


def test_the_library_and_the_table_agree_on_every_current_base_model():
    table = yaml.safe_load(files("understudy.cost").joinpath("prices.yaml").read_text(encoding="utf-8"))
    for row in table["models"]:
        if "until" in row:
            continue
        price = find_price(row["name"])
        assert price.source.startswith("genai-prices")
        assert (price.input, price.cached_input, price.output) == (row["input"], row["cached"], row["output"])
        assert price.cache_write == row.get("cache_write")


def test_every_row_names_its_source_and_its_date():
    table = yaml.safe_load(files("understudy.cost").joinpath("prices.yaml").read_text(encoding="utf-8"))
    rows = [row for section in ("models", "tuned", "open_training", "gpus") for row in table[section]]
    assert len(rows) > 30
    for row in [*rows, *table["caching"].values()]:
        assert row["source"]
        assert str(row["as_of"]).startswith("202")


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("ft:gpt-4.1-mini-2025-04-14:acme::Ab3dE9fG", "gpt-4.1-mini"),
        ("ft:gpt-4o-mini-2024-07-18:acme:iroh:Ab3dE9fG:ckpt-step-10", "gpt-4o-mini"),
        ("ft:gpt-3.5-turbo-0613:personal::x", "gpt-3.5-turbo"),
        ("ft:gpt-4.1", "gpt-4.1"),
        ("gpt-4.1-2025-04-14", "gpt-4.1"),
        ("gpt-6.1-sol", "gpt-6.1-sol"),
    ],
)
def test_a_tuned_name_leads_to_its_base(model, base):
    assert base_name(model) == base


def test_a_tuned_41_is_priced_from_the_table_with_date_and_shutdown():
    price = find_price("ft:gpt-4.1-mini-2025-04-14:acme::Ab3dE9fG")
    assert (price.training, price.input, price.cached_input, price.output) == (5.0, 0.8, 0.2, 3.2)
    assert price.as_of == "2026-09"
    assert price.shutdown == date(2027, 1, 14)


def test_an_unknown_model_is_one_message_with_the_remedy():
    with pytest.raises(ConfigError, match=r"gpt-9-nova.*Known are .*gpt-4\.1-mini.*prices\.yaml"):
        find_price("gpt-9-nova")
    with pytest.raises(ConfigError, match=r"Known are .*ft:gpt-4\.1-mini"):
        find_price("ft:gpt-6-luna")


def test_nothing_can_be_tuned_from_the_closing_day_on():
    assert "gpt-4.1-mini" in list_tunable(date(2027, 1, 5))
    assert list_tunable(date(2027, 1, 6)) == []


def test_a_request_is_priced_by_kind_of_token():
    price = find_price("gpt-6.1-sol")
    usd = price.request_usd(fresh_tokens=100, cached_tokens=1024, written_tokens=128, reply_tokens=50)
    assert usd == pytest.approx((100 * 2 + 1024 * 0.10 + 128 * 2.5 + 50 * 10) / 1e6)


def test_gpus_are_found_by_name_and_host():
    assert find_gpu("H100@Fireworks").usd_per_hour == 8.0
    assert find_gpu("a100").usd_per_hour == min(0.89, 1.59, 2.50, 2.79)
    with pytest.raises(ConfigError, match=r"B300.*Known are .*H200@RunPod"):
        find_gpu("B300")


def test_hosted_training_of_an_open_model_has_a_minimum_and_a_size_limit():
    small = open_training(8)
    assert small.host == "Together"
    assert small.training_usd(1_000) == 4.0
    assert small.training_usd(100e6) == pytest.approx(48.0)
    with pytest.raises(ConfigError, match="500 billion"):
        open_training(500)


def test_caching_starts_at_1024_tokens_in_steps_of_128():
    assert (cache_rule().minimum_tokens, cache_rule().step_tokens) == (1024, 128)


def test_each_model_is_cached_by_the_rule_of_its_own_provider():
    haiku, sonnet = find_price("claude-haiku-4-5"), find_price("claude-sonnet-4-5")
    assert (rule_of(haiku).minimum_tokens, rule_of(sonnet).minimum_tokens) == (4096, 1024)
    assert rule_of(haiku).explicit
    assert haiku.cache_write == pytest.approx(1.25 * haiku.input)
    assert rule_of(find_price("gemini-2.5-flash")).minimum_tokens == 2048
    assert rule_of(find_price("ft:gpt-4.1-mini")).provider == "openai"


def test_a_provider_without_a_rule_is_priced_without_caching():
    price = find_price("deepseek-chat")
    assert price.cached_input is not None
    assert rule_of(price) is None


def test_the_claims_state_both_prices_and_their_sources():
    first, second, *today = list_claims()
    assert (first.tuned_input, first.tuned_output, first.base_input, first.base_output) == (12, 16, 1.5, 2)
    assert "costs 8 times its base" in first.sentence
    assert "costs 3 times its base" in second.sentence
    assert {claim.model: claim.input_ratio for claim in today} == {
        "gpt-4.1": 1.5,
        "gpt-4.1-mini": 2.0,
        "gpt-4o": 1.5,
        "gpt-4o-mini": 2.0,
    }
    assert all("2026-09" in claim.source for claim in today)
