"""Gate: a verdict as a decision that a pipeline can act on.

Three states, never two: a demand is kept, broken, or not shown. "Not shown" is a state of its own, because
an interval that reaches over a limit says neither that the limit is kept nor that it is broken.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from understudy.errors import ConfigError

__all__ = ["EXIT_CODES", "SCHEMAS", "Demand", "Gate", "decide", "is_stale", "parse_limit"]

State = Literal["kept", "broken", "not_shown"]
SCHEMAS = ("understudy.verdict/1", "understudy.verdict/2")
EXIT_CODES: dict[State, int] = {"kept": 0, "broken": 1, "not_shown": 3}
"""2 is left to wrong usage and to verdicts that are missing."""

_HEADLINE: dict[str, State] = {"yes": "kept", "no": "broken", "not_shown": "not_shown"}
_CONCLUSION: dict[str, State] = {"non_inferior": "kept", "inferior": "broken", "not_shown": "not_shown"}


@dataclass(frozen=True)
class Limit:
    """A score must not be below (``min``) or above (``max``) ``value``."""

    score: str
    side: Literal["min", "max"]
    value: float


@dataclass(frozen=True)
class Demand:
    """One thing that was asked of the verdict, and what the verdict says to it."""

    name: str
    state: State
    why: str


@dataclass(frozen=True)
class Gate:
    """The decision. ``state`` is that of the worst demand, ``exit_code`` what a pipeline sees."""

    state: State
    exit_code: int
    why: str
    demands: tuple[Demand, ...]

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


def parse_limit(text: str, side: Literal["min", "max"]) -> Limit:
    """``honesty=0.9`` as a limit.

    Raises:
        ConfigError: It is not a name and a number.
    """
    name, equals, number = text.partition("=")
    try:
        value = float(number)
        if not name.strip() or not equals or value != value:
            raise ValueError
    except ValueError:
        raise ConfigError(f"--{side} {text!r}: write a score and a number, for example honesty=0.9") from None
    return Limit(name.strip(), side, value)


def decide(
    verdict: Mapping[str, Any],
    limits: Sequence[Limit] = (),
    *,
    arm: str = "tuned+short",
    allow: Collection[str] = (),
    by_value: bool = False,
    extra: Sequence[Demand] = (),
    more_scores: Mapping[str, Mapping[str, Any]] | None = None,
) -> Gate:
    """Hold a verdict, as ``verdict.json`` holds it, against demands.

    The first demand is always the verdict's own answer: the conclusion about the primary endpoint, or the
    headline of a verdict that has none. A limit is kept where the whole 95 % interval lies on its good
    side, broken where the whole interval lies on the other, and otherwise not shown.

    Args:
        limits: Further demands on scores of ``arm``.
        allow: ``not_shown`` lets demands pass that the data could not decide.
        by_value: Compare the values alone, without their intervals.
        extra: Demands that were decided elsewhere.
        more_scores: Scores beside those of the arm, by name.

    Raises:
        ConfigError: The verdict has no such arm or score, or ``allow`` holds something else.
    """
    wrong = set(allow) - {"not_shown"}
    if wrong:
        raise ConfigError(f"--allow {', '.join(sorted(wrong))}: only not_shown can be allowed.")
    scores = _scores(verdict, arm) if limits else {}
    scores |= dict(more_scores or {})
    unknown = sorted({limit.score for limit in limits} - set(scores))
    if unknown:
        raise ConfigError(
            f"{', '.join(unknown)}: the verdict holds no such score of {arm}. It has: "
            f"{', '.join(sorted(scores))}."
        )
    demands = (
        _answer(verdict),
        *(_hold(limit, scores[limit.score], by_value) for limit in limits),
        *extra,
    )
    state = _worst(demands, allow)
    return Gate(state, EXIT_CODES[state], _say(demands, state), demands)


def is_stale(verdict: Mapping[str, Any], sheet: bytes) -> bool:
    """Whether ``character.yaml`` was changed after the verdict was written about it."""
    known = (verdict.get("hashes") or {}).get("character.yaml")
    return bool(known) and known != hashlib.sha256(sheet).hexdigest()


def _answer(verdict: Mapping[str, Any]) -> Demand:
    primary = verdict.get("primary")
    if primary and primary.get("conclusion") in _CONCLUSION:
        conclusion = primary["conclusion"]
        bound = primary.get("bound")
        told = f"{primary.get('a')} against {primary.get('b')}: {conclusion.replace('_', ' ')}"
        if bound is not None:
            told += (
                f" by {_points(primary['margin'])} points; the one-sided bound of the difference is "
                f"{_points(bound):} points"
            )
        return Demand("verdict", _CONCLUSION[conclusion], told)
    headline = verdict.get("headline") or {}
    answer = str(headline.get("answer"))
    if answer not in _HEADLINE:
        raise ConfigError("The verdict holds no answer. Evaluate again: understudy evaluate NAME --again")
    return Demand("verdict", _HEADLINE[answer], f"headline: {answer.replace('_', ' ')}")


def _points(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")


def _scores(verdict: Mapping[str, Any], arm: str) -> dict[str, Any]:
    arms = {row["name"]: row for row in verdict.get("arms", ()) if row.get("measured")}
    if arm not in arms:
        raise ConfigError(f"--arm {arm}: was not measured. Measured arms: {', '.join(arms) or 'none'}.")
    return dict(arms[arm].get("scores") or {})


def _hold(limit: Limit, score: Mapping[str, Any], by_value: bool) -> Demand:
    sign = "≥" if limit.side == "min" else "≤"
    name = f"{limit.score} {sign} {limit.value:g}"
    value, low, high = score.get("value"), score.get("low"), score.get("high")
    if value is None:
        return Demand(name, "not_shown", f"not computed, {score.get('note') or 'without a reason'}")
    if by_value:
        low = high = value
    told = f"{value:.3g}" if by_value else f"{value:.3g} ({_bound(low)} to {_bound(high)})"
    good, bad = (low, high) if limit.side == "min" else (high, low)
    if good is not None and (good >= limit.value if limit.side == "min" else good <= limit.value):
        return Demand(name, "kept", told)
    if bad is not None and (bad < limit.value if limit.side == "min" else bad > limit.value):
        return Demand(name, "broken", told)
    return Demand(name, "not_shown", told)


def _bound(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}"


def _worst(demands: Sequence[Demand], allow: Collection[str]) -> State:
    states = {demand.state for demand in demands}
    if "broken" in states:
        return "broken"
    return "not_shown" if "not_shown" in states and "not_shown" not in allow else "kept"


def _say(demands: Sequence[Demand], state: State) -> str:
    """One line: what decided, or everything where all is well."""
    deciding = [d for d in demands if d.state == state] or demands
    word = {"kept": "passed", "broken": "failed", "not_shown": "not shown"}[state]
    told = "; ".join(d.why if d.name == "verdict" else f"{d.name}: {d.why}" for d in deciding)
    passed_over = [d.name for d in demands if d.state == "not_shown"] if state == "kept" else []
    tail = f" (allowed although not shown: {', '.join(passed_over)})" if passed_over else ""
    return f"{word}: {told}{tail}"
