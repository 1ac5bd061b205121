"""Size figure: a score over the number of dialogues."""

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.report.plot import DIM, FAINT, Plot, arm_colour, drawing, to_plot
from understudy.report.scores import format_interval, format_value
from understudy.study.effects import kind_of_score
from understudy.study.measurement import DEPLOYED

__all__ = ["draw_sizes"]

WIDTH, HEIGHT = 400, 285
UNTUNED = {"cheap+long": "untuned, long prompt", "cheap+short": "untuned, short prompt"}


def draw_sizes(
    score: str,
    points: Sequence[Mapping[str, Any]],
    untuned: Mapping[str, Mapping[str, Any]],
    caption: str = "",
) -> Plot | None:
    """Values with 95 % intervals, each seed as a small ring, and what the untuned model scores.

    Args:
        points: With ``size`` and ``scores``, as a curve holds them.
        untuned: Scores of the untuned base, by arm.
    """
    rows = [(point["size"], point["scores"][score]) for point in points if score in point["scores"]]
    rows = [(size, row) for size, row in rows if row["value"] is not None]
    if len(rows) < 2:
        return None
    kind = kind_of_score(score)
    scale = 100.0 if kind.share else 1.0
    with drawing(WIDTH, HEIGHT) as figure:
        axes = figure.subplots()
        axes.set_xscale("log")
        colour = arm_colour(DEPLOYED)
        sizes = [size for size, _ in rows]
        for size, row in rows:
            if row["low"] is not None and row["high"] is not None:
                axes.plot([size] * 2, [scale * row["low"], scale * row["high"]], color=colour, linewidth=2)
            if len(row["seeds"]) > 1:
                axes.plot(
                    [size] * len(row["seeds"]), [scale * value for value in row["seeds"]], "o", color=colour,
                    markersize=4, markerfacecolor="none", alpha=0.7,
                )  # fmt: skip
        axes.plot(
            sizes, [scale * row["value"] for _, row in rows], "o-", color=colour, linewidth=1.4, markersize=6
        )
        _draw_untuned(axes, score, untuned, scale)
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_xlabel("dialogues, each doubling equally wide")
        axes.set_ylabel("percent" if kind.share else "nats per token")
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", labelcolor=DIM)
        axes.margins(x=0.06, y=0.1)
        name = f"sizes-{score.replace('_', '-')}"
        return to_plot(figure, name, kind.title, _alt(kind, rows), caption or kind.direction_text)


def _draw_untuned(axes: Any, score: str, untuned: Mapping[str, Mapping[str, Any]], scale: float) -> None:
    """Dashed lines at what the untuned model scores, named below the drawing, where nothing is in the way."""
    for arm, words in UNTUNED.items():
        row = (untuned.get(arm) or {}).get(score)
        if row and row["value"] is not None:
            style = (0, (4, 3)) if arm == "cheap+long" else (0, (1, 2))
            value = scale * row["value"]
            axes.axhline(value, color=arm_colour(arm), linewidth=1.3, linestyle=style, label=words)
    if axes.get_legend_handles_labels()[0]:
        axes.figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9.5)


def _alt(kind: Any, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> str:
    pieces = []
    for size, row in rows:
        interval = format_interval(kind, row["low"], row["high"])
        pieces.append(
            f"{size:,} dialogues {format_value(kind, row['value'])}" + (f" ({interval})" if interval else "")
        )
    return "; ".join(pieces) + "."
