"""Power: how likely this size is to show non-inferiority, and which size would do.

The bound is taken as normal. With V the variance of the mean paired difference, clustered by family,
and z the normal quantiles,

    power(Δ) = Φ((margin + Δ) / √V − z₀.₉₅),
    probes for a power of 0.8 at Δ = probes × V (z₀.₉₅ + z₀.₈)² / (margin + Δ)².

V is the linearised variance of a ratio of cluster totals: V = Σ_f (D_f − m_f d)² · F/(F−1) / N², with
D_f the sum of the differences in family f, m_f its probes, d their mean over all N probes, F families. The
power is that of a study of this size with this variance at a stated true difference; it never uses the
difference that was observed (Hoenig & Heisey 2001, Am. Stat. 55:19, on why).

Source: Chow, Shao, Wang 2008, "Sample Size Calculations in Clinical Research", section 3.1 (non-inferiority
of means); clusters: Miller 2024, arXiv 2411.00640, section 3.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Power", "clustered_variance", "find_power"]

WANTED_POWER = 0.8
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Power:
    """Power at ``at_true_difference``; ``probes_needed_for_80`` is ``None`` where no size would do."""

    at_true_difference: float
    power: float | None
    probes_needed_for_80: int | None

    def as_row(self) -> dict[str, float | int | None]:
        return {
            "at_true_difference": self.at_true_difference,
            "power": self.power,
            "probes_needed_for_80": self.probes_needed_for_80,
        }


def clustered_variance(differences: Sequence[float], families: Sequence[Hashable]) -> float | None:
    """Variance of the mean difference; ``None`` for fewer than three families."""
    order = {family: number for number, family in enumerate(dict.fromkeys(families))}
    count = len(order)
    if count < 3:
        return None
    index = np.array([order[family] for family in families])
    values = np.asarray(differences, dtype=np.float64)
    residuals = np.bincount(index, weights=values - values.mean(), minlength=count)
    return float((residuals**2).sum() * count / (count - 1) / len(values) ** 2)


def find_power(variance: float | None, count: int, margin: float, at_true_difference: float = 0.0) -> Power:
    """Power of ``count`` probes with this ``variance`` of the mean, and the probes that 80 % would take."""
    from scipy.stats import norm

    room = margin + at_true_difference
    if variance is None or count == 0:
        return Power(at_true_difference, None, None)
    if room <= 0:
        return Power(at_true_difference, 1 - CONFIDENCE if room == 0 else 0.0, None)
    if variance == 0:
        return Power(at_true_difference, 1.0, count)
    wanted = norm.ppf(CONFIDENCE) + norm.ppf(WANTED_POWER)
    power = float(norm.cdf(room / math.sqrt(variance) - norm.ppf(CONFIDENCE)))
    return Power(at_true_difference, power, math.ceil(count * variance * wanted**2 / room**2))
