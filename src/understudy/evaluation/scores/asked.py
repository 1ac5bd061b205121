"""Asked: which answers a score looks at."""

from collections.abc import Sequence

from understudy.evaluation.probe import IDENTITY, SINCERE, Answer

__all__ = ["in_play", "of_category", "ordinary"]

BESIDE = ("drift", "script", "skill", "crisis")
"""Turns of conversations, general skill, and crises: each has a score of its own, or none."""


def in_play(answers: Sequence[Answer]) -> list[Answer]:
    """Answers to single probes inside the play; sincere questions pause it."""
    return [a for a in answers if a.probe.category not in (SINCERE, *BESIDE)]


def ordinary(answers: Sequence[Answer]) -> list[Answer]:
    """The same without what probes the identity or attacks the role: the character's daily talk."""
    apart = (IDENTITY, "role_break", "audience_safety", "false_premise")
    return [a for a in in_play(answers) if a.probe.category not in apart]


def of_category(answers: Sequence[Answer], category: str) -> list[Answer]:
    """Answers to the probes of one category."""
    return [a for a in answers if a.probe.category == category]
