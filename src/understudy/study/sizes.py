"""Sizes: cells of different numbers of dialogues, and where more of them stop paying."""

from collections.abc import Mapping, Sequence

from understudy.evaluation.statistics import Interval
from understudy.study.effects import SHOWN, effect, kind_of_score, least_gain, unit_of
from understudy.study.measurement import Measurement
from understudy.study.stopping import Stopping, find_stop

__all__ = ["find_stops"]


def find_stops(points: Mapping[int, Sequence[Measurement]]) -> list[Stopping]:
    """What the rule says of every score that all sizes have; nothing for fewer than two sizes.

    Args:
        points: For each number of dialogues its measurements, one for each seed.
    """
    if len(points) < 2:
        return []
    return [stop for score in SHOWN if (stop := _stop(score, points))]


def _stop(score: str, points: Mapping[int, Sequence[Measurement]]) -> Stopping | None:
    largest = max(points)
    gains: list[tuple[int, Interval]] = []
    for size, found in points.items():
        if size == largest:
            continue
        gain = effect(points[largest], found, score)
        if gain is None:
            return None
        low = gain.low
        if gain.shown == "not shown" and low is not None and low > 0:
            low = 0.0  # The seeds disagree, so nothing is shown.
        gains.append((size, Interval(gain.value, low, gain.high)))
    scale = 100 if kind_of_score(score).share else 1
    return find_stop(
        score,
        [(size, _scaled(gain, scale)) for size, gain in gains],
        largest,
        least_gain=scale * least_gain(score),
        unit=unit_of(score),
    )


def _scaled(interval: Interval, scale: float) -> Interval:
    values = (interval.value, interval.low, interval.high)
    return Interval(*(None if value is None else scale * value for value in values))
