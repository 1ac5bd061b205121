"""Refusals: does a reply say that the speaker does not know, that it will not, or that the asker is wrong?

Patterns as in ``detectors``: anybody can read in ``data/refusals.yaml`` why a reply was flagged.
Their precision and recall on labelled replies stand beside every score that uses them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from understudy.evaluation.words import content_words, plain, sentences

__all__ = ["RefusalPattern", "corrects", "declines", "load_refusals", "says_it_does_not_know"]

KINDS = ("unknowing", "declining", "correcting")
BEGINNING = 2  # sentences in which somebody who corrects does so


@dataclass(frozen=True)
class RefusalPattern:
    """A pattern, void where ``unless`` matches the sentence, with what it must find and leave alone."""

    match: re.Pattern[str]
    unless: re.Pattern[str] | None
    finds: tuple[str, ...]
    leaves: tuple[str, ...]

    def holds(self, sentence: str) -> bool:
        if not self.match.search(sentence):
            return False
        return not (self.unless and self.unless.search(sentence))


@lru_cache
def load_refusals() -> dict[str, tuple[RefusalPattern, ...]]:
    """The patterns of ``data/refusals.yaml`` by kind: unknowing, declining, correcting."""
    text = (files("understudy.evaluation") / "data" / "refusals.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return {kind: tuple(_pattern(row, table["parts"]) for row in table[kind]) for kind in KINDS}


def _pattern(row: dict[str, Any], parts: dict[str, str]) -> RefusalPattern:
    text = row["match"]
    for name, part in parts.items():
        text = text.replace(f"<{name}>", part)
    unless = re.compile(row["unless"], re.I) if "unless" in row else None
    return RefusalPattern(re.compile(text, re.I), unless, tuple(row["finds"]), tuple(row["leaves"]))


def _any(kind: str, pieces: Sequence[str]) -> bool:
    return any(pattern.holds(piece) for pattern in load_refusals()[kind] for piece in pieces)


def _pieces(reply: str) -> list[str]:
    """The sentences, and the whole, because some say it over two sentences."""
    return [*sentences(plain(reply)), plain(reply)]


@lru_cache(maxsize=50_000)
def says_it_does_not_know(reply: str) -> bool:
    """Whether the speaker says that it does not know, remember or understand what is asked.

    "I know nothing of it", "That is beyond me", and the wonder of somebody to whom a word is new:
    "A telephone? What may that be?". Not counted: others who do not know, and refusing to tell.
    """
    return _any("unknowing", _pieces(reply))


@lru_cache(maxsize=50_000)
def declines(reply: str) -> bool:
    """Whether the speaker refuses, or warns against, what somebody wants: "I shan't teach you that"."""
    return not says_it_does_not_know(reply) and _any("declining", _pieces(reply))


@lru_cache(maxsize=50_000)
def corrects(reply: str, question: str = "") -> bool:
    """Whether the speaker says at once that what ``question`` takes for granted is wrong.

    Looked for in the first two sentences: a denial ("I have no husband"), a correction ("You must
    be thinking of my cousin"), a denied word of the question ("not in any desert"), or one thrown
    back ("Husband? …"). Not knowing is no correction. A right answer that denies nothing ("He is
    white as milk") is not seen here; where the sheet holds it, ``FactSheet`` does.
    """
    beginning = [s for s in sentences(plain(reply))[:BEGINNING] if not _any("unknowing", [s])]
    if not beginning:
        return False
    if _any("correcting", beginning) or _throws_back(beginning, question):
        return True
    return any(_denies_word_of(question, clause) for s in beginning for clause in _CLAUSE.split(s))


_CLAUSE = re.compile(r"[,;:]|\bbut\b|\bso\b|\band\b|\bbecause\b")
_NEGATION = re.compile(r"\b(?:not|no|none|nothing|nobody|never|neither|cannot)\b|n't\b", re.I)


def _denies_word_of(question: str, clause: str) -> bool:
    """A clause that holds a negation and a content word of the question."""
    return bool(_NEGATION.search(clause)) and bool(set(content_words(clause)) & set(content_words(question)))


def _throws_back(beginning: Sequence[str], question: str) -> bool:
    """ "A hundred! I am nineteen.": an exclamation of the question's own words, and then something else."""
    first = beginning[0]
    if not first.endswith(("?", "!")) or len(beginning) < 2 or len(first.split()) > 5:
        return False
    echoed = set(content_words(first))
    return bool(echoed) and echoed <= set(content_words(question))
