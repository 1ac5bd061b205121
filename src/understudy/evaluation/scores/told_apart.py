"""Told apart: can a classifier tell the arm's replies from the real ones to the same questions?"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from understudy.evaluation.probe import SINCERE, Answer, Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.statistics import bootstrap_mean
from understudy.evaluation.style import skeleton
from understudy.evaluation.words import mask_names

__all__ = ["TwoSampleTest", "length_matched", "score_told_apart", "two_sample_test"]

FEWEST_PAIRS = 20
MOST_PAIRS = 250
FOLDS = 5
PERMUTATIONS = 999
RIDGE = 0.3
UNIT = "area under ROC (0.5: not told apart)"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TwoSampleTest:
    """``auc`` with its permutation ``p``, each pair's share in it, and what would have been seen.

    ``detectable`` is the area that chance exceeds once in twenty: a smaller difference than that
    escapes a sample of this size. ``by_length`` is the area that length alone gives, unmatched.
    """

    auc: float
    p: float
    detectable: float
    by_length: float
    placements: Floats


def score_told_apart(
    answers: Sequence[Answer], names: Sequence[str] = (), *, topic_free: bool = False, seed: int = 0
) -> Measured:
    """Classifier two-sample test of the arm's replies against the real replies to the same questions.

        AUC = P(score of a real reply > score of an arm's reply), scores from folds that hold out groups
        p   = (1 + #(permutations with AUC* ≥ AUC)) / (1 + #permutations)

    0.5 means that nothing told them apart, which is not the same as being equal: the note gives
    the area that this many pairs could have shown. Both texts of a pair are cut to the words of
    the shorter and lose their end mark, because length alone would tell them apart; names are
    masked. The classifier is ridge regression on TF-IDF of character 2- to 4-grams, with
    ``topic_free`` of function words and punctuation (``style.skeleton``). Its held-out scores are
    linear in the labels, so that a permutation costs one product with a fixed matrix. A permutation
    swaps real and arm within pairs, which is what the null hypothesis leaves exchangeable. Only the
    first reply to a probe is used. Cannot be computed with fewer than 20 real replies that are
    known, in five groups.

    Source: Lopez-Paz & Oquab 2017, "Revisiting Classifier Two-Sample Tests", arXiv 1610.06545.
    """
    what = "function words and punctuation" if topic_free else "character 2- to 4-grams, names masked"
    method = f"two-sample test on {what}, length-matched; interval by bootstrap over groups of placements"
    first: dict[str, Answer] = {}
    for answer in answers:
        if answer.probe.reference and answer.probe.category not in (SINCERE, "crisis", "drift"):
            first.setdefault(answer.probe.id, answer)
    pairs = list(first.values())[:MOST_PAIRS]
    groups = [a.probe.group for a in pairs]
    if len(pairs) < FEWEST_PAIRS or len(set(groups)) < FOLDS:
        reason = f"fewer than {FEWEST_PAIRS} probes (or {FOLDS} groups) whose real reply is known"
        return Measured(not_computed(reason, unit=UNIT, method=method))
    test = two_sample_test(
        [a.probe.reference or "" for a in pairs],
        [a.text for a in pairs],
        groups,
        names=names,
        topic_free=topic_free,
        seed=seed,
    )
    interval = bootstrap_mean(test.placements, groups, seed=seed)
    said = "told apart" if test.p < 0.05 else "not told apart, which is not the same as equal"
    note = (
        f"p = {test.p:.3f} ({PERMUTATIONS} permutations): {said}; {len(pairs)} pairs show an area above "
        f"{test.detectable:.2f}; length alone, unmatched, gives {test.by_length:.2f}"
    )
    score = Score.of(interval, count=len(pairs), unit=UNIT, method=method, note=note)
    return Measured.per_answer(score, pairs, test.placements.tolist())


def two_sample_test(
    real: Sequence[str],
    given: Sequence[str],
    groups: Sequence[Hashable],
    *,
    names: Sequence[str] = (),
    topic_free: bool = False,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> TwoSampleTest:
    """The test on pairs of texts; ``groups`` are held out together."""
    by_length = max(_area(*_lengths(real, given)), _area(*reversed(_lengths(real, given))))
    matched = [length_matched(a, b) for a, b in zip(real, given, strict=True)]
    texts = [mask_names(text, names) for side in (0, 1) for text in (pair[side] for pair in matched)]
    folds = _folds(groups)
    hat = _held_out_scores(_features(texts, topic_free), np.r_[folds, folds])
    count = len(real)
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(count, permutations))
    signs = np.concatenate([np.ones((count, 1)), signs], axis=1)
    scores = hat @ np.concatenate([signs, -signs], axis=0)
    areas = _areas(scores, signs > 0)
    placements = _placements(scores[:count, 0], scores[count:, 0])
    p = float((1 + (areas[1:] >= areas[0] - 1e-12).sum()) / (1 + permutations))
    detectable = float(np.quantile(areas[1:], 0.95))
    return TwoSampleTest(float(areas[0]), p, detectable, by_length, placements)


def length_matched(a: str, b: str) -> tuple[str, str]:
    """Both texts cut to as many words as the shorter has, without a mark at the end."""
    left, right = a.split(), b.split()
    size = min(len(left), len(right))
    return _cut(left, size), _cut(right, size)


def _cut(tokens: list[str], size: int) -> str:
    return " ".join(tokens[:size]).rstrip(".!?…,;:-–—\"'”’*) ")


def _lengths(real: Sequence[str], given: Sequence[str]) -> tuple[Floats, Floats]:
    return tuple(np.array([float(len(t.split())) for t in side]) for side in (real, given))  # type: ignore[return-value]


def _features(texts: Sequence[str], topic_free: bool) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    if topic_free:
        vectorizer = TfidfVectorizer(analyzer=_skeleton_without_lengths, min_df=2, sublinear_tf=True)
    else:
        vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=2, sublinear_tf=True)
    return vectorizer.fit_transform([text or "_" for text in texts])


def _skeleton_without_lengths(text: str) -> list[str]:
    return [mark for mark in skeleton(text) if not mark.startswith(("length ", "sentences "))]


def _folds(groups: Sequence[Hashable]) -> NDArray[np.intp]:
    """A fold for each pair: whole groups, the largest first, each into the emptiest fold."""
    sizes: dict[Hashable, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    filled, place = [0] * FOLDS, {}
    for group in sorted(sizes, key=lambda g: (-sizes[g], str(g))):
        fold = filled.index(min(filled))
        place[group] = fold
        filled[fold] += sizes[group]
    return np.array([place[group] for group in groups])


def _held_out_scores(features: Any, folds: NDArray[np.intp]) -> Floats:
    """H with scores = H · labels, each row from a ridge regression that never saw its fold."""
    kernel = np.asarray((features @ features.T).toarray(), dtype=np.float64)
    hat = np.zeros_like(kernel)
    for fold in np.unique(folds):
        out, seen = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        ridge = kernel[np.ix_(seen, seen)] + RIDGE * np.eye(len(seen))
        hat[np.ix_(out, seen)] = np.linalg.solve(ridge, kernel[np.ix_(seen, out)]).T
    return hat


def _areas(scores: Floats, first_is_real: NDArray[np.bool_]) -> Floats:
    """Area under ROC of each column; row i and row n + i are a pair, of which one is the real one."""
    from scipy.stats import rankdata

    count = len(first_is_real)
    ranks = rankdata(scores, axis=0)
    real = np.where(first_is_real, ranks[:count], ranks[count:]).sum(axis=0)
    return np.asarray((real - count * (count + 1) / 2) / count**2, dtype=np.float64)


def _placements(real: Floats, given: Floats) -> Floats:
    """Each pair's share in the area (DeLong et al. 1988): their mean is the area."""
    above = (real[:, None] > given[None, :]) + 0.5 * (real[:, None] == given[None, :])
    return np.asarray((above.mean(axis=1) + above.mean(axis=0)) / 2, dtype=np.float64)


def _area(a: Floats, b: Floats) -> float:
    return float(_placements(a, b).mean())
