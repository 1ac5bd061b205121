"""Judged: what judge models and persons preferred, drawn, with those whose scores are withheld."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from understudy.report.plot import BAD, DIM, FAINT, GOOD, INK, Plot, drawing, to_plot

__all__ = ["Rater", "draw_win_rates", "read_raters"]

WIDTH = 480


@dataclass(frozen=True)
class Rater:
    """One judge or person. ``withheld`` is why its scores are not shown; empty where they are."""

    name: str
    is_person: bool
    win_rate: Mapping[str, Any]
    length_adjusted: Mapping[str, Any]
    consistent: float | None
    controls_passed: int
    controls: int
    withheld: str


def read_raters(judgement: Mapping[str, Any]) -> list[Rater]:
    """Judges, then persons, in the order of ``judgement.json``."""
    return [
        _rater(row, kind == "persons") for kind in ("judges", "persons") for row in judgement.get(kind) or []
    ]


def _rater(row: Mapping[str, Any], is_person: bool) -> Rater:
    controls = [control for control in row.get("controls") or [] if control.get("count")]
    return Rater(
        name=str(row.get("name")),
        is_person=is_person,
        win_rate=row.get("win_rate") or {},
        length_adjusted=row.get("length_adjusted") or {},
        consistent=row.get("consistent"),
        controls_passed=sum(bool(control.get("passed")) for control in controls),
        controls=len(controls),
        withheld=str(row.get("withheld") or ""),
    )


def draw_win_rates(judgement: Mapping[str, Any]) -> Plot | None:
    """How often the first arm was preferred: all believed judges together, then each rater."""
    joint = judgement.get("win_rate") or {}
    rows = [("all judges", joint)] if len(judgement.get("judges") or []) > 1 else []
    rows += [(rater.name, rater.win_rate) for rater in read_raters(judgement)]
    rows = [(name, rate) for name, rate in rows if rate.get("value") is not None]
    if not rows:
        return None
    a, b = judgement.get("a"), judgement.get("b")
    with drawing(WIDTH, 72 + 28 * len(rows)) as figure:
        axes = figure.subplots()
        axes.axvline(50, color=DIM, linewidth=1)
        for place, (_, rate) in enumerate(rows):
            low, high = rate.get("low"), rate.get("high")
            better = low is not None and low > 0.5
            clear = better or (high is not None and high < 0.5)
            colour = GOOD if better else BAD if clear else INK
            if low is not None and high is not None:
                axes.plot([100 * low, 100 * high], [place] * 2, color=colour, linewidth=2)
            face = colour if clear else "none"
            axes.plot(
                [100 * rate["value"]], [place], "o", color=colour, markersize=8, markerfacecolor=face,
                markeredgewidth=1.6,
            )  # fmt: skip
        axes.set_xlim(-3, 103)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel(f"percent of pairs in which {a} was preferred, ties half")
        alt = "; ".join(
            f"{name}: {100 * rate['value']:.0f}%"
            + (
                f" ({100 * rate['low']:.0f} to {100 * rate['high']:.0f})"
                if rate.get("low") is not None and rate.get("high") is not None
                else ""
            )
            for name, rate in rows
        )
        return to_plot(figure, "win-rates", f"{a} against {b}", alt, "50 is no preference.")
