"""Measured: what the arms of a run took, in tokens, seconds and waiting time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean, linear_regression
from typing import Any

from understudy.cost.evidence import Evidence

__all__ = ["Latency", "MeasuredArm", "measure_arms"]


@dataclass(frozen=True)
class Latency:
    """Seconds from sending a request to its whole reply, with ``in_flight`` requests at once."""

    p50_seconds: float
    p95_seconds: float
    in_flight: int
    count: int


@dataclass(frozen=True)
class MeasuredArm:
    """An arm that answered in a run: averages per reply, in the tokens of its own model.

    ``seconds`` is the machine's time: seconds from sending to reply, over the requests in flight.
    ``growth`` is what every further turn of a conversation adds to it, from the scripted conversations in
    which the history is sent again; ``None`` where none were held.
    """

    name: str
    model: str
    base_model: str
    prompt_tokens: float
    reply_tokens: float
    seconds: float
    count: int
    latency: Latency | None = None
    first_turn_seconds: float | None = None
    growth: float | None = None

    def seconds_of_turn(self, turn: int) -> float:
        """Machine time of a turn, counted from 1: on the line through the scripted turns, else the mean."""
        if self.first_turn_seconds is None or self.growth is None:
            return self.seconds
        return self.first_turn_seconds + (turn - 1) * self.growth

    @property
    def reply_tokens_per_second(self) -> float:
        """Reply tokens that the machine wrote in a second, over all requests, reading of prompts included."""
        return self.reply_tokens / self.seconds


def measure_arms(evidence: Evidence) -> list[MeasuredArm]:
    """Averages of each arm's replies that carry their own counts and seconds."""
    arms = {arm.get("name"): arm for arm in evidence.verdict.get("arms") or []}
    # Several requests are in flight at once, so a reply's seconds hold the work for others too.
    together = int((evidence.verdict.get("settings") or {}).get("concurrency") or 1)
    rows_of: dict[str, list[Mapping[str, Any]]] = {}
    for row in evidence.replies:
        if row.get("seconds") and row.get("completion_tokens") and row.get("prompt_tokens"):
            rows_of.setdefault(str(row.get("arm")), []).append(row)
    return [_measure(name, arms.get(name) or {}, rows, together) for name, rows in rows_of.items()]


def _measure(
    name: str, arm: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], together: int
) -> MeasuredArm:
    seconds = sorted(float(row["seconds"]) for row in rows)
    first, growth = _line([row for row in rows if row.get("part") == "script"], together)
    return MeasuredArm(
        name=name,
        model=str(arm.get("model") or ""),
        base_model=str(arm.get("base_model") or ""),
        prompt_tokens=fmean(row["prompt_tokens"] for row in rows),
        reply_tokens=fmean(row["completion_tokens"] for row in rows),
        seconds=fmean(seconds) / together,
        count=len(rows),
        latency=Latency(_quantile(seconds, 0.50), _quantile(seconds, 0.95), together, len(seconds)),
        first_turn_seconds=first,
        growth=growth,
    )


def _line(rows: Sequence[Mapping[str, Any]], together: int) -> tuple[float | None, float | None]:
    """Machine time at the first turn and its growth per turn: least squares over scripted turns.

    A machine does not get quicker with more history, so a falling line is noise and taken as level.
    """
    turns = [int(row.get("turn") or 1) for row in rows]
    if len(set(turns)) < 2:
        return None, None
    seconds = [float(row["seconds"]) / together for row in rows]
    slope, intercept = linear_regression(turns, seconds)
    growth = max(0.0, slope)
    return (intercept + growth if slope > 0 else fmean(seconds)), growth


def _quantile(rising: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all do not exceed (nearest rank)."""
    return rising[max(0, ceil(share * len(rising)) - 1)]
