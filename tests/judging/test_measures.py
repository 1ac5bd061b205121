"""What judging computes, against known examples and planted biases."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.errors import ConfigError
from understudy.judging.agreement import interval, krippendorff_alpha, nominal, share_equal
from understudy.judging.comparison import combine
from understudy.judging.family import families_of, protocol_breaches
from understudy.judging.judge_name import split_judge
from understudy.judging.markup import plain_text
from understudy.judging.win_rate import Compared, length_adjusted, win_rate

# Krippendorff 2011, section C: four observers, twelve units, missing data.
OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
UNITS = [
    {str(n): float(row[unit]) for n, row in enumerate(OBSERVERS) if row[unit] is not None}
    for unit in range(12)
]


def test_alpha_is_that_of_the_published_example():
    assert krippendorff_alpha(UNITS, nominal) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(UNITS, interval) == pytest.approx(0.849, abs=5e-4)


def test_alpha_is_one_for_agreement_below_zero_for_opposition_and_none_without_choice():
    assert krippendorff_alpha([{"a": 0.0, "b": 0.0}, {"a": 1.0, "b": 1.0}]) == 1
    assert krippendorff_alpha([{"a": 0.0, "b": 1.0}, {"a": 1.0, "b": 0.0}]) < 0
    assert krippendorff_alpha([{"a": 1.0, "b": 1.0}] * 5) is None
    assert krippendorff_alpha([{"a": 1.0}] * 5) is None
    assert share_equal([{"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 0.0}, {"a": 1.0}]) == 0.5


def compared(values, gaps):
    return [
        Compared(value, f"g{n // 2}", f"p{n}", 20 + gap, 20)
        for n, (value, gap) in enumerate(zip(values, gaps, strict=True))
    ]


def test_a_judge_of_length_alone_is_neutral_at_equal_length():
    chance = random.Random(1)
    gaps = [chance.randint(-2, 12) for _ in range(300)]
    found = compared([float(gap > 0) if gap else 0.5 for gap in gaps], gaps)
    raw = win_rate(found, draws=1000)
    adjusted, weight = length_adjusted(found)
    assert raw.low > 0.7
    assert adjusted.low < 0.5 < adjusted.high
    assert weight > 1


def test_length_that_decides_nothing_changes_nothing():
    chance = random.Random(2)
    values = [float(chance.random() < 0.7) for _ in range(300)]
    found = compared(values, [chance.randint(-8, 8) for _ in values])
    adjusted, weight = length_adjusted(found)
    assert adjusted.value == pytest.approx(win_rate(found, draws=1000).value, abs=0.02)
    assert abs(weight) < 0.6


def test_all_pairs_won_is_no_certainty():
    found = compared([1.0] * 40, [0] * 40)
    assert win_rate(found, draws=1000).low < 0.95
    assert 0.5 < length_adjusted(found)[0].value < 1


def test_both_orders_must_agree():
    assert combine({"ab": "a", "ba": "a"}).value == 1
    assert combine({"ab": "b", "ba": "b"}).value == 0
    changed = combine({"ab": "a", "ba": "b"})
    assert (changed.value, changed.consistent, changed.first) == (0.5, False, 1)
    assert combine({"ab": "a", "ba": "tie"}).value == 0.5
    assert combine({"ab": "a", "ba": None}) is None
    assert combine({"ba": "b"}).value == 0
    assert combine({}) is None


@pytest.mark.parametrize(
    ("reply", "plain"),
    [
        ("**Oh!** *She bows.* Shine on", "Oh! She bows. Shine on"),
        ("# Title\n\n- one\n- two", "Title\none\ntwo"),
        ("```\ncode\n```", "code"),
        ("Ada: [here](http://x) <b>you</b> are", "here you are"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
    ],
)
def test_markup_goes_and_words_stay(reply, plain):
    assert plain_text(reply, "Ada") == plain


@settings(max_examples=50)
@given(st.text(max_size=60))
def test_markup_of_anything_ends(text):
    assert len(plain_text(text, "Ada")) <= len(text)


@pytest.mark.parametrize(
    ("model", "families"),
    [
        ("gpt-4.1-mini", {"openai"}),
        ("ft:gpt-4o-mini:me::1", {"openai"}),
        ("claude-sonnet-4", {"anthropic"}),
        ("deepseek-r1-distill-qwen-7b", {"deepseek", "alibaba"}),
        ("/models/Llama-3.1-8B", {"meta"}),
        ("understudy/mini-star", {"understudy"}),
        ("somebody/harmony", {"harmony"}),
    ],
)
def test_families_are_read_from_names(model, families):
    assert families_of(model) == families


def test_breaches_name_both_models():
    assert protocol_breaches(["claude-x", "mistral-x"], {"gpt-4.1": "the teacher"}) == []
    breaches = protocol_breaches(["o3", "mistral-x"], {"gpt-4.1": "the teacher"})
    assert len(breaches) == 1
    assert "o3" in breaches[0]
    assert "gpt-4.1" in breaches[0]


def test_a_judge_is_a_model_and_where_it_answers():
    assert split_judge("m") == ("m", None)
    assert split_judge("m@openai") == ("m", "openai")
    assert split_judge("a@b@http://127.0.0.1:1/v1") == ("a@b", "http://127.0.0.1:1/v1")
    assert split_judge("gemini@latest") == ("gemini@latest", None)
    with pytest.raises(ConfigError):
        split_judge("@openai")
