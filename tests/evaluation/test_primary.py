"""The primary endpoint: its conclusion, level and power; and 'not shown' never reads as 'equal'."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.evaluation.headline import draw_headline
from understudy.evaluation.power import clustered_variance, find_power
from understudy.evaluation.primary import Passed, bounded_difference, find_primary, measure_passed
from understudy.evaluation.probe import Probe

MARGIN = 0.075


def probes(count: int, families: int) -> list[Probe]:
    message = ({"role": "user", "content": "?"},)
    return [Probe(f"p{n}", "fact", f"f{n % families}", message) for n in range(count)]


def primary(mine: list[float], theirs: list[float], families: int, rival: str = "expensive+long"):  # type: ignore[no-untyped-def]
    asked = probes(len(mine), families)
    passed = {
        "tuned+short": Passed({p.id: v for p, v in zip(asked, mine, strict=True)}),
        "cheap+long": Passed({p.id: v for p, v in zip(asked, theirs, strict=True)}),
        "cheap+short": Passed({p.id: 0.0 for p in asked}),
        rival: Passed({p.id: v for p, v in zip(asked, theirs, strict=True)}),
    }
    return find_primary(passed, asked, margin=MARGIN, replies_per_probe=3, draws=2000)


def simulate(
    true_difference: float, runs: int, *, families: int = 160, each: int = 2, draws: int = 500
) -> float:
    """Share of simulated studies that conclude non-inferior.

    Every family has a level of its own that both arms share, so that probes within a family and the two
    arms are correlated, and each probe gets three replies, averaged.
    """
    chance = np.random.default_rng(7)
    shown = 0
    names = [f"f{n // each}" for n in range(families * each)]
    for run in range(runs):
        level = np.repeat(chance.uniform(0.25, 0.75, families), each)
        gap = np.repeat(chance.normal(0, 0.08, families), each)
        mine = chance.binomial(3, np.clip(level + true_difference + gap, 0, 1)) / 3
        theirs = chance.binomial(3, np.clip(level - gap, 0, 1)) / 3
        found = bounded_difference(list(mine - theirs), names, draws=draws, seed=run)
        shown += found.lower is not None and found.lower > -MARGIN
    return shown / runs


def test_the_procedure_keeps_its_level_where_the_arm_is_worse_by_the_margin():
    runs = 400
    rate = simulate(-MARGIN, runs)

    assert rate <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / runs)


def test_the_procedure_keeps_its_level_with_few_families():
    runs = 400
    rate = simulate(-MARGIN, runs, families=15, each=6)

    assert rate <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / runs)


def test_it_has_the_power_that_it_says_it_has():
    chance = np.random.default_rng(1)
    level = np.repeat(chance.uniform(0.25, 0.75, 160), 2)
    gap = np.repeat(chance.normal(0, 0.08, 160), 2)
    differences = (
        chance.binomial(3, np.clip(level + gap, 0, 1)) / 3
        - chance.binomial(3, np.clip(level - gap, 0, 1)) / 3
    )
    variance = clustered_variance(list(differences), [n // 2 for n in range(320)])
    told = find_power(variance, 320, MARGIN).power
    rate = simulate(0.0, 300)

    assert told is not None
    assert rate == pytest.approx(told, abs=0.1)
    assert rate > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("families", [30, 100, 250])
def test_the_level_holds_over_sizes(families):
    runs = 2000
    assert simulate(-MARGIN, runs, families=families) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_the_size_that_is_asked_for_has_a_power_of_four_fifths():
    found = find_power(0.0016, 324, MARGIN)
    needed = found.probes_needed_for_80
    assert found.power is not None
    assert needed is not None
    assert find_power(0.0016 * 324 / needed, needed, MARGIN).power == pytest.approx(0.8, abs=0.01)
    powers = [find_power(v, 324, MARGIN).power for v in (0.0004, 0.0009, 0.0016, 0.0036)]
    assert all(a > b for a, b in pairwise(powers))  # type: ignore[operator]
    assert find_power(0.0016, 324, MARGIN, at_true_difference=-MARGIN).power == pytest.approx(0.05)
    assert find_power(0.0016, 324, MARGIN, at_true_difference=-0.1).probes_needed_for_80 is None
    assert find_power(None, 324, MARGIN).power is None


def test_equal_replies_of_few_families_are_no_certainty():
    few = bounded_difference([0.0] * 12, [f"f{n}" for n in range(12)])
    many = bounded_difference([0.0] * 300, [f"f{n}" for n in range(300)])

    assert few.interval.value == many.interval.value == 0
    assert few.lower is not None
    assert few.lower < -MARGIN
    assert many.lower is not None
    assert many.lower > -0.02


def test_the_bound_is_the_bootstrap_s_where_there_is_something_to_resample():
    chance = np.random.default_rng(3)
    values = list(chance.normal(0.02, 0.4, 200))
    found = bounded_difference(values, [f"f{n}" for n in range(200)])
    spread = np.std(values, ddof=1) / math.sqrt(200)

    assert found.lower == pytest.approx(np.mean(values) - 1.653 * spread, abs=0.006)
    assert found.variance == pytest.approx(spread**2, rel=0.02)


@given(
    st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 1 / 3, 1.0]), st.integers(0, 9)), min_size=1, max_size=40)
)
@settings(max_examples=60, deadline=None)
def test_bounds_surround_the_value_or_are_missing(rows):
    found = bounded_difference([v for v, _ in rows], [str(f) for _, f in rows], draws=1000)

    assert found.interval.value == pytest.approx(sum(v for v, _ in rows) / len(rows))
    if len({f for _, f in rows}) < 3:
        assert found.lower is None
    else:
        assert found.lower is not None
        assert found.upper is not None
        assert found.interval.low <= found.lower <= found.upper <= found.interval.high  # type: ignore[operator]


@pytest.mark.parametrize(
    ("mine", "theirs", "conclusion", "answer", "says"),
    [
        ([1.0, 0.0] * 120, [1.0, 0.0] * 120, "non_inferior", "yes", "is not worse than"),
        ([0.0] * 240, [1.0, 0.0] * 120, "inferior", "no", "Shown to be worse"),
        ([1.0, 0.0] * 10, [1.0, 1.0, 0.0, 0.0] * 5, "not_shown", "not_shown", "Not shown"),
    ],
)
def test_every_conclusion_says_what_it_is(mine, theirs, conclusion, answer, says):
    found = primary(mine, theirs, len(mine))
    head = draw_headline("Ann", found.as_row())

    assert (found.conclusion, head.answer) == (conclusion, answer)
    assert says in found.sentence
    assert found.sentence in head.sentence
    for word in ("equal to", "as good as", "the same as", "no difference"):
        assert word not in head.sentence
    if conclusion == "not_shown":
        assert "probes would" in found.sentence
        assert found.power.probes_needed_for_80 > found.count


def test_a_yes_names_at_once_what_is_worse():
    row = primary([1.0, 0.0] * 120, [1.0, 0.0] * 120, 240).as_row()

    yes = draw_headline("Ann", row, worse=["facts", "honesty"])
    assert yes.sentence.startswith(
        "Yes: with its short prompt the tuned model can stand in for Ann's long one, but it is worse on "
        "facts and honesty. "
    )
    assert draw_headline("Ann", row).sentence.startswith(
        "Yes: with its short prompt the tuned model can stand in for Ann's long one. "
    )


def test_without_a_star_that_is_said_first():
    found = primary([1.0] * 60, [1.0] * 60, 60, rival="cheap+long")
    head = draw_headline("Ann", found.as_row())

    assert found.b == "cheap+long"
    assert "no expensive model was measured" in str(found.b_reason)
    assert head.sentence.index("No expensive model") < head.sentence.index("Shown: the tuned")


def test_superiority_is_shown_or_not_shown():
    found = primary([1.0] * 50 + [0.0] * 50, [1.0] * 50 + [0.0] * 50, 100)

    assert [(s.b, s.conclusion) for s in found.superiority] == [
        ("cheap+long", "not_shown"),
        ("cheap+short", "superior"),
    ]


def test_replies_are_averaged_within_a_probe_and_missing_probes_leave_the_pair():
    asked = probes(30, 30)
    mine = Passed({p.id: 2 / 3 for p in asked})
    theirs = Passed({p.id: 1 / 3 for p in asked[:20]})
    found = find_primary(
        {"tuned+short": mine, "cheap+long": theirs}, asked, margin=MARGIN, replies_per_probe=3, draws=1000
    )

    assert measure_passed(mine, asked).score.value == pytest.approx(2 / 3)
    assert found.count == 20
    assert found.difference.value == pytest.approx(1 / 3)
    assert found.by_category[0]["count"] == 30


def test_seeds_that_disagree_are_no_yes_and_the_best_is_not_chosen():
    row = primary([1.0, 0.0] * 120, [1.0, 0.0] * 120, 240).as_row()
    rate = {"value": 0.5, "low": 0.4, "high": 0.6}
    seeds = [
        {"run_id": "a", "training_seed": 1, "a_rate": rate, "conclusion": "non_inferior"},
        {"run_id": "b", "training_seed": 2, "a_rate": rate, "conclusion": "not_shown"},
        {"run_id": "c", "training_seed": 3, "a_rate": None, "conclusion": "not_evaluated"},
    ]
    head = draw_headline("Ann", {**row, "seeds": seeds})

    assert head.answer == "not_shown"
    assert "Of 2 training seeds, 1 show it" in head.sentence
    assert draw_headline("Ann", {**row, "seeds": seeds[:1]}).answer == "yes"
