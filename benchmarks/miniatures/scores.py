"""Scores: what a reply shows, and classifiers that the generator's own replies train."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.miniatures.plan import Asked, Script
from understudy.evaluation.relevance import Exchange, RelevanceMatcher
from understudy.evaluation.statistics import Interval, bootstrap_mean, wilson
from understudy.miniature import STAGES, compose
from understudy.miniature.lexicon import Split
from understudy.miniature.tones import TONES, draw_voice, speak

__all__ = ["DISCLAIMER", "Given", "ToneClassifier", "measure_given", "row", "train_matcher"]

DISCLAIMER = re.compile(
    r"\b(an a\.?i\.?|a\.i\.|ai|ai language model|language model|ai assistant|computer program)\b",
    re.IGNORECASE,
)
DUMP = 3
REPLIES_PER_TONE = 60
CEILING_REPLIES = 8
RIVALS = 19


@dataclass(frozen=True)
class Given:
    """A reply of an arm: ``script`` is the sheet's number, ``turn`` counts from 1."""

    script: int
    turn: int
    asked: Asked
    reply: str


class ToneClassifier:
    """Which of the generator's tones a reply has, by words and letters (logistic regression)."""

    def __init__(self, seed: int = 0) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline, make_union

        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=2, sublinear_tf=True)
        wording = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        self._model = make_pipeline(make_union(letters, wording), LogisticRegression(C=20, max_iter=200))
        texts, tones = _spoken(seed, REPLIES_PER_TONE, "train")
        self._model.fit(texts, tones)

    def tones(self, replies: Sequence[str]) -> list[str]:
        """The likeliest tone of each reply."""
        return [str(tone) for tone in self._model.predict(list(replies))]

    def ceiling(self, seed: int = 1) -> Interval:
        """Share of the generator's own replies, by held-out voices, whose tone is found."""
        texts, tones = _spoken(seed, CEILING_REPLIES, "held_out")
        hits = sum(found == tone for found, tone in zip(self.tones(texts), tones, strict=True))
        return wilson(hits, len(tones))


def _spoken(seed: int, each: int, split: Split) -> tuple[list[str], list[str]]:
    """Replies of voices of every tone, and the tones."""
    rng = random.Random(f"tones {seed} {split}")
    bodies = _plain_replies(rng)
    texts: list[str] = []
    names: list[str] = []
    counts = dict.fromkeys((tone.name for tone in TONES), 0)
    while min(counts.values()) < each:
        voice = draw_voice(rng, split)
        if counts[voice.tone.name] < each:
            counts[voice.tone.name] += 1
            texts.append(speak(rng.choice(bodies), voice, rng))
            names.append(voice.tone.name)
    return texts, names


def _plain_replies(rng: random.Random) -> list[str]:
    """Replies without tone: the assistant's, and what it does not say of itself."""
    talks = (compose(rng, STAGES[1]) for _ in range(1_500))
    replies = [e.reply for talk in talks if talk.prompt_kind != "sheet" for e in talk.exchanges]
    return [reply for reply in replies if not DISCLAIMER.search(reply)]


def train_matcher(seed: int = 0) -> RelevanceMatcher:
    """A matcher of questions and replies, from the generator's conversations under sheets."""
    rng = random.Random(f"matcher {seed}")
    exchanges: list[Exchange] = []
    while len(exchanges) < 900:
        talk = compose(rng, STAGES[2])
        if talk.prompt_kind == "sheet":
            exchanges += [Exchange(e.user, e.reply, f"{len(exchanges)}/{e.kind}") for e in talk.exchanges]
    return RelevanceMatcher(exchanges[:900], seed)


def row(hits: float, count: int) -> dict[str, float | int]:
    """A share with Wilson's 95 % interval."""
    interval = wilson(hits, count)
    return {
        "value": hits / count if count else 0.0, "low": interval.low or 0.0, "high": interval.high or 0.0,
        "count": count,
    }  # fmt: skip


def measure_given(
    given: Sequence[Given], scripts: Sequence[Script], tones: ToneClassifier, matcher: RelevanceMatcher
) -> dict[str, dict[str, float | int]]:
    """All scores of some replies of one arm; a sheet gives at most one reply of a kind to a turn."""
    facts = [g for g in given if g.asked.kind == "fact"]
    teased = [g for g in given if g.asked.kind == "teasing"]
    found = tones.tones([g.reply for g in given]) if given else []
    in_tone = sum(
        tone == scripts[g.script].sheet.voice.tone.name for tone, g in zip(found, given, strict=True)
    )
    quoting = sum(any(p in g.reply.lower() for p in scripts[g.script].phrases) for g in given)
    dumps = sum(_is_dump(g, scripts[g.script]) for g in given)
    ranks = _ranks(given, matcher)
    interval = bootstrap_mean(ranks, [g.script for g in given]) if ranks else Interval(0.0, 0.0, 0.0)
    return {
        "facts": row(sum(g.asked.value in g.reply.lower() for g in facts), len(facts)),
        "tone": row(in_tone, len(given)),
        "quoted phrase": row(quoting, len(given)),
        "AI disclaimers": row(sum(bool(DISCLAIMER.search(g.reply)) for g in teased), len(teased)),
        "relevance": {
            "value": interval.value or 0.0, "low": interval.low or 0.0, "high": interval.high or 0.0,
            "count": len(ranks),
        },
        "fact dumps": row(dumps, len(given)),
    }  # fmt: skip


def _is_dump(given: Given, script: Script) -> bool:
    """Whether the reply holds ``DUMP`` or more facts of the sheet."""
    reply = given.reply.lower()
    return len({f.value for f in script.sheet.facts if f"{f.value}" in reply and len(f.value) > 2}) >= DUMP


def _ranks(given: Sequence[Given], matcher: RelevanceMatcher) -> list[float]:
    """For each reply, the share of other lines of the same kind that it fits worse than its own."""
    rng = random.Random("rivals")
    users = [g.asked.user for g in given]
    ranks: list[float] = []
    for start in range(0, len(given), 200):
        part = given[start : start + 200]
        table: Any = matcher.compatibilities(users[start : start + 200], [g.reply for g in part])
        for column, g in enumerate(part):
            others = [line for line in range(len(part)) if part[line].asked.user != g.asked.user]
            chosen = rng.sample(others, min(RIVALS, len(others)))
            mine = table[column, column]
            beaten = [(table[o, column] < mine) + 0.5 * (table[o, column] == mine) for o in chosen]
            ranks.append(float(sum(beaten) / len(beaten)) if beaten and g.reply.strip() else 0.5)
    return ranks
