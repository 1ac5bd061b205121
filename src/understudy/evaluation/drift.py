"""Drift: style and leak by turn, in held-out conversations replayed with their real history."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from understudy.evaluation.detectors import says_it_is_ai
from understudy.evaluation.probe import Answer
from understudy.evaluation.style import StyleClassifier

__all__ = ["measure_drift"]


def measure_drift(answers: Sequence[Answer], classifier: StyleClassifier | None) -> list[dict[str, Any]]:
    """One row for each turn of the replayed conversations: mean style, share of leaks, count.

    The arm replies at every turn, and the conversation then goes on with the real reply, so each
    turn is judged by itself. A drift that feeds on the arm's own earlier replies is not seen here.

    Source: scores by turn after Li et al. 2024, arXiv 2402.10962.
    """
    turns: dict[int, list[str]] = {}
    for answer in answers:
        if answer.probe.category == "drift":
            turns.setdefault(answer.probe.turn, []).append(answer.text)
    return [_row(turn, texts, classifier) for turn, texts in sorted(turns.items())]


def _row(turn: int, texts: list[str], classifier: StyleClassifier | None) -> dict[str, Any]:
    style = float(np.mean(classifier.probabilities(texts))) if classifier else None
    leak = float(np.mean([says_it_is_ai(text) for text in texts]))
    return {"turn": turn, "style": style, "leak": leak, "count": len(texts)}
