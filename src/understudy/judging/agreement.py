"""Agreement: how far raters say the same, beyond what chance would have them say."""

from collections.abc import Callable, Mapping, Sequence

__all__ = ["krippendorff_alpha", "share_equal"]

Metric = Callable[[float, float], float]


def nominal(a: float, b: float) -> float:
    """Any two different answers are equally far apart."""
    return float(a != b)


def interval(a: float, b: float) -> float:
    """The squared distance: a tie is half-way between the two sides."""
    return (a - b) ** 2


def krippendorff_alpha(units: Sequence[Mapping[str, float]], metric: Metric = interval) -> float | None:
    """Krippendorff's alpha, 1 for full agreement and 0 for chance:

        α = 1 − (n − 1) · Σ_u [Σ_{i≠j} δ(v_ui, v_uj) / (m_u − 1)] / Σ_{k≠l} δ(v_k, v_l)

    over the n values of units with at least two; raters may leave units out.

    Args:
        units: For each unit, the value by rater.

    Returns:
        ``None`` with fewer than two comparable units. Where all values are one and the same, agreement
        cannot be told from having no choice, and the result is ``None`` as well.

    Source: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability".
    """
    rated = [list(unit.values()) for unit in units if len(unit) > 1]
    if len(rated) < 2:
        return None
    observed = sum(_within(values, metric) / (len(values) - 1) for values in rated)
    counts: dict[float, int] = {}
    for values in rated:
        for value in values:
            counts[value] = counts.get(value, 0) + 1
    total = sum(counts.values())
    expected = sum(metric(a, b) * n * m for a, n in counts.items() for b, m in counts.items())
    return 1 - (total - 1) * observed / expected if expected else None


def _within(values: Sequence[float], metric: Metric) -> float:
    return sum(metric(a, b) for i, a in enumerate(values) for j, b in enumerate(values) if i != j)


def share_equal(units: Sequence[Mapping[str, float]]) -> float | None:
    """Share of units with two raters or more on which all of them say the same."""
    rated = [set(unit.values()) for unit in units if len(unit) > 1]
    return sum(len(values) == 1 for values in rated) / len(rated) if rated else None
