"""Money: cost over conversations, and what is passed for the price of a message."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from understudy.report.figures import DEPLOYED, WIDTH
from understudy.report.labels import label_ends
from understudy.report.plot import DIM, FAINT, INK, Plot, arm_colour, drawing, to_plot

__all__ = ["ParetoPoint", "draw_cost", "draw_pareto", "pareto_points"]

# Prices that differ by more than this factor are drawn on a logarithmic axis.
FAR_APART = 4
# A name takes up about so much of the axis.
NAME_WIDTH = 0.36


def draw_cost(cost: Mapping[str, Any]) -> Plot | None:
    """Cumulative cost over conversations at the hosted prices, training included, with break-even."""
    arms = {arm["arm"]: arm for arm in cost.get("arms") or [] if arm["place"] == "hosted"}
    training = next((row["usd"] for row in cost.get("training") or [] if row["place"] == "hosted"), 0.0)
    names = [n for n in arms if n == DEPLOYED or not n.startswith("tuned")]
    if len(names) < 2:
        return None
    marks = _crossings(cost)
    # Far enough to see the last crossing, and no further: lines that never meet need no more room.
    end = max(
        [2.0 * n for n, _ in marks if n < 20_000] or [30 * cost["settings"]["conversations_per_day"] or 1000]
    )
    lines = [(n, (training if n == DEPLOYED else 0.0), arms[n]["usd"]) for n in names]
    with drawing(WIDTH, 300) as figure:
        axes = figure.subplots()
        top = max(start + rate * end for _, start, rate in lines)
        series = []
        for name, start, rate in lines:
            width = 2.6 if name == DEPLOYED else 1.5
            axes.plot([0, end], [start, start + rate * end], color=arm_colour(name), linewidth=width)
            series.append((name, [(0.0, start), (end, start + rate * end)]))
        for n, other in marks:
            if n <= end:
                usd = arms[other]["usd"] * n
                axes.plot(
                    [n], [usd], "o", markersize=8, color=INK, markerfacecolor="none", markeredgewidth=1.4
                )
        label_ends(axes, series, gap=top * 0.07)
        axes.set_ylim(0, top * 1.04)
        axes.set_xlim(0, end)
        axes.set_xlabel(f"conversations of {cost['settings']['turns']} turns")
        axes.set_ylabel("US dollars, training included")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.2f}")
        axes.tick_params(axis="y", labelcolor=DIM)
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        alt = "; ".join(
            f"{name}: ${start:.2f} + ${1000 * rate:.2f} per 1,000 conversations"
            for name, start, rate in lines
        )
        return to_plot(
            figure,
            "cost",
            "Cumulative cost",
            alt,
            "Rings: the training has paid for itself. Priced, not measured.",
        )


def _crossings(cost: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Conversations at which the deployed hosted arm has paid for itself, and against whom."""
    return [
        (pair["conversations"], str(pair["other"]).split(" (")[0])
        for pair in cost.get("break_evens") or []
        if pair["tuned"].startswith(f"{DEPLOYED} (ft:") and pair["conversations"]
    ]


@dataclass(frozen=True)
class ParetoPoint:
    """An arm's share of probes passed against its price, both of the very same model.

    ``on_frontier``: no other arm passes at least as many for at most as much.
    """

    arm: str
    place: str
    usd_per_thousand_messages: float
    passed: float
    low: float | None
    high: float | None
    on_frontier: bool


def pareto_points(arms: list[dict[str, Any]], cost: Mapping[str, Any]) -> list[ParetoPoint]:
    """The arms that a run measured, each with the price of the very model that it measured.

    A local model is priced as its machine's time, a hosted one by the tokens that it took.
    """
    prices = {row["arm"]: row for row in cost.get("arms") or [] if row.get("measured")}
    found = []
    for arm in arms:
        score = (arm.get("scores") or {}).get("probes_passed") or {}
        row = prices.get(arm["name"])
        if row and score.get("value") is not None and row.get("message_usd"):
            found.append((arm["name"], row["place"], 1000 * row["message_usd"], score))
    return [
        ParetoPoint(
            arm=name,
            place=place,
            usd_per_thousand_messages=usd,
            passed=score["value"],
            low=score.get("low"),
            high=score.get("high"),
            on_frontier=not any(
                other[2] <= usd
                and other[3]["value"] >= score["value"]
                and (other[2] < usd or other[3]["value"] > score["value"])
                for other in found
            ),
        )
        for name, place, usd, score in found
    ]


