"""Style: could this line be the character's?

A classifier learns the character's real lines against others' (the other speakers of a
transcript, the untuned model's and a generic assistant's answers, lines of other invented
characters), and each arm's replies get its probability. Names are masked. Because most of what
character n-grams see is topic, a second classifier sees only function words, punctuation and
sentence lengths.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from understudy.evaluation.probe import SINCERE, Answer, Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.statistics import bootstrap_mean
from understudy.evaluation.words import FUNCTION_WORDS, mask_names, sentences

__all__ = ["Line", "StyleClassifier", "StyleQuality", "score_style", "train_style", "train_topic_free_style"]

FEWEST_LINES = 20
MOST_LINES = 700
FOLDS = 5
WEAK = 0.75  # area under ROC below which a style score says little
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|\.\.\.|[!?.,;:*\"()-]")


@dataclass(frozen=True)
class Line:
    """A line with the group that cross-validation keeps together."""

    text: str
    group: str


@dataclass(frozen=True)
class StyleQuality:
    """How well the classifier tells held-out groups apart: balanced accuracy and area under ROC."""

    accuracy: float
    auc: float
    count: int
    note: str
    floor: float = 0.0
    """What nine in ten of the character's own lines reach when their group is held out."""

    def as_row(self) -> dict[str, Any]:
        return {"accuracy": self.accuracy, "auc": self.auc, "count": self.count, "note": self.note}


@dataclass(frozen=True)
class StyleClassifier:
    """A trained classifier with its own cross-validated quality."""

    pipeline: Any
    names: tuple[str, ...]
    quality: StyleQuality
    method: str

    def probabilities(self, texts: Sequence[str]) -> list[float]:
        """Probability, for each text, that it is the character's. Empty texts get 0."""
        if not texts:
            return []
        masked = [mask_names(text, self.names) for text in texts]
        scores = self.pipeline.predict_proba(masked)[:, 1]
        return [float(p) if text.strip() else 0.0 for p, text in zip(scores, texts, strict=True)]


def skeleton(text: str) -> list[str]:
    """The text without its topic: function words and punctuation in order, content words as '_'.

    Sequences of one to three of these, and a class of length for each sentence (powers of two).

    Source: function-word stylometry since Mosteller & Wallace 1964; content masking as in
    Stamatatos 2018, "Masking topic-related information to enhance authorship attribution".
    """
    text = text.replace("’", "'").replace("“", '"').replace("”", '"').replace("—", "-")
    marks = [_shape(token) for token in _TOKEN.findall(text.casefold())]
    grams = [" ".join(marks[i : i + n]) for n in (1, 2, 3) for i in range(len(marks) - n + 1)]
    lengths = [f"length {int(math.log2(max(1, len(s.split()))) * 2)}" for s in sentences(text)]
    return [*grams, *lengths, f"sentences {min(6, len(lengths))}"]


def _shape(token: str) -> str:
    if token in FUNCTION_WORDS or not token[0].isalnum():
        return token
    return "#" if token.isdigit() else "_"


def train_style(
    real: Sequence[Line], others: Sequence[Line], names: Iterable[str] = ()
) -> StyleClassifier | None:
    """Classifier on character n-grams (2 to 4) of name-masked lines; ``None`` for too few lines."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), min_df=2, sublinear_tf=True, max_features=20_000
    )
    return _train(vectorizer, real, others, tuple(names), "character 2- to 4-grams, names masked")


def train_topic_free_style(
    real: Sequence[Line], others: Sequence[Line], names: Iterable[str] = ()
) -> StyleClassifier | None:
    """Classifier on function words, punctuation and sentence lengths; ``None`` for too few lines."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=skeleton, min_df=2, sublinear_tf=True, max_features=20_000)
    return _train(vectorizer, real, others, tuple(names), "function words, punctuation, sentence lengths")


def _train(
    vectorizer: Any, real: Sequence[Line], others: Sequence[Line], names: tuple[str, ...], method: str
) -> StyleClassifier | None:
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    real, others = _distinct(real), _distinct(others)
    groups = len({line.group for line in real}), len({line.group for line in others})
    if min(len(real), len(others)) < FEWEST_LINES or min(groups) < FOLDS:
        return None
    real, others = _sample(real, MOST_LINES), _sample(others, MOST_LINES)
    lines = [*real, *others]
    texts = [mask_names(line.text, names) for line in lines]
    labels = np.array([1] * len(real) + [0] * len(others))
    pipeline = make_pipeline(vectorizer, LogisticRegression(C=4.0, class_weight="balanced", max_iter=1000))
    quality = _cross_validate(clone(pipeline), texts, labels, [line.group for line in lines])
    pipeline.fit(texts, labels)
    return StyleClassifier(pipeline, names, quality, method)


def _distinct(lines: Sequence[Line]) -> list[Line]:
    seen: dict[str, Line] = {}
    for line in lines:
        if line.text.strip():
            seen.setdefault(line.text.strip(), line)
    return list(seen.values())


def _sample(lines: list[Line], most: int) -> list[Line]:
    """At most ``most`` lines, spread evenly."""
    if len(lines) <= most:
        return lines
    return [lines[int(i * len(lines) / most)] for i in range(most)]


def _cross_validate(pipeline: Any, texts: list[str], labels: np.ndarray, groups: list[str]) -> StyleQuality:
    """Fit on four fifths of the groups, judge the rest. A question and its answers share a group."""
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    held_out = np.zeros(len(texts))
    for train, test in folds.split(texts, labels, groups):
        pipeline.fit([texts[i] for i in train], labels[train])
        held_out[test] = pipeline.predict_proba([texts[i] for i in test])[:, 1]
    positives = int(labels.sum())
    return StyleQuality(
        accuracy=float(balanced_accuracy_score(labels, held_out > 0.5)),
        auc=float(roc_auc_score(labels, held_out)),
        count=len(texts),
        note=f"{FOLDS}-fold by group; {positives} lines of the character, {len(texts) - positives} others; "
        f"the character's held-out lines get {held_out[labels == 1].mean():.2f} on average",
        floor=float(np.percentile(held_out[labels == 1], 10)),
    )


def score_style(answers: Sequence[Answer], classifier: StyleClassifier | None, seed: int = 0) -> Measured:
    """Mean probability that a reply is the character's line, over probes inside the play.

        style = Σ P(character | reply) / #(replies)

    Sincere and crisis questions are left out, because the play pauses there. Cannot be computed
    with fewer than 20 lines of the character and of others in five groups each. The ceiling is
    what the character's own held-out lines get (in ``classifiers``), not 1.

    Source: classifier two-sample idea, Lopez-Paz & Oquab 2017, arXiv 1610.06545.
    """
    unit = "mean probability"
    if classifier is None:
        reason = (
            f"fewer than {FEWEST_LINES} lines (or {FOLDS} groups) of the character or of others to learn from"
        )
        return Measured(not_computed(reason, unit=unit))
    asked = [a for a in answers if a.probe.category not in (SINCERE, "crisis", "drift")]
    if not asked:
        return Measured(not_computed("no probes inside the play were asked", unit=unit))
    values = classifier.probabilities([a.text for a in asked])
    interval = bootstrap_mean(values, [a.probe.group for a in asked], seed=seed)
    method = f"logistic regression on {classifier.method}; cluster bootstrap"
    auc = classifier.quality.auc
    note = f"weak: the classifier tells held-out lines apart with AUC {auc:.2f} only" if auc < WEAK else None
    score = Score.of(interval, count=len(asked), unit=unit, method=method, note=note)
    return Measured.per_answer(score, asked, values)
