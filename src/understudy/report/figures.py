"""Figures: differences between arms, and one score of all arms."""

from collections.abc import Mapping
from typing import Any

from understudy.report.plot import BAD, DIM, FAINT, GOOD, INK, Plot, arm_colour, drawing, to_plot
from understudy.report.scores import ScoreKind, format_interval, format_value, score_kind

__all__ = ["DEPLOYED", "REPLACED", "draw_forest", "draw_score"]

DEPLOYED = "tuned+short"
REPLACED = ("cheap+short", "cheap+long", "expensive+long")
WIDTH = 400


def draw_forest(comparisons: list[dict[str, Any]], margin: float | None = None) -> list[Plot]:
    """Differences between the deployed arm and those it replaces, so turned that right is better.

    Shares and other units get a drawing each, because they cannot share an axis.
    """
    rows = [_towards_better(row) for row in comparisons if _is_drawable(row)]
    shares = [row for row in rows if row["kind"].share]
    others = [row for row in rows if not row["kind"].share]
    plots = [
        _forest(
            part, f"forest-shares-{number}", "Percentage points better", 100.0, _ends(shares, 100.0), margin
        )
        for number, part in enumerate(_halves(shares), 1)
    ]
    if others:
        plots.append(_forest(others, "forest-others", "Nats per token better", 1.0, _ends(others, 1.0), None))
    return plots


def _halves(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows of more than five scores in two drawings that stand side by side, the first one longer."""
    names = list(dict.fromkeys(row["kind"].name for row in rows))
    if len(names) <= 5:
        return [rows] if rows else []
    first = names[: (len(names) + 2) // 2]
    return [[row for row in rows if (row["kind"].name in first) is side] for side in (True, False)]


def _ends(rows: list[dict[str, Any]], scale: float) -> tuple[float, float]:
    """Ends of the axis: all intervals, zero, and a little air; the same for both halves."""
    low = scale * min(0.0, *(row["low"] for row in rows))
    high = scale * max(0.0, *(row["high"] for row in rows))
    air = 0.06 * ((high - low) or 1.0)
    return low - air, high + air


def _is_drawable(row: Mapping[str, Any]) -> bool:
    kind = score_kind(str(row.get("score")))
    numbers = all(row.get(key) is not None for key in ("difference", "low", "high"))
    # A ratio of gains can be many times 1 and would squeeze every other score on the axis.
    drawn = kind.direction in ("higher", "lower") and kind.name != "gap_closed"
    return numbers and row.get("a") == DEPLOYED and row.get("b") in REPLACED and drawn


def _towards_better(row: Mapping[str, Any]) -> dict[str, Any]:
    kind = score_kind(str(row["score"]))
    sign = 1 if kind.direction == "higher" else -1
    low, high = sorted((sign * row["low"], sign * row["high"]))
    return {"kind": kind, "other": row["b"], "value": sign * row["difference"], "low": low, "high": high}


def _forest(
    rows: list[dict[str, Any]],
    name: str,
    label: str,
    scale: float,
    ends: tuple[float, float],
    margin: float | None,
) -> Plot:
    titles = list(dict.fromkeys(row["kind"].title for row in rows))
    lines: list[tuple[str, dict[str, Any] | None]] = []
    for title in titles:
        lines.append((title, None))
        lines += [(f"vs {row['other']}", row) for row in rows if row["kind"].title == title]
    with drawing(WIDTH, 52 + 21 * len(lines)) as figure:
        axes = figure.subplots()
        for place, (_text, row) in enumerate(lines):
            if row is not None:
                _whisker(axes, place, row["value"] * scale, row["low"] * scale, row["high"] * scale)
        axes.axvline(0, color=DIM, linewidth=0.9)
        if margin is not None and ends[0] < -margin * scale:
            axes.axvline(-margin * scale, color=DIM, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_xlim(*ends)
        axes.set_ylim(len(lines) - 0.4, -0.7)
        axes.set_yticks(range(len(lines)), [text for text, _ in lines])
        for text, (_, row) in zip(axes.get_yticklabels(), lines, strict=True):
            text.set_color(DIM if row else INK)
            text.set_fontweight("normal" if row else "bold")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel(f"{label} →")
        alt = "; ".join(
            f"{row['kind'].title} vs {row['other']}: {row['value'] * scale:+.2f} "
            f"({row['low'] * scale:+.2f} to {row['high'] * scale:+.2f})"
            for row in rows
        )
        return to_plot(figure, name, f"{DEPLOYED} against the other arms", alt)


def _whisker(axes: Any, place: float, value: float, low: float, high: float) -> None:
    colour = GOOD if low > 0 else BAD if high < 0 else DIM
    clear = low > 0 or high < 0
    axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
    face = colour if clear else "none"
    axes.plot([value], [place], "o", markersize=7, color=colour, markerfacecolor=face, markeredgewidth=1.6)


def draw_score(kind: ScoreKind, scores: Mapping[str, Mapping[str, Any]]) -> Plot | None:
    """One score of every arm that has it, with intervals."""
    rows = [(arm, score) for arm, score in scores.items() if score.get("value") is not None]
    if not rows:
        return None
    scale = 100.0 if kind.share else 1.0
    with drawing(330, 60 + 22 * len(rows)) as figure:
        axes = figure.subplots()
        for place, (arm, score) in enumerate(rows):
            value = score["value"] * scale
            low, high = score.get("low"), score.get("high")
            if low is not None and high is not None:
                ends = [low * scale, high * scale]
                axes.plot(ends, [place] * 2, color=arm_colour(arm), linewidth=2, solid_capstyle="round")
            axes.plot([value], [place], "o", markersize=7.5, color=arm_colour(arm))
        if kind.share:
            _share_axis(axes, rows)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), [arm for arm, _ in rows])
        for text in axes.get_yticklabels():
            text.set_fontweight("bold" if text.get_text() == DEPLOYED else "normal")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel("percent" if kind.share else (rows[0][1].get("unit") or ""))
        alt = "; ".join(
            f"{arm} {format_value(kind, score['value'])}"
            + (
                f" ({interval})"
                if (interval := format_interval(kind, score.get("low"), score.get("high")))
                else ""
            )
            for arm, score in rows
        )
        return to_plot(figure, f"score-{kind.name.replace('_', '-')}", kind.title, alt, kind.direction_text)


def _share_axis(axes: Any, rows: list[tuple[str, Mapping[str, Any]]]) -> None:
    """0 to 100, wider only where a value lies outside (a gap can be closed by more than all)."""
    numbers = [score.get(key) for _, score in rows for key in ("value", "low", "high")]
    known = [100 * number for number in numbers if number is not None]
    axes.set_xlim(min(-3.0, min(known) - 3), max(103.0, max(known) + 3))
