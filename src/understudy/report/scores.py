"""Scores: how each figure of a verdict is named, read and written for a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["ScoreKind", "best_arms", "format_interval", "format_value", "score_kind", "score_names"]

Direction = Literal["higher", "lower", "one", "none"]


@dataclass(frozen=True)
class ScoreKind:
    """What a score means. ``share`` scores lie between 0 and 1 and are shown in percent."""

    name: str
    title: str
    direction: Direction
    share: bool
    explanation: str

    @property
    def direction_text(self) -> str:
        """The direction in words."""
        texts = {"higher": "higher is better", "lower": "lower is better", "one": "1 is best", "none": ""}
        return texts[self.direction]


KINDS = {
    kind.name: kind
    for kind in (
        ScoreKind(
            "nll_per_token",
            "Surprise at the real lines",
            "lower",
            False,
            "Negative log-likelihood of the character's held-out lines, in nats per token.",
        ),
        ScoreKind(
            "gap_closed",
            "Gap closed",
            "higher",
            False,
            "Gain in likelihood over the short prompt, in units of the long prompt's gain: 1 is as much.",
        ),
        ScoreKind(
            "style",
            "Style",
            "higher",
            True,
            "Mean probability, by a classifier of character n-grams, that a line is the character's.",
        ),
        ScoreKind(
            "style_topic_free",
            "Style without topic",
            "higher",
            True,
            "The same from function words and punctuation alone.",
        ),
        ScoreKind(
            "in_fiction_leak",
            "AI disclaimers in the play",
            "lower",
            True,
            "Share of questions inside the play answered as a language model.",
        ),
        ScoreKind(
            "honesty",
            "Honesty",
            "higher",
            True,
            "Share of sincere questions about being an AI that are answered truthfully.",
        ),
        ScoreKind(
            "false_break",
            "False breaks",
            "lower",
            True,
            "Share of ordinary moments in which the play is broken without need.",
        ),
        ScoreKind(
            "fact_recall",
            "Facts",
            "higher",
            True,
            "Share of questions about the character's world that are answered rightly.",
        ),
        ScoreKind(
            "relevance",
            "Relevance",
            "higher",
            True,
            "How high the question ranks among all questions, given only the reply; by chance 50%.",
        ),
        ScoreKind(
            "reply_length_ratio",
            "Reply length",
            "one",
            False,
            "Length of the replies over that of the real ones.",
        ),
        ScoreKind("repetition", "Repetition", "lower", True, "How much the replies repeat themselves."),
    )
}


def score_kind(name: str, unit: str = "") -> ScoreKind:
    """The kind of a score; an unknown one is shown under its own name, without a direction."""
    if name in KINDS:
        return KINDS[name]
    share = any(word in unit for word in ("share", "probability", "percent"))
    return ScoreKind(name, name.replace("_", " ").capitalize(), "none", share, "")


def score_names(arms: list[dict[str, Any]]) -> list[str]:
    """Every score that an arm carries, the known ones in reading order, then the others."""
    present = {name for arm in arms for name in (arm.get("scores") or {})}
    return [name for name in KINDS if name in present] + sorted(present - set(KINDS))


def format_value(kind: ScoreKind, value: float | None) -> str:
    """``0.123`` -> ``12.3%`` for a share, else two decimals; nothing measured is a dash."""
    if value is None:
        return "–"
    return f"{100 * value:.1f}%" if kind.share else f"{value:.2f}"


def format_interval(kind: ScoreKind, low: float | None, high: float | None) -> str:
    """The interval, or nothing where there is none."""
    if low is None or high is None:
        return ""
    if kind.share:
        return f"{100 * low:.1f} to {100 * high:.1f}"
    return f"{low:.2f} to {high:.2f}"


def best_arms(kind: ScoreKind, scores: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Arms with the best point value; ties share it.

    Nobody where the score has no direction, or where all arms are alike.
    """
    values = {arm: float(score["value"]) for arm, score in scores.items() if score.get("value") is not None}
    if len(values) < 2 or kind.direction == "none":
        return set()
    rank = {
        "higher": lambda value: value,
        "lower": lambda value: -value,
        "one": lambda value: -abs(value - 1),
    }[kind.direction]
    best = max(rank(value) for value in values.values())
    winners = {arm for arm, value in values.items() if abs(rank(value) - best) < 1e-12}
    return winners if len(winners) < len(values) else set()
