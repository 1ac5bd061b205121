"""Stopping: from which size on more data no longer pays, by a rule that noise alone does not meet."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from understudy.evaluation.statistics import Interval

__all__ = ["RULE", "Gain", "Stopping", "find_stop"]

RULE = (
    "For every size the gain from it to the largest size is taken on the same held-out probes, with its 95 % "
    "interval. More data pays at a size where the whole interval lies above zero and reaches the smallest "
    "gain that counts. It has stopped paying from a size on where, there and at every larger size, the whole "
    "interval lies below that smallest gain. Where neither is so, nothing is claimed."
)
State = Literal["pays", "stopped", "open"]


@dataclass(frozen=True)
class Gain:
    """How much better the largest size is than ``size``; positive is better, whatever the score."""

    size: int
    gain: float | None
    low: float | None
    high: float | None
    state: State


@dataclass(frozen=True)
class Stopping:
    """What the rule says of one score.

    answer: ``pays`` up to the largest size, ``stopped`` between ``after`` and ``until`` (``after`` is
    ``None`` where it had stopped at the smallest size already), or ``not_shown``.
    """

    score: str
    answer: Literal["pays", "stopped", "not_shown"]
    after: int | None
    until: int | None
    largest: int
    least_gain: float
    gains: tuple[Gain, ...]
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def find_stop(
    score: str,
    gains: Sequence[tuple[int, Interval]],
    largest: int,
    *,
    least_gain: float,
    unit: str,
    noun: str = "dialogues",
) -> Stopping:
    """Say where more data stops paying in one score.

    Args:
        score: Its name.
        gains: For each size below the largest, how much better the largest is, so turned that positive is
            better, with its interval.
        largest: The largest size.
        least_gain: The smallest gain that counts, in the score's unit, above 0.
        unit: For the sentence, for example ``"nats per token"``.
        noun: What is counted.
    """
    rows = tuple(
        Gain(size, found.value, found.low, found.high, _state(found, least_gain))
        for size, found in sorted(gains, key=lambda entry: entry[0])
    )
    answer, after, until = _answer(rows)
    sentence = _sentence(rows, answer, after, until, largest, least_gain, unit, noun)
    return Stopping(score, answer, after, until, largest, least_gain, rows, sentence)


def _state(found: Interval, least_gain: float) -> State:
    if found.low is None or found.high is None:
        return "open"
    if found.high < least_gain:
        return "stopped"
    return "pays" if found.low > 0 else "open"


def _answer(rows: Sequence[Gain]) -> tuple[Literal["pays", "stopped", "not_shown"], int | None, int | None]:
    if not rows:
        return "not_shown", None, None
    paying = [row.size for row in rows if row.state == "pays"]
    if rows[-1].state == "pays":
        return "pays", rows[-1].size, None
    ended: list[int] = []
    for row in reversed(rows):
        if row.state != "stopped":
            break
        ended.append(row.size)
    if not ended:
        return "not_shown", max(paying, default=None), None
    return "stopped", max(paying, default=None), ended[-1]


def _sentence(
    rows: Sequence[Gain],
    answer: str,
    after: int | None,
    until: int | None,
    largest: int,
    least_gain: float,
    unit: str,
    noun: str,
) -> str:
    if not rows:
        return f"Only one size was measured ({largest:,} {noun}), so nothing can be said of more or fewer."
    last = next((row for row in rows if row.size == after), rows[-1])
    if answer == "pays":
        return (
            f"More data still paid at {largest:,} {noun}: from {last.size:,} to {largest:,} the gain is "
            f"{_amount(last, unit)}. Where it stops lies beyond what was measured."
        )
    if answer == "stopped":
        bounded = next(row for row in rows if row.size == until)
        found = f"from {bounded.size:,} to {largest:,} the gain is {_amount(bounded, unit)}, "
        bound = f"less than {least_gain:g} {unit} with its whole interval"
        if bounded.high is not None and bounded.high < 0:
            bound = "a loss: more data made it worse"
        if after is None:
            return f"More data stopped paying at {until:,} {noun} or earlier: {found}{bound}."
        return f"More data stopped paying between {after:,} and {until:,} {noun}: {found}{bound}."
    wide = rows[-1]
    rest = (
        f"from {wide.size:,} to {largest:,} the gain is {_amount(wide, unit)}, which excludes neither "
        f"nothing nor {least_gain:g} {unit}"
    )
    if after is None:
        return f"Not shown whether more data pays: {rest}."
    shown = f"at {after:,} {noun} more data still paid ({_amount(last, unit)} from there to {largest:,})"
    return f"Not shown where more data stops paying: {shown}; {rest}."


def _amount(row: Gain, unit: str) -> str:
    if row.gain is None:
        return "not known"
    digits = 1 if unit == "points" else 2
    if row.low is None or row.high is None:
        return f"{row.gain:+.{digits}f} {unit} without an interval"
    return f"{row.gain:+.{digits}f} {unit} ({row.low:+.{digits}f} to {row.high:+.{digits}f})"
