"""Drift: how the character holds over the turns of a conversation, and when it first breaks."""

from typing import Any

from understudy.report.figures import DEPLOYED
from understudy.report.labels import label_ends
from understudy.report.plot import DIM, FAINT, Plot, arm_colour, drawing, to_plot
from understudy.report.scores import score_kind

# Three stand side by side.
WIDTH, HEIGHT = 330, 240

__all__ = ["drift_rows", "draw_drift", "draw_survival"]


def drift_rows(arm: dict[str, Any]) -> list[dict[str, Any]]:
    """Scores by turn, wherever the verdict keeps them."""
    drift = arm.get("drift") or {}
    return list(drift.get("by_turn") or arm.get("by_turn") or [])


def draw_drift(arms: list[dict[str, Any]], score: str) -> Plot | None:
    """``style`` or ``leak`` by turn of a conversation, one line per arm."""
    series = []
    for arm in arms:
        points = [(row["turn"], 100 * row[score]) for row in drift_rows(arm) if row.get(score) is not None]
        if len(points) > 1:
            series.append((arm["name"], sorted(points)))
    if not series:
        return None
    title = {"style": "Style by turn", "leak": "AI disclaimers by turn"}[score]
    with drawing(WIDTH, HEIGHT) as figure:
        axes = figure.subplots()
        for name, points in series:
            width = 2.4 if name == DEPLOYED else 1.4
            axes.plot(
                *zip(*points, strict=True), "o-", color=arm_colour(name), linewidth=width, markersize=4.5
            )
        label_ends(axes, series, gap=9)
        _turns_and_percent(axes)
        alt = "; ".join(
            f"{name}: {first:.0f}% at turn {start}, {last:.0f}% at turn {end}"
            for name, [(start, first), *_, (end, last)] in series
        )
        direction = score_kind("style" if score == "style" else "in_fiction_leak").direction_text
        caption = "; ".join(part for part in (direction, _counts(arms)) if part)
        return to_plot(figure, f"drift-{score}", title, alt, caption)


def draw_survival(arms: list[dict[str, Any]]) -> Plot | None:
    """Share of conversations that have not broken by a turn, as steps; the deployed arm with its interval."""
    series = []
    for arm in arms:
        rows = [row for row in (arm.get("drift") or {}).get("survival") or [] if row.get("share") is not None]
        if rows:
            series.append((arm["name"], sorted(rows, key=lambda row: row["turn"])))
    if not series:
        return None
    with drawing(WIDTH, HEIGHT) as figure:
        axes = figure.subplots()
        ends = []
        for name, rows in series:
            turns, shares = (
                [0, *(row["turn"] for row in rows)],
                [100.0, *(100 * row["share"] for row in rows)],
            )
            width = 2.4 if name == DEPLOYED else 1.4
            axes.step(turns, shares, where="post", color=arm_colour(name), linewidth=width)
            if name == DEPLOYED and all(row.get("low") is not None for row in rows):
                low, high = ([100.0, *(100 * row[key] for row in rows)] for key in ("low", "high"))
                axes.fill_between(
                    turns, low, high, step="post", color=arm_colour(name), alpha=0.14, linewidth=0
                )
            ends.append((name, [(float(turns[-1]), shares[-1])]))
        label_ends(axes, ends, gap=9)
        _turns_and_percent(axes)
        alt = "; ".join(
            f"{name}: {100 * rows[-1]['share']:.0f}% unbroken after turn {rows[-1]['turn']}"
            for name, rows in series
        )
        at_risk = series[0][1][0].get("at_risk")
        caption = f"n = {at_risk} conversations" if at_risk is not None else ""
        return to_plot(figure, "survival", "Conversations without a break", alt, caption)


def _turns_and_percent(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_ylim(-4, 104)
    axes.set_xlabel("turn of the conversation")
    axes.set_ylabel("percent")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(axis="y", labelcolor=DIM)
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def _counts(arms: list[dict[str, Any]]) -> str:
    """How many replies stand behind the first and the last point."""
    rows: list[dict[str, Any]] = next((found for arm in arms if (found := drift_rows(arm))), [])
    counts = [row["count"] for row in rows if row.get("count") is not None]
    return f"n = {counts[0]} at the first turn, {counts[-1]} at the last" if counts else ""
