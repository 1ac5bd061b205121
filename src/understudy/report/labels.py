"""Labels: names at the right ends of lines, moved apart where they would overlap."""

from typing import Any

from understudy.report.figures import DEPLOYED
from understudy.report.plot import arm_colour

__all__ = ["label_ends"]


def label_ends(axes: Any, series: list[tuple[str, list[tuple[float, float]]]], gap: float = 7.5) -> None:
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
