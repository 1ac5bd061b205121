"""Curves: loss over steps, scores over turns, cost over conversations."""

from collections.abc import Mapping
from typing import Any

from understudy.report.figures import DEPLOYED, WIDTH
from understudy.report.plot import DIM, FAINT, INK, Plot, arm_colour, drawing, to_plot
from understudy.report.scores import score_kind

__all__ = ["draw_cost", "draw_drift", "draw_loss"]


def draw_loss(events: list[dict[str, Any]]) -> Plot | None:
    """Training loss by step, validation loss where it was measured."""
    points = [_metrics(event) for event in events]
    train = [(p["step"], p["train_loss"]) for p in points if p and p.get("train_loss") is not None]
    if len(train) < 2:
        return None
    with drawing(WIDTH, 260) as figure:
        axes = figure.subplots()
        train.sort()
        axes.plot(*zip(*train, strict=True), color=FAINT, linewidth=1)
        axes.plot(
            [step for step, _ in train], _smooth([loss for _, loss in train]), color=arm_colour(DEPLOYED)
        )
        valid = sorted(_validation(points).items())
        if valid:
            axes.plot(
                *zip(*valid, strict=True), "s--", color=arm_colour("cheap+short"), markersize=5, linewidth=1.2
            )
            axes.annotate(
                "validation",
                valid[-1],
                xytext=(0, 9),
                textcoords="offset points",
                ha="right",
                color=arm_colour("cheap+short"),
            )
        axes.set_xlabel("step")
        axes.set_ylabel("loss, nats per token")
        axes.set_ylim(bottom=0)
        axes.tick_params(axis="y", labelcolor=DIM)
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        alt = f"From {train[0][1]:.2f} at step {train[0][0]} to {train[-1][1]:.2f} at step {train[-1][0]}."
        if valid:
            alt += f" Validation: {valid[0][1]:.2f} to {valid[-1][1]:.2f}."
        return to_plot(figure, "loss", "Training loss", alt, "Thin: each step. Thick: running mean.")


def _metrics(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Metrics of an event, as the API sends them (``data``) or as the worker writes them."""
    data = event.get("data")
    row = data if isinstance(data, Mapping) and data.get("step") is not None else event
    return dict(row) if isinstance(row.get("step"), int) else None


def _validation(points: list[dict[str, Any] | None]) -> dict[int, float]:
    """Full validation where there is one, else the small batches."""
    for key in ("full_valid_loss", "valid_loss"):
        found = {p["step"]: p[key] for p in points if p and p.get(key) is not None}
        if found:
            return found
    return {}


def _smooth(losses: list[float]) -> list[float]:
    """Mean of the last steps, about a twentieth of them."""
    window = max(1, len(losses) // 20)
    return [
        sum(losses[max(0, i - window + 1) : i + 1]) / len(losses[max(0, i - window + 1) : i + 1])
        for i in range(len(losses))
    ]


def draw_drift(arms: list[dict[str, Any]], score: str) -> Plot | None:
    """``style`` or ``leak`` by turn of a conversation, one line per arm."""
    series = []
    for arm in arms:
        points = [
            (row["turn"], 100 * row[score]) for row in arm.get("by_turn") or [] if row.get(score) is not None
        ]
        if len(points) > 1:
            series.append((arm["name"], sorted(points)))
    if not series:
        return None
    from matplotlib.ticker import MaxNLocator

    title = {"style": "Style by turn", "leak": "AI disclaimers by turn"}[score]
    with drawing(WIDTH, 270) as figure:
        axes = figure.subplots()
        for name, points in series:
            width = 2.4 if name == DEPLOYED else 1.4
            axes.plot(
                *zip(*points, strict=True), "o-", color=arm_colour(name), linewidth=width, markersize=4.5
            )
        _label_ends(axes, series)
        axes.set_ylim(-4, 104)
        axes.set_xlabel("turn of the conversation")
        axes.set_ylabel("percent")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(axis="y", labelcolor=DIM)
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        alt = "; ".join(
            f"{name}: {first:.0f}% at turn {start}, {last:.0f}% at turn {end}"
            for name, [(start, first), *_, (end, last)] in series
        )
        direction = score_kind("style" if score == "style" else "in_fiction_leak").direction_text
        caption = "; ".join(part for part in (direction, _counts(arms)) if part)
        return to_plot(figure, f"drift-{score}", title, alt, caption)


def _counts(arms: list[dict[str, Any]]) -> str:
    """How many replies stand behind the first and the last point."""
    rows: list[dict[str, Any]] = next((arm["by_turn"] for arm in arms if arm.get("by_turn")), [])
    counts = [row["count"] for row in rows if row.get("count") is not None]
    return f"n = {counts[0]} at the first turn, {counts[-1]} at the last" if counts else ""


def _label_ends(axes: Any, series: list[tuple[str, list[tuple[float, float]]]], gap: float = 7.5) -> None:
    """Names at the right ends of lines, ``gap`` axis units apart where they would overlap."""
    ends = sorted((points[-1][1], name, points[-1][0]) for name, points in series)
    for (_, name, x), place in zip(ends, _spread([end[0] for end in ends], gap), strict=True):
        axes.annotate(
            name,
            (x, place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=arm_colour(name),
            fontweight="bold" if name == DEPLOYED else "normal",
            annotation_clip=False,
        )


def _spread(values: list[float], gap: float) -> list[float]:
    """Rising values moved at least ``gap`` apart, each crowd around its own middle and above zero."""
    crowds: list[list[float]] = []
    for value in values:
        crowds.append([value])
        while len(crowds) > 1 and _places(crowds[-2], gap)[-1] + gap > _places(crowds[-1], gap)[0]:
            last = crowds.pop()
            crowds[-1] += last
    return [place for crowd in crowds for place in _places(crowd, gap)]


def _places(crowd: list[float], gap: float) -> list[float]:
    first = max(0.0, sum(crowd) / len(crowd) - gap * (len(crowd) - 1) / 2)
    return [first + gap * number for number in range(len(crowd))]


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
        _label_ends(axes, series, gap=top * 0.07)
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