def draw_pareto(points: list[ParetoPoint]) -> Plot | None:
    """Share of probes passed over the price of 1,000 messages, the arms that nobody beats joined."""
    if len(points) < 2:
        return None
    with drawing(WIDTH, 300) as figure:
        axes = figure.subplots()
        best = sorted((p for p in points if p.on_frontier), key=lambda p: p.usd_per_thousand_messages)
        axes.plot(
            [p.usd_per_thousand_messages for p in best],
            [100 * p.passed for p in best],
            color=FAINT,
            linewidth=6,
            solid_capstyle="round",
            zorder=1,
        )
        for point in points:
            _mark(axes, point)
        _price_axis(axes, points)
        for point, height in _label_heights(axes, points):
            axes.annotate(
                point.arm,
                (point.usd_per_thousand_messages, height),
                xytext=(9, 0),
                textcoords="offset points",
                va="center",
                color=arm_colour(point.arm),
                fontweight="bold" if point.arm == DEPLOYED else "normal",
                annotation_clip=False,
            )
        alt = "; ".join(
            f"{p.arm}: {100 * p.passed:.1f}% for ${_plain(p.usd_per_thousand_messages)}"
            + (", beaten by none" if p.on_frontier else "")
            for p in points
        )
        where = " and ".join(sorted({p.place for p in points}))
        caption = f"Up and left is better; joined: beaten by none. Price of the measured model ({where})."
        return to_plot(figure, "pareto", "Fidelity against price", alt, caption)


def _mark(axes: Any, point: ParetoPoint) -> None:
    colour = arm_colour(point.arm)
    x, y = point.usd_per_thousand_messages, 100 * point.passed
    if point.low is not None and point.high is not None:
        axes.plot([x, x], [100 * point.low, 100 * point.high], color=colour, linewidth=1.6, alpha=0.6)
    face = colour if point.on_frontier else "none"
    axes.plot([x], [y], "o", color=colour, markersize=8, markerfacecolor=face, markeredgewidth=1.6, zorder=3)


def _price_axis(axes: Any, points: list[ParetoPoint]) -> None:
    """Logarithmic where prices differ by factors; with room for the names at the right."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    prices = [p.usd_per_thousand_messages for p in points]
    low, high = min(prices), max(prices)
    if high > FAR_APART * low:
        axes.set_xscale("log")
        axes.set_xlim(low / (high / low) ** 0.1, high * (high / low) ** 0.45)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        air = (high - low) or high
        axes.set_xlim(max(0.0, low - 0.15 * air), high + 0.45 * air)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_ylim(-4, 104)
    axes.xaxis.set_major_formatter(lambda value, _: f"${_plain(value)}")
    axes.set_xlabel("US dollars per 1,000 messages")
    axes.set_ylabel("percent of probes passed")
    axes.tick_params(axis="y", labelcolor=DIM)
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def _plain(value: float) -> str:
    """Three significant digits without an exponent: ``0.00012``."""
    return format(Decimal(f"{value:.3g}").normalize(), "f")


def _label_heights(axes: Any, points: list[ParetoPoint], gap: float = 7.0) -> list[tuple[ParetoPoint, float]]:
    """Where each name stands: beside its mark, higher where a name near it is in the way."""
    left, right = axes.get_xlim()
    log = axes.get_xscale() == "log"

    def across(point: ParetoPoint) -> float:
        x = point.usd_per_thousand_messages
        return float(np.log(x / left) / np.log(right / left)) if log else (x - left) / (right - left)

    placed: list[tuple[ParetoPoint, float]] = []
    for point in sorted(points, key=lambda p: p.passed):
        height = 100 * point.passed
        for other, there in sorted(placed, key=lambda one: one[1]):
            if abs(across(other) - across(point)) < NAME_WIDTH and abs(there - height) < gap:
                height = there + gap
        placed.append((point, height))
    return placed
