"""Thresholds: from which style and which relevance on a reply passes, taken from training lines alone."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from understudy.evaluation.relevance import RelevanceMatcher
from understudy.evaluation.style import StyleClassifier

__all__ = ["PERCENTILE", "Thresholds", "find_thresholds"]

PERCENTILE = 10
RIVALS = 60
CHANCE = 0.5


@dataclass(frozen=True)
class Thresholds:
    """``style`` and ``relevance`` are ``None`` where no classifier could be trained: nothing is asked of it.

    Style: the probability that a line is the character's, reached by nine in ten of its own training
    lines when the classifier has not seen their group. Relevance: the share of ``rivals``, questions of
    training, that the reply fits worse than its own question, reached by nine in ten of the real
    replies whose own group is hidden from the matcher, and never less than chance.
    """

    style: float | None
    relevance: float | None
    classifier: StyleClassifier | None
    matcher: RelevanceMatcher | None
    rivals: tuple[str, ...]

    def style_of(self, texts: Sequence[str]) -> list[float | None]:
        return [*self.classifier.probabilities(texts)] if self.classifier else [None] * len(texts)

    def relevance_of(self, questions: Sequence[str], texts: Sequence[str]) -> list[float | None]:
        """Share of the rivals that each reply fits worse than its own question; ties count half."""
        if self.matcher is None:
            return [None] * len(texts)
        return [*self.matcher.shares(questions, texts, self.rivals)]

    def as_dict(self) -> dict[str, Any]:
        return {
            "style": self.style,
            "relevance": self.relevance,
            "source": f"{PERCENTILE}th percentile of the character's own training lines, each judged by a "
            "classifier that has not seen its group; relevance not below chance",
        }


def find_thresholds(
    classifier: StyleClassifier | None, matcher: RelevanceMatcher | None, seed: int = 0
) -> Thresholds:
    """Thresholds for one character from its trained classifiers."""
    if matcher is None:
        return Thresholds(_style_floor(classifier), None, classifier, None, ())
    questions = sorted({e.question for e in matcher.exchanges if not e.group.startswith("assistant/")})
    rivals = tuple(random.Random(seed).sample(questions, min(RIVALS, len(questions))))
    own = matcher.own_shares(rivals)
    floor = max(CHANCE, float(np.percentile(own, PERCENTILE)))
    return Thresholds(_style_floor(classifier), floor, classifier, matcher, rivals)


def _style_floor(classifier: StyleClassifier | None) -> float | None:
    return classifier.quality.floor if classifier else None
