"""Sampling: the right distribution, and no choice that hangs on rounding goes unseen."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from understudy.inference.sampling import Sampler, choose_tokens  # noqa: E402

SLACK = 1e-2  # a thousand times the real one, so that close choices are common


def sampler(temperature=1.0, top_p=1.0, seed="1", **penalties):
    penalties = {"frequency_penalty": 0.0, "presence_penalty": 0.0} | penalties
    return Sampler(temperature, top_p, seed=seed, **penalties)


def shares(logits, draws=4000, **options):
    """How often each token is drawn."""
    rows = [sampler(seed=f"share {number}", **options) for number in range(draws)]
    tokens = choose_tokens(torch.tensor([logits]).expand(draws, -1), rows).tokens
    return [tokens.count(token) / draws for token in range(len(logits))]


def softmax(values, temperature=1.0):
    powers = [math.exp(value / temperature) for value in values]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_draws_follow_the_softmax(temperature):
    logits = [1.0, 0.2, -0.5, -2.0, 0.9]

    found = shares(logits, temperature=temperature)

    # Six standard errors of a share of 4,000 draws.
    for share, expected in zip(found, softmax(logits, temperature), strict=True):
        assert share == pytest.approx(expected, abs=6 * math.sqrt(expected * (1 - expected) / 4000))


def test_the_nucleus_holds_the_fewest_tokens_that_reach_its_share():
    logits = [math.log(p) for p in (0.05, 0.5, 0.3, 0.15)]

    assert shares(logits, 500, top_p=0.4) == [0, 1, 0, 0]
    found = shares(logits, top_p=0.75)
    assert found[0] == found[3] == 0
    assert found[1] == pytest.approx(0.5 / 0.8, abs=0.05)
    assert shares(logits, 500, top_p=0.96)[0] > 0


def test_a_seed_repeats_its_draws_and_another_has_its_own():
    logits = torch.zeros(1, 1000)

    def series(seed):
        one = sampler(seed=seed)
        return [choose_tokens(logits, [one]).tokens[0] for _ in range(8)]

    assert series("a") == series("a")
    assert series("a") != series("b")
    assert series(None) != series(None)
    assert len(set(series("a"))) > 1


def test_penalties_lower_what_was_written():
    one = sampler(temperature=0.0, frequency_penalty=1.0, presence_penalty=0.5)
    one.counts.update({0: 2, 1: 1})

    assert choose_tokens(torch.tensor([[3.6, 2.0, 1.0]]), [one]).tokens == [0]
    assert choose_tokens(torch.tensor([[3.4, 2.51, 0.95]]), [one]).tokens == [1]
    assert choose_tokens(torch.tensor([[3.4, 2.4, 0.95]]), [one]).tokens == [2]


numbers = st.floats(-8, 8, width=32)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_a_change_within_the_slack_changes_no_token_that_is_not_called_close(data):
    size = data.draw(st.integers(2, 12))
    logits = data.draw(st.lists(numbers, min_size=size, max_size=size))
    # Ties are where rounding decides, so they are made common.
    if data.draw(st.booleans()):
        logits[0] = logits[-1]
    largest = max(map(abs, logits))
    shift = data.draw(st.lists(st.floats(-1, 1, width=32), min_size=size, max_size=size))
    options = {
        "temperature": data.draw(st.sampled_from([0.0, 0.2, 1.0, 2.0])),
        "top_p": data.draw(st.sampled_from([0.1, 0.5, 0.9, 1.0])),
        "seed": str(data.draw(st.integers(0, 1000))),
    }
    plain = torch.tensor([logits])
    other = plain + 0.99 * SLACK * largest * torch.tensor([shift])

    choice = choose_tokens(plain, [sampler(**options)], SLACK)
    exact = choose_tokens(plain, [sampler(**options)])
    changed = choose_tokens(other, [sampler(**options)], noise=choice.noise)

    assert choice.tokens == exact.tokens or choice.close == [0]
    assert changed.tokens == choice.tokens or choice.close == [0]


def test_a_clear_choice_is_not_called_close():
    logits = torch.tensor([[5.0, 1.0, -3.0], [0.0, 8.0, 7.0]])
    for top_p in (0.05, 0.9, 1.0):
        row = sampler(temperature=0.01, top_p=top_p)
        assert choose_tokens(logits, [row, sampler(temperature=0.0)], 1e-5).close == []
