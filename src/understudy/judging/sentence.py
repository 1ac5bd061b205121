"""Sentence: a judgement in words that never confuse "not shown" with "equal"."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["tell_judgement"]


def tell_judgement(
    arms: tuple[str, str],
    rate: Mapping[str, Any] | None,
    raters: Mapping[str, Mapping[str, Any]],
    judges: Sequence[str],
    persons: Sequence[str],
) -> str:
    """The joint answer of the believed judges, then whose scores are withheld and why, then persons."""
    a, b = arms
    parts = []
    withheld = [judge for judge in judges if raters[judge]["withheld"]]
    if rate is not None:
        parts.append(_say_rate(f"{len(judges) - len(withheld)} of {len(judges)} judges", a, b, rate))
    elif judges:
        parts.append(f"No judge's score of {a} against {b} is shown.")
    parts += [f"{judge}: withheld, because {raters[judge]['withheld']}." for judge in withheld]
    for person in persons:
        row = raters[person]
        if row["win_rate"]:
            parts.append(_say_rate(person, a, b, row["win_rate"]))
        elif row["withheld"]:
            parts.append(f"{person}: withheld, because {row['withheld']}.")
    return " ".join(parts)


def _say_rate(who: str, a: str, b: str, rate: Mapping[str, Any]) -> str:
    value, low, high = rate["value"], rate["low"], rate["high"]
    wins = f"{who}: {a} wins {100 * value:.0f} %"
    if low is None or high is None:
        return f"{wins} of {rate['count']} pairs against {b}, too few for an interval."
    if low > 0.5:
        told = f"{a} is preferred"
    elif high < 0.5:
        told = f"{b} is preferred"
    else:
        told = "which one is preferred was not shown, and that is not the same as equal"
    interval = f"({100 * low:.0f}–{100 * high:.0f})"
    return f"{wins} {interval} of {rate['count']} pairs against {b}, ties half; {told}."
