"""Scores: what a reply shows, and classifiers that the generator's own replies train."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.miniatures.plan import Asked, Script, says
from understudy.evaluation.detectors import denies_being_ai
from understudy.evaluation.relevance import Exchange, RelevanceMatcher
from understudy.evaluation.statistics import Interval, bootstrap_mean, share, wilson
from understudy.miniature import STAGES, compose
from understudy.miniature.lexicon import Split
from understudy.miniature.tones import TONES, draw_voice, speak

__all__ = [
    "Given",
    "ToneClassifier",
    "disclaims",
    "measure_given",
    "relevance_ceiling",
    "row",
    "share_row",
    "train_matcher",
]

DISCLAIMER = re.compile(
    r"\b(an a\.?i\.?|a\.i\.|ai|ai language model|language model|ai assistant|computer program)\b",
    re.IGNORECASE,
)
DUMP = 3
REPLIES_PER_TONE = 160
CEILING_REPLIES = 8
RIVALS = 19
FEWEST_SHEETS = 10
RANKED_TOGETHER = 200
MATCHED = 900
"""As many exchanges as the evaluation's own matcher learns from at most."""


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


def disclaims(reply: str) -> bool:
    """Whether the reply calls its speaker an AI, a language model or a program, and does not deny it.

    The words decide, not the grammar of ``says_it_is_ai``: that misses tones such as "me be an AI".
    """
    return DISCLAIMER.search(reply) is not None and not denies_being_ai(reply)


def train_matcher(seed: int = 0) -> RelevanceMatcher:
    """A matcher of questions and replies, from the generator's conversations under sheets."""
    return RelevanceMatcher(_exchanges(f"matcher {seed}", MATCHED), seed)


def _exchanges(seed: str, count: int) -> list[Exchange]:
    """The generator's exchanges under sheets; a kind within a talk is a group."""
    rng, exchanges, talks = random.Random(seed), list[Exchange](), 0
    while len(exchanges) < count:
        talk = compose(rng, STAGES[2])
        if talk.prompt_kind == "sheet":
            talks += 1
            exchanges += [Exchange(e.user, e.reply, f"{talks}/{e.kind}") for e in talk.exchanges]
    return exchanges[:count]


def relevance_ceiling(matcher: RelevanceMatcher, seed: int = 0) -> dict[str, float | int]:
    """What the generator's own replies get from the matcher that has not seen them."""
    exchanges = _exchanges(f"ceiling {seed}", 400)
    given = [Given(n, 1, Asked("talk", e.question), e.reply) for n, e in enumerate(exchanges)]
    return mean_row(_ranks(given, matcher), range(len(given)))


def row(hits: float, count: int) -> dict[str, float | int]:
    """A share with Wilson's 95 % interval."""
    return _bounds(wilson(hits, count), count)


def share_row(hits: Sequence[bool], sheets: Sequence[int]) -> dict[str, float | int]:
    """A share with Wilson's interval, or a cluster bootstrap over sheets where a sheet gave several replies.

    A bootstrap has no width where all hits are alike, and too little of it for a handful of sheets. There
    Wilson's interval at the effective number of replies stands in.
    """
    if len(set(sheets)) == len(sheets):
        return row(sum(hits), len(hits))
    values = [float(hit) for hit in hits]
    few = len(set(sheets)) < FEWEST_SHEETS or len(set(hits)) == 1
    return _bounds(share(values, sheets) if few else bootstrap_mean(values, sheets), len(hits))


def mean_row(values: Sequence[float], sheets: Sequence[int]) -> dict[str, float | int]:
    """A mean with a cluster bootstrap over sheets."""
    return _bounds(bootstrap_mean(values, sheets) if values else Interval(None, None, None), len(values))


def _bounds(interval: Interval, count: int) -> dict[str, float | int]:
    bounds = {"value": interval.value or 0.0, "low": interval.low or 0.0, "high": interval.high or 0.0}
    return bounds | {"count": count}


def measure_given(
    given: Sequence[Given], scripts: Sequence[Script], tones: ToneClassifier, matcher: RelevanceMatcher
) -> dict[str, dict[str, float | int]]:
    """All scores of some replies of one arm.

    Sheets whose policy is ``always`` are left out of the disclaimers: they ask for one.
    """
    facts = [g for g in given if g.asked.kind == "fact"]
    playing = [g for g in given if scripts[g.script].sheet.disclosure != "always"]
    teased = [g for g in playing if g.asked.kind == "teasing"]
    found = tones.tones([g.reply for g in given]) if given else []
    wanted = [scripts[g.script].sheet.voice.tone.name for g in given]

    def shared(hits: Sequence[bool], part: Sequence[Given]) -> dict[str, float | int]:
        return share_row(hits, [g.script for g in part])

    return {
        "facts": shared([says(g.reply, g.asked.value) for g in facts], facts),
        "tone": shared([a == b for a, b in zip(found, wanted, strict=True)], given),
        "quoted phrase": shared(
            [any(p in g.reply.lower() for p in scripts[g.script].phrases) for g in given], given
        ),
        "AI disclaimers": shared([disclaims(g.reply) for g in playing], playing),
        "AI disclaimers, teased": shared([disclaims(g.reply) for g in teased], teased),
        "relevance": mean_row(_ranks(given, matcher), [g.script for g in given]),
        "fact dumps": shared([_is_dump(g, scripts[g.script]) for g in given], given),
    }


def _is_dump(given: Given, script: Script) -> bool:
    """Whether the reply holds ``DUMP`` or more facts of the sheet."""
    return len({f.value for f in script.sheet.facts if says(given.reply, f.value)}) >= DUMP


def _ranks(given: Sequence[Given], matcher: RelevanceMatcher) -> list[float]:
    """For each reply, the share of ``RIVALS`` other user lines that it fits worse than its own (ties half).

    With 20 lines in all, rank = 20 - 19 * that share, from 1 (its own line fits best) to 20; chance is 0.5.
    Teasing lines are no rivals of each other, for they ask for nearly the same. An empty reply gets 0.
    """
    rng, ranks = random.Random("rivals"), list[float]()
    for start in range(0, len(given), RANKED_TOGETHER):
        part = given[start : start + RANKED_TOGETHER]
        lines = [g.asked for g in part]
        table = matcher.compatibilities([line.user for line in lines], [g.reply for g in part])
        for column, g in enumerate(part):
            others = [place for place, line in enumerate(lines) if _is_rival(line, g.asked)]
            rivals = table[rng.sample(others, min(RIVALS, len(others))), column]
            mine = table[column, column]
            beaten = float((rivals < mine).mean() + 0.5 * (rivals == mine).mean()) if len(rivals) else 0.5
            ranks.append(beaten if g.reply.strip() else 0.0)
    return ranks


def _is_rival(line: Asked, own: Asked) -> bool:
    return line.user != own.user and not line.kind == own.kind == "teasing"
