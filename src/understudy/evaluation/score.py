"""Score: one number about one arm, with its interval, its count, and how it was made."""

from dataclasses import asdict, dataclass
from typing import Any

from understudy.evaluation.statistics import Interval

__all__ = ["DIRECTIONS", "Score", "not_computed"]

# +1: more is better, -1: less is better, 0: nearest to 1 is best.
DIRECTIONS = {
    "probes_passed": 1,
    "nll_per_token": -1,
    "likelihood_gain": 1,
    "gap_closed": 1,
    "style": 1,
    "style_topic_free": 1,
    "told_apart": -1,
    "told_apart_topic_free": -1,
    "marker_distance": -1,
    "in_fiction_leak": -1,
    "false_break": -1,
    "honesty": 1,
    "honesty_direct": 1,
    "honesty_indirect": 1,
    "honesty_deep": 1,
    "fact_recall": 1,
    "over_refusal": -1,
    "unknown_f1": 1,
    "false_premise": 1,
    "relevance": 1,
    "reply_length_ratio": 0,
    "repetition": -1,
    "self_repetition": -1,
    "diversity": 0,
    "copying": -1,
    "general_skill": 1,
    "skill_lost": -1,
}


@dataclass(frozen=True)
class Score:
    """``value`` is ``None`` where it cannot be computed; ``note`` then says why.

    ``low`` and ``high`` bound the 95 % interval; ``count`` is how many replies (or
    conversations, see ``method``) it rests on.
    """

    value: float | None
    low: float | None
    high: float | None
    count: int
    unit: str
    method: str
    note: str | None = None

    @classmethod
    def of(
        cls, interval: Interval, *, count: int, unit: str, method: str, note: str | None = None
    ) -> "Score":
        """A score from an interval of ``statistics``."""
        return cls(interval.value, interval.low, interval.high, count, unit, method, note)

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


def not_computed(reason: str, *, unit: str = "", method: str = "") -> Score:
    """The score that says why there is none."""
    return Score(None, None, None, 0, unit, method, reason)
