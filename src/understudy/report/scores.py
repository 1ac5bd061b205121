"""Scores: how each figure of a verdict is named, read and written for a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
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
    family: str = "Further scores"

    @property
    def direction_text(self) -> str:
        """The direction in words."""
        texts = {"higher": "higher is better", "lower": "lower is better", "one": "1 is best", "none": ""}
        return texts[self.direction]


@cache
def _kinds() -> dict[str, ScoreKind]:
    """The known scores of ``score_kinds.yaml`` in reading order."""
    import yaml

    rows = yaml.safe_load(files("understudy.report").joinpath("score_kinds.yaml").read_text(encoding="utf-8"))
    kinds = [ScoreKind(**score, family=row["family"]) for row in rows for score in row["scores"]]
    return {kind.name: kind for kind in kinds}


def score_kind(name: str, unit: str = "") -> ScoreKind:
    """The kind of a score; an unknown one is shown under its own name, in the direction it is known for."""
    known = _kinds().get(name)
    if known:
        return known
    share = any(word in unit for word in ("share", "probability", "percent"))
    return ScoreKind(name, name.replace("_", " ").capitalize(), _direction(name), share, "")


def _direction(name: str) -> Direction:
    from understudy.evaluation.score import DIRECTIONS

    words: dict[int, Direction] = {1: "higher", -1: "lower", 0: "one"}
    return words[DIRECTIONS[name]] if name in DIRECTIONS else "none"


def score_names(arms: list[dict[str, Any]]) -> list[str]:
    """Every score that an arm carries, the known ones in reading order, then the others."""
    present = {name for arm in arms for name in (arm.get("scores") or {})}
    return [name for name in _kinds() if name in present] + sorted(present - set(_kinds()))


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
