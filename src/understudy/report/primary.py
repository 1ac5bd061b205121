"""Primary: the one endpoint that was fixed beforehand, drawn with its margin and told in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from understudy.report.plot import BAD, DIM, FAINT, GOOD, INK, Plot, arm_colour, drawing, to_plot

__all__ = ["PrimaryRow", "draw_categories", "draw_primary", "draw_superiority"]
__all__ += ["primary_rows", "superiority_rows"]

# The primary endpoint must be read on a phone too.
NARROW, WIDE = 480, 640
CONCLUSIONS = {
    "non_inferior": "not inferior by the margin",
    "inferior": "inferior by more than the margin",
    "superior": "superior",
    "not_shown": "not shown",
}


@dataclass(frozen=True)
class PrimaryRow:
    """One comparison of shares of probes passed, in percentage points (a − b).

    ``low`` and ``high`` are the two-sided 95 % interval, ``bound`` the one-sided lower bound on which the
    conclusion rests.
    """

    name: str
    value: float
    low: float
    high: float
    bound: float | None
    conclusion: str

    @property
    def in_words(self) -> str:
        """What follows from the bound."""
        return CONCLUSIONS.get(self.conclusion, self.conclusion)


def primary_rows(primary: Mapping[str, Any]) -> list[PrimaryRow]:
    """The deployed training first, then every other training seed that was evaluated."""
    rows = [_row(f"vs {primary.get('b')}", primary)]
    for seed in primary.get("seeds") or []:
        # The first is told already where it is the same training.
        if seed.get("difference") != primary.get("difference"):
            rows.append(_row(f"training seed {seed.get('training_seed')}", seed))
    return [row for row in rows if row]


def superiority_rows(primary: Mapping[str, Any]) -> list[PrimaryRow]:
    """The deployed arm against the untuned model with the long and the short prompt."""
    rows = [_row(f"vs {row.get('b')}", row) for row in primary.get("superiority") or []]
    return [row for row in rows if row]


def _row(name: str, found: Mapping[str, Any]) -> PrimaryRow | None:
    difference = found.get("difference") or {}
    numbers = [difference.get(key) for key in ("value", "low", "high")]
    if any(number is None for number in numbers):
        return None
    value, low, high = (100 * float(number) for number in numbers)  # type: ignore[arg-type]
    bound = found.get("bound")
    return PrimaryRow(
        name, value, low, high, None if bound is None else 100 * bound, str(found.get("conclusion") or "")
    )


def draw_primary(primary: Mapping[str, Any]) -> Plot | None:
    """The forest row of the primary endpoint: difference, interval, one-sided bound, margin."""
    rows, margin = primary_rows(primary), 100 * float(primary.get("margin") or 0)
    if not rows:
        return None
    title = f"{primary.get('a')} minus {primary.get('b')}: share of probes passed"
    return _forest(rows, "primary", title, margin)


def draw_superiority(primary: Mapping[str, Any]) -> Plot | None:
    """The same against the untuned model, where a lower bound above zero shows superiority."""
    rows = superiority_rows(primary)
    title = f"{primary.get('a')} minus the untuned model: share of probes passed"
    return _forest(rows, "superiority", title, None) if rows else None


def _forest(rows: list[PrimaryRow], name: str, title: str, margin: float | None) -> Plot:
    low = min([0.0, -(margin or 0.0), *(row.low for row in rows)])
    high = max([0.0, *(row.high for row in rows)])
    air = max(2.0, 0.08 * (high - low))
    with drawing(NARROW, 86 + 30 * len(rows)) as figure:
        axes = figure.subplots()
        if margin is not None:
            axes.axvspan(low - 2 * air, -margin, color=BAD, alpha=0.08, linewidth=0)
            axes.axvline(-margin, color=BAD, linewidth=1.4, linestyle=(0, (4, 3)))
            _note(axes, -margin, f"margin −{margin:g}", BAD, "right")
        axes.axvline(0, color=DIM, linewidth=1)
        _note(axes, 0, "no difference", DIM, "left")
        limit = -margin if margin is not None else 0.0
        for place, row in enumerate(rows):
            _whisker(axes, place, row, limit, first=place == 0)
        axes.set_xlim(low - air, high + air)
        axes.set_ylim(len(rows) - 0.35, -0.75)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        for place, text in enumerate(axes.get_yticklabels()):
            text.set_fontweight("bold" if place == 0 and margin is not None else "normal")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel("percentage points, right is better →")
        alt = "; ".join(
            f"{row.name}: {row.value:+.1f} points, 95% interval {row.low:+.1f} to {row.high:+.1f}"
            + (f", one-sided lower bound {row.bound:+.1f}" if row.bound is not None else "")
            + f": {row.in_words}"
            for row in rows
        )
        if margin is not None:
            alt = f"Margin {-margin:g} points. {alt}"
        return to_plot(figure, name, title, alt)


def _note(axes: Any, x: float, text: str, colour: str, side: str) -> None:
    """A name over a line, on that side of it, so that two lines close to each other keep theirs."""
    axes.annotate(
        text,
        (x, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-3 if side == "right" else 3, 4),
        textcoords="offset points",
        ha=side,
        color=colour,
        fontsize=10,
        annotation_clip=False,
    )


def _whisker(axes: Any, place: float, row: PrimaryRow, limit: float, *, first: bool) -> None:
    """Thin: two-sided interval. The bar across it: the one-sided bound that decides."""
    shown = row.bound is not None and row.bound > limit
    colour = GOOD if shown else BAD if row.conclusion == "inferior" else INK
    axes.plot(
        [row.low, row.high], [place] * 2, color=colour, linewidth=2.6 if first else 1.8, solid_capstyle="butt"
    )
    if row.bound is not None:
        axes.plot([row.bound] * 2, [place - 0.24, place + 0.24], color=colour, linewidth=2.2)
    face = colour if shown or row.conclusion == "inferior" else "none"
    axes.plot(
        [row.value],
        [place],
        "o",
        markersize=10 if first else 7,
        color=colour,
        markerfacecolor=face,
        markeredgewidth=1.8,
    )


def draw_categories(primary: Mapping[str, Any], names: Mapping[str, str], arms: list[str]) -> Plot | None:
    """Share of probes passed in each category, a mark for each of the arms that matter most."""
    rows = [row for row in primary.get("by_category") or [] if row.get("passed")]
    shown = [
        arm for arm in arms if any((row["passed"].get(arm) or {}).get("value") is not None for row in rows)
    ]
    if not rows or not shown:
        return None
    step = min(0.2, 0.7 / len(shown))
    with drawing(WIDE, 74 + 34 * len(rows)) as figure:
        axes = figure.subplots()
        for place, row in enumerate(rows):
            for number, arm in enumerate(shown):
                share = row["passed"].get(arm) or {}
                if share.get("value") is None:
                    continue
                y = place + (number - (len(shown) - 1) / 2) * step
                if share.get("low") is not None and share.get("high") is not None:
                    ends = [100 * share["low"], 100 * share["high"]]
                    axes.plot(ends, [y] * 2, color=arm_colour(arm), linewidth=1.6, alpha=0.55)
                axes.plot([100 * share["value"]], [y], "o", markersize=6, color=arm_colour(arm))
        for place in range(1, len(rows)):
            axes.axhline(place - 0.5, color=FAINT, linewidth=0.6)
        axes.set_xlim(-3, 103)
        axes.set_ylim(len(rows) - 0.5, -0.6)
        labels = [f"{names.get(row['category'], row['category'])} ({row.get('count')})" for row in rows]
        axes.set_yticks(range(len(rows)), labels)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel("percent of probes passed")
        alt = "; ".join(
            f"{names.get(row['category'], row['category'])}: "
            + ", ".join(
                f"{arm} {100 * share['value']:.0f}%"
                for arm in shown
                if (share := row["passed"].get(arm) or {}).get("value") is not None
            )
            for row in rows
        )
        return to_plot(figure, "categories", "Probes passed by category", alt)
