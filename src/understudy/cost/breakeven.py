"""Break-even: after how many conversations a training has paid for itself."""

from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

__all__ = ["BreakEven", "break_even"]


@dataclass(frozen=True)
class BreakEven:
    """When ``tuned`` has become cheaper than ``other``, training included.

    ``conversations`` is ``None`` where it never does. ``twice`` is the same where the first
    training failed to please and a second was paid. ``in_time`` and ``twice_in_time`` are false
    where the tuned model is shut down before, ``None`` where no such day is known.
    """

    tuned: str
    other: str
    saved_usd_per_conversation: float
    conversations: int | None
    days: float | None
    twice: int | None
    in_time: bool | None
    sentence: str
    twice_days: float | None = None
    twice_in_time: bool | None = None
    shutdown: str | None = None


def break_even(
    tuned: str,
    other: str,
    *,
    training_usd: float,
    tuned_usd: float,
    other_usd: float,
    conversations_per_day: float,
    today: date,
    shutdown: date | None = None,
) -> BreakEven:
    """Compare two arms by their cost per conversation.

    With training cost K, cost per conversation c_tuned and c_other, and s = c_other - c_tuned:

        n = ceil(K / s)     where s > 0
        never               where s <= 0: more conversations only widen the gap

    With a first training in vain, K counts twice. Days are n / conversations_per_day.
    """
    saved = other_usd - tuned_usd
    never = saved <= 0
    once = None if never else ceil(training_usd / saved)
    twice = None if never else ceil(2 * training_usd / saved)
    days, twice_days = _days(once, conversations_per_day), _days(twice, conversations_per_day)
    in_time, twice_in_time = _in_time(days, today, shutdown), _in_time(twice_days, today, shutdown)
    return BreakEven(
        tuned=tuned,
        other=other,
        saved_usd_per_conversation=saved,
        conversations=once,
        days=days,
        twice=twice,
        in_time=in_time,
        sentence=_sentence(tuned, other, saved, once, twice, days, in_time, twice_in_time, shutdown),
        twice_days=twice_days,
        twice_in_time=twice_in_time,
        shutdown=shutdown.isoformat() if shutdown else None,
    )


def _days(conversations: int | None, conversations_per_day: float) -> float | None:
    if conversations is None or not conversations_per_day:
        return None
    return conversations / conversations_per_day


def _in_time(days: float | None, today: date, shutdown: date | None) -> bool | None:
    if shutdown is None or days is None:
        return None
    # Beyond the calendar is beyond any shutdown.
    return days < 3_000_000 - today.toordinal() and today + timedelta(days=days) <= shutdown


def _sentence(
    tuned: str,
    other: str,
    saved: float,
    conversations: int | None,
    twice: int | None,
    days: float | None,
    in_time: bool | None,
    twice_in_time: bool | None,
    shutdown: date | None,
) -> str:
    if conversations is None:
        return f"Never: {tuned} costs ${-1000 * saved:.2f} more per 1,000 conversations than {other}."
    if conversations == 0:
        return f"At once: {tuned} is cheaper than {other} from the first conversation."
    text = (
        f"The training of {tuned} has paid for itself against {other} after {conversations:,} conversations"
    )
    if days is not None:
        text += f" ({days:,.1f} days at this traffic)"
    text += f"; {twice:,} if a first training fails."
    if in_time is False and shutdown is not None:
        text += f" That is after the model is shut down on {shutdown.isoformat()}: not in time."
    elif twice_in_time is False and shutdown is not None:
        text += f" Trained twice it is not in time: the model is shut down on {shutdown.isoformat()}."
    return text
