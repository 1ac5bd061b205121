"""Forest figure: what every cell differs from the baseline by, in one score."""

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.report.plot import BAD, DIM, FAINT, GOOD, INK, Plot, drawing, to_plot
from understudy.study.effects import kind_of_score, unit_of
from understudy.study.measurement import DEPLOYED
from understudy.study.page import amount

__all__ = ["draw_effects"]

WIDTH, ROW, AROUND = 420, 21, 70
COLOURS = {"better": GOOD, "worse": BAD, "not shown": DIM}


def draw_effects(score: str, cells: Sequence[Mapping[str, Any]]) -> Plot | None:
    """Differences with 95 % intervals, so turned that right is better; filled where shown, else hollow."""
    rows = [
        (cell["title"], cell["effects"][DEPLOYED][score])
        for cell in cells
        if score in cell.get("effects", {}).get(DEPLOYED, {})
    ]
    rows = [(title, row) for title, row in rows if row["value"] is not None]
    if not rows:
        return None
    kind = kind_of_score(score)
    scale = 100.0 if kind.share else 1.0
    with drawing(WIDTH, AROUND + ROW * len(rows)) as figure:
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=1)
        for place, (_, row) in enumerate(rows):
            colour = COLOURS[row["shown"]]
            if row["low"] is not None:
                axes.plot([scale * row["low"], scale * row["high"]], [place] * 2, color=colour, linewidth=1.8)
            face = "none" if row["shown"] == "not shown" else colour
            axes.plot([scale * row["value"]], [place], "o", color=colour, markersize=6, markerfacecolor=face)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), [title for title, _ in rows])
        for text in axes.get_yticklabels():
            text.set_fontsize(9.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel(f"{unit_of(score)} better than the baseline")
        alt = "; ".join(f"{title} {amount(score, row)}, {row['shown']}" for title, row in rows) + "."
        return to_plot(figure, f"effects-{score.replace('_', '-')}", kind.title, alt, kind.direction_text)
