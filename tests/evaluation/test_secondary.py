"""The one-word answer follows its rule, and the sentence never turns 'not shown' into 'equal'."""

import numpy as np
import pytest

from understudy.evaluation.comparison import Comparison, compare
from understudy.evaluation.gap_closed import Likelihood, score_gap_closed, score_nll
from understudy.evaluation.probe import Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.secondary import draw_secondary

NAMES = ("nll_per_token", "style", "in_fiction_leak", "fact_recall", "honesty", "relevance")


def row(score: str, b: str, better: bool | None = None, not_worse: bool | None = None) -> Comparison:
    return Comparison(score, "tuned+short", b, 0.1, 0.0, 0.2, 30, better, None, not_worse)


def table(**changes: Comparison | None) -> list[Comparison]:
    rows = {f"{n}_short": row(n, "cheap+short", True, True) for n in NAMES}
    rows |= {f"{n}_long": row(n, "cheap+long", None, True) for n in NAMES}
    rows |= changes  # type: ignore[arg-type]
    return [r for r in rows.values() if r is not None]


def measured(values: list[float], *, binary: bool) -> Measured:
    keys = [str(n) for n in range(len(values))]
    score = Score(float(np.mean(values)), None, None, len(values), "share", "test")
    return Measured(score, dict(zip(keys, values, strict=True)), {k: k for k in keys}, None, binary)


def test_yes_needs_everything_shown():
    found = draw_secondary({}, table(), 0.10)

    assert found.answer == "yes"
    assert "better on likelihood" in found.sentence
    assert "not worse by 10 points" in found.sentence


def test_one_thing_not_shown_is_not_a_yes_and_is_named():
    found = draw_secondary({}, table(honesty_short=row("honesty", "cheap+short", None, None)), 0.10)

    assert found.answer == "not_shown"
    assert "not shown either way on honesty" in found.sentence
    assert "equal" not in found.sentence
    assert "as good" not in found.sentence


def test_one_thing_shown_to_be_worse_is_a_no():
    found = draw_secondary({}, table(style_long=row("style", "cheap+long", False, False)), 0.10)

    assert found.answer == "no"
    assert "worse on style" in found.sentence


def test_a_rival_that_never_leaks_cannot_be_beaten_only_matched():
    clean = Score(0.0, 0.0, 0.1, 30, "share", "test")
    rows = table(in_fiction_leak_short=row("in_fiction_leak", "cheap+short", None, True))

    assert draw_secondary({"cheap+short": {"in_fiction_leak": clean}}, rows, 0.1).answer == "yes"
    assert draw_secondary({}, rows, 0.1).answer == "not_shown"


def test_what_cannot_be_computed_is_named_and_does_not_count():
    missing = Comparison("fact_recall", "tuned+short", "cheap+short", None, None, None, 0, None, "no facts")
    found = draw_secondary({}, table(fact_recall_short=missing, fact_recall_long=None), 0.10)

    assert found.answer == "yes"
    assert "Could not be computed: facts." in found.sentence


def test_nothing_computed_shows_nothing():
    assert draw_secondary({}, [], 0.10).answer == "not_shown"


def test_thirty_equal_answers_do_not_show_that_two_arms_are_alike():
    same = measured([1.0] * 27 + [0.0] * 3, binary=True)
    found = compare("honesty", ("tuned+short", "b"), same, same, margin=0.10, draws=1000, seed=0)

    assert found.difference == 0.0
    assert found.better is None
    assert found.not_worse is None
    assert "not the same as equal" in (found.note or "")


def test_many_equal_answers_show_that_it_is_not_much_worse():
    same = measured([1.0] * 190 + [0.0] * 10, binary=True)

    assert compare("honesty", ("a", "b"), same, same, margin=0.1, draws=1000, seed=0).not_worse is True


def test_less_leak_is_better_and_more_is_worse():
    none, all_ = measured([0.0] * 30, binary=True), measured([1.0] * 30, binary=True)

    def better(x: Measured, y: Measured) -> bool | None:
        return compare("in_fiction_leak", ("a", "b"), x, y, margin=0.1, draws=1000, seed=0).better

    assert better(none, all_) is True
    assert better(all_, none) is False


def test_the_length_that_is_nearer_to_the_real_one_is_better():
    rng = np.random.default_rng(0)
    long, near = (
        measured(list(rng.normal(1.0, 0.2, 40)), binary=False),
        measured(list(rng.normal(-0.1, 0.2, 40)), binary=False),
    )
    found = compare("reply_length_ratio", ("a", "b"), near, long, margin=0.1, draws=1000, seed=0)

    assert found.better is True


def test_only_probes_that_both_answered_are_compared():
    a = measured([1.0] * 30, binary=True)
    b = Measured(a.score, dict.fromkeys(list(a.values)[:12], 0.0), a.groups, None, True)

    assert compare("honesty", ("a", "b"), a, b, margin=0.1, draws=1000, seed=0).count == 12


def lines(
    nats_per_token: float, *, spread: float = 0.0, tokens: int = 10, groups: int = 20
) -> list[Likelihood]:
    rng = np.random.default_rng(2)
    return [
        Likelihood(f"d{n}", f"g{n}", tokens * (nats_per_token + spread * float(rng.normal())), tokens, 40)
        for n in range(groups)
    ]


def test_gap_closed_is_the_share_of_the_prompt_s_gain():
    found = score_gap_closed(lines(2.2), lines(3.0), lines(2.0))

    assert found.value == pytest.approx(0.8)
    assert score_gap_closed(lines(3.0), lines(3.0), lines(2.0)).value == pytest.approx(0.0)
    assert score_gap_closed(lines(1.5), lines(3.0), lines(2.0)).value == pytest.approx(1.5)


def test_gap_closed_is_undefined_where_the_prompt_gains_nothing():
    rng = np.random.default_rng(0)
    noisy = [
        Likelihood(x.id, x.group, x.nats + float(rng.normal(0, 5)), x.tokens, x.bytes) for x in lines(3.0)
    ]

    nothing = score_gap_closed(lines(2.0), lines(3.0), noisy)
    harm = score_gap_closed(lines(2.0), lines(3.0), lines(3.5))

    assert nothing.value is None
    assert "gains nothing" in (nothing.note or "")
    assert harm.value is None
    assert "less likely" in (harm.note or "")


def test_gap_closed_needs_one_tokenizer():
    found = score_gap_closed(lines(2.0, tokens=12), lines(3.0), lines(2.5))

    assert found.value is None
    assert "tokens differently" in (found.note or "")


def test_likelihood_is_per_token_and_tells_bits_per_byte():
    found = score_nll([Likelihood("a", "g", 20.0, 10, 40), Likelihood("b", "h", 2.0, 1, 4)])

    assert found.score.value == pytest.approx(2.0)
    assert "0.721 bits per byte" in (found.score.note or "")
    assert score_nll([]).score.value is None


def test_a_missing_score_says_why():
    assert not_computed("no facts").as_row()["note"] == "no facts"


def test_the_star_counts_where_it_was_measured():
    rows = [row(n, "expensive+long", None, True) for n in NAMES]
    found = draw_secondary({}, [*table(), *rows], 0.10)
    assert found.answer == "yes"
    assert (
        "Against the expensive model with the long prompt: not worse by 10 points on style" in found.sentence
    )

    rows[NAMES.index("fact_recall")] = row("fact_recall", "expensive+long", False, False)
    found = draw_secondary({}, [*table(), *rows], 0.10)
    assert found.answer == "no"
    assert "worse on facts" in found.sentence
