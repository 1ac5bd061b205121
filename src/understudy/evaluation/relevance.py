"""Relevance: does the reply answer this question, rather than any question?

A matcher learns from training dialogues which replies go with which questions, and ranks the
probe's own question among the other probes' questions, given only the reply. Style does not
help an arm here: a reply in perfect voice that fits every question fits none in particular.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from understudy.evaluation.probe import IDENTITY, SINCERE, UNSORTED, Answer, Measured, Probe
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.statistics import bootstrap_mean
from understudy.evaluation.words import content_words, words

__all__ = ["Exchange", "RelevanceMatcher", "score_relevance", "train_relevance"]

FEWEST_EXCHANGES = 30
MOST_EXCHANGES = 900
NEIGHBOURS = 5
FEWEST_RIVALS = 10
METHOD = "rank of the probe's own question among the other probes' questions; chance 0.5; cluster bootstrap"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Exchange:
    """A question, the reply to it, and the group that both came from."""

    question: str
    reply: str
    group: str


def _all_words(text: str) -> list[str]:
    tokens = words(text)
    return [*tokens, *("_".join(pair) for pair in pairwise(tokens))]


class RelevanceMatcher:
    """Compatibility of questions and replies, learned from exchanges of which none is a probe.

    Five features of a pair (q, r), with K the similarity of q to each training question and S
    the similarity of r to each training reply:

        1. cosine of their content words               4. √(K² · S²), all neighbours
        2. cosine of their character 3- and 4-grams    5. (K³ · S) / ΣK³, and
        3. (feature 5's best single neighbour): max over the five nearest questions of K · S

    1 and 2 are fair to a generic answer that echoes the question, 3 to 5 to a character's answer
    that shares no word with it. Each is centred and scaled by what the question gets with random
    training replies, so that no question matches everything. A logistic regression of true pairs
    against shuffled ones joins them; a training question never sees its own group.
    """

    def __init__(self, exchanges: Sequence[Exchange], seed: int = 0) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.exchanges = list(exchanges)
        self._kept: dict[str, tuple[Floats, Floats]] = {}
        self.groups = np.array([e.group for e in self.exchanges])
        questions = [e.question for e in self.exchanges]
        replies = [e.reply for e in self.exchanges]
        texts = questions + replies
        self._content = TfidfVectorizer(analyzer=content_words, sublinear_tf=True).fit(texts)
        self._words = TfidfVectorizer(analyzer=_all_words, sublinear_tf=True).fit(texts)
        self._characters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(3, 4), min_df=2, sublinear_tf=True
        ).fit(texts)
        self._known_questions = self._words.transform(questions), self._content.transform(questions)
        self._known_replies = self._characters.transform(replies), self._content.transform(replies)
        self._joint = self._learn(questions, replies, seed)

    def _features(self, questions: Sequence[str], replies: Sequence[str], own: Any = None) -> Floats:
        """Features of every pair: questions × replies × 5. ``own``: groups hidden from each question."""
        if not len(questions) or not len(replies):
            return np.zeros((len(questions), len(replies), 5))
        q_content, r_content = self._content.transform(questions), self._content.transform(replies)
        q_letters, r_letters = self._characters.transform(questions), self._characters.transform(replies)
        known_words, known_content = self._known_questions
        near = (self._words.transform(questions) @ known_words.T + q_content @ known_content.T).toarray() / 2
        known_letters, known_reply_content = self._known_replies
        alike = (r_letters @ known_letters.T + r_content @ known_reply_content.T).toarray() / 2
        if own is not None:
            near = np.where(np.asarray(own)[:, None] == self.groups[None, :], 0.0, near)
        top = np.argsort(-near, axis=1)[:, :NEIGHBOURS]
        best = np.stack(
            [(near[i, top[i]][:, None] * alike[:, top[i]].T).max(axis=0) for i in range(len(near))]
        )
        cubed = near**3
        return np.stack(
            [
                (q_content @ r_content.T).toarray(),
                (q_letters @ r_letters.T).toarray(),
                best,
                np.sqrt((near**2) @ (alike**2).T),
                (cubed @ alike.T) / (cubed.sum(axis=1, keepdims=True) + 1e-6),
            ],
            axis=-1,
        )

    def _learn(self, questions: list[str], replies: list[str], seed: int) -> Any:
        from sklearn.linear_model import LogisticRegression

        features = self._features(questions, replies, own=self.groups)
        features = _centred(features)
        count = len(questions)
        rows = np.tile(np.arange(count), 4)
        columns = np.random.default_rng(seed).integers(count, size=4 * count)
        apart = self.groups[rows] != self.groups[columns]
        true, false = features[range(count), range(count)], features[rows[apart], columns[apart]]
        labels = np.r_[np.ones(len(true)), np.zeros(len(false))]
        return LogisticRegression(class_weight="balanced").fit(np.r_[true, false], labels)

    def _usual(self, questions: Sequence[str]) -> tuple[Floats, Floats]:
        """Mean and spread of each question's features with all training replies; kept for the next arm."""
        new = [question for question in dict.fromkeys(questions) if question not in self._kept]
        if new:
            means, spreads = _mean_and_spread(self._features(new, [e.reply for e in self.exchanges]))
            self._kept |= dict(zip(new, zip(means, spreads, strict=True), strict=True))
        kept = [self._kept[question] for question in questions]
        return np.stack([mean for mean, _ in kept]), np.stack([spread for _, spread in kept])

    def compatibilities(self, questions: Sequence[str], replies: Sequence[str]) -> Floats:
        """Log-odds that each reply answers each question: questions × replies."""
        mean, spread = self._usual(questions)
        features = (self._features(questions, replies) - mean) / spread
        flat = self._joint.decision_function(features.reshape(-1, features.shape[-1]))
        return np.asarray(flat).reshape(len(questions), len(replies))

    def shares(self, questions: Sequence[str], replies: Sequence[str], rivals: Sequence[str]) -> list[float]:
        """For each reply, the share of the rivals that it fits worse than its own question (ties half)."""
        if not replies:
            return []
        distinct = list(dict.fromkeys(questions))
        place = {question: number for number, question in enumerate(distinct)}
        table = self.compatibilities([*distinct, *rivals], replies)
        mine = table[[place[question] for question in questions], range(len(replies))]
        others = table[len(distinct) :]
        return [float(v) for v in (others < mine).mean(axis=0) + 0.5 * (others == mine).mean(axis=0)]

    def own_shares(self, rivals: Sequence[str]) -> list[float]:
        """The same for the character's training replies, each with its own group hidden from the matcher."""
        mine = [n for n, e in enumerate(self.exchanges) if not e.group.startswith("assistant/")]
        questions = [self.exchanges[n].question for n in mine]
        replies = [self.exchanges[n].reply for n in mine]
        hidden = self.groups[mine]
        features = self._features(questions, [e.reply for e in self.exchanges], own=hidden)
        mean, spread = _mean_and_spread(features)
        own = (features[:, mine] - mean) / spread
        scores = self._joint.decision_function(own[range(len(mine)), range(len(mine))])
        table = self.compatibilities(rivals, replies)
        return [float(v) for v in (table < scores).mean(axis=0) + 0.5 * (table == scores).mean(axis=0)]

    def ranks(self, probes: Sequence[Probe], texts: Sequence[str]) -> list[float]:
        """For each reply, the share of rival questions that it fits worse than its own (ties half).

        Rivals are the other probes' questions, without those of the same group, and, for
        questions about being an AI, without the others of their kind: they mean the same.
        """
        asked = list({p.id: p for p in probes}.values())
        place = {p.id: number for number, p in enumerate(asked)}
        table = self.compatibilities([p.question for p in asked], texts)
        kinds = np.array([_kind(p) for p in asked])
        result = []
        for column, (probe, text) in enumerate(zip(probes, texts, strict=True)):
            row = place[probe.id]
            rivals = table[kinds != kinds[row], column]
            mine = table[row, column]
            rank = float((rivals < mine).mean() + 0.5 * (rivals == mine).mean()) if len(rivals) else 0.5
            result.append(rank if text.strip() else 0.0)
        return result


def _mean_and_spread(features: Floats) -> tuple[Floats, Floats]:
    return features.mean(axis=1, keepdims=True), features.std(axis=1, keepdims=True) + 1e-6


def _centred(features: Floats) -> Floats:
    mean, spread = _mean_and_spread(features)
    return (features - mean) / spread


def _kind(probe: Probe) -> str:
    """Probes of one kind ask for nearly the same and are no rivals of each other.

    A group of written dialogues is a family of paraphrases; a scene of a transcript is not.
    """
    if probe.category in (IDENTITY, SINCERE):
        return "about being an AI"
    return probe.id if probe.category == UNSORTED else probe.group


def train_relevance(
    exchanges: Sequence[Exchange], assistant: Sequence[Exchange] = (), seed: int = 0
) -> RelevanceMatcher | None:
    """A matcher from training exchanges and generic assistant exchanges; ``None`` for too few."""
    exchanges = [e for e in exchanges if e.question.strip() and e.reply.strip()]
    if len(exchanges) < FEWEST_EXCHANGES or len({e.group for e in exchanges}) < 5:
        return None
    if len(exchanges) > MOST_EXCHANGES:
        exchanges = random.Random(seed).sample(exchanges, MOST_EXCHANGES)
    return RelevanceMatcher([*exchanges, *assistant], seed)


def score_relevance(
    answers: Sequence[Answer],
    matcher: RelevanceMatcher | None,
    is_dump: Callable[[str, Probe], bool] = lambda text, probe: False,
    seed: int = 0,
) -> Measured:
    """Mean rank of the probe's own question among all probes' questions, given the reply.

        relevance = mean over replies of  #(other questions that fit worse) / #(other questions)

    1 means that the reply fits its own question best, 0.5 is chance (a reply that would fit any
    question). A reply that is a fact dump, or empty, scores 0. The ceiling is what real replies
    get, not 1: it stands in ``classifiers`` beside what real replies to wrong questions get.
    Cannot be computed with fewer than 30 training exchanges or 10 other questions.

    Source: response selection by ranking, Lowe et al. 2015, arXiv 1506.08909 (recall among
    distractors), here with the question ranked for the reply so that a reply cannot win by length.
    """
    unit = "mean rank (chance 0.5)"
    asked = [a for a in answers if a.probe.category not in ("crisis", "drift")]
    if matcher is None:
        reason = f"fewer than {FEWEST_EXCHANGES} training exchanges to learn from"
        return Measured(not_computed(reason, unit=unit, method=METHOD))
    if len({_kind(a.probe) for a in asked}) <= FEWEST_RIVALS:
        return Measured(not_computed("fewer than 10 other questions to rank", unit=unit, method=METHOD))
    ranks = matcher.ranks([a.probe for a in asked], [a.text for a in asked])
    values = [0.0 if is_dump(a.text, a.probe) else rank for a, rank in zip(asked, ranks, strict=True)]
    interval = bootstrap_mean(values, [a.probe.group for a in asked], seed=seed)
    score = Score.of(interval, count=len(asked), unit=unit, method=METHOD)
    return Measured.per_answer(score, asked, values)
