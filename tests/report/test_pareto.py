"""Fidelity against price: who stands on the frontier, and what is never paired."""

from hypothesis import given
from hypothesis import strategies as st

from understudy.report.money import draw_pareto, pareto_points


def arm(name, passed):
    return {"name": name, "scores": {"probes_passed": {"value": passed, "low": None, "high": None}}}


def priced(name, usd, *, measured=True, place="own machine"):
    return {"arm": name, "place": place, "message_usd": usd, "measured": measured}


SHARES = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=1, max_size=8)


@given(SHARES)
def test_the_frontier_holds_exactly_the_arms_that_no_other_beats(found):
    arms = [arm(f"arm {n}", passed / 20) for n, (passed, _) in enumerate(found)]
    cost = {"arms": [priced(f"arm {n}", usd / 1000) for n, (_, usd) in enumerate(found)]}
    points = pareto_points(arms, cost)
    assert any(point.on_frontier for point in points)
    for point in points:
        beaten = [
            other
            for other in points
            if (other.passed >= point.passed)
            and (other.usd_per_thousand_messages <= point.usd_per_thousand_messages)
            and (other.passed, other.usd_per_thousand_messages)
            != (point.passed, point.usd_per_thousand_messages)
        ]
        assert point.on_frontier is not bool(beaten)


def test_a_measured_share_is_never_put_beside_a_list_price():
    cost = {"arms": [priced("tuned+short", 0.002, measured=False, place="hosted")]}
    assert pareto_points([arm("tuned+short", 0.8)], cost) == []


def test_an_arm_without_the_endpoint_or_a_price_is_left_out():
    cost = {"arms": [priced("a", 0.001), priced("b", 0.0)]}
    assert [p.arm for p in pareto_points([arm("a", 0.5), arm("b", 0.9), arm("c", 0.9)], cost)] == ["a"]
    assert pareto_points([{"name": "a", "scores": {}}], cost) == []


def test_prices_that_differ_by_factors_are_drawn_on_a_logarithmic_axis():
    cost = {"arms": [priced("tuned+short", 0.0001), priced("expensive+long", 0.01)]}
    points = pareto_points([arm("tuned+short", 0.7), arm("expensive+long", 0.9)], cost)
    plot = draw_pareto(points)
    assert plot is not None
    assert "tuned+short: 70.0% for $0.1, beaten by none; expensive+long: 90.0% for $10" in plot.alt
    assert ">$1<" in plot.svg.replace(" ", "")
    assert draw_pareto(points[:1]) is None
