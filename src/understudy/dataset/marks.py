"""Marks: words without which a text holds no disclaimer, secret, control token or personal data.

One pass over the texts of many rows, at the speed of memory; only a text with a mark is looked at with care.
"""

from collections.abc import Sequence
from functools import cache

import numpy

from understudy.dataset.personal_data import FEWEST_DIGITS

__all__ = ["marked_texts"]

# Each disclaimer that ``find_disclaimer`` knows holds one of these.
_MACHINE = (
    " ai", "artificial intelligence", "language model", "chatbot", "chat bot", "virtual assistant",
    "digital assistant", "computer program", "machine learning", "text-based", "feelings", "emotions",
    "opinions", "beliefs", "consciousness", "experiences", "preferences", "a physical ", "my training data",
    "my knowledge cut", "my programming", "i was trained", "i was programmed", "i was created",
    "i was developed",
)  # fmt: skip
# Each secret that ``find_secrets`` knows holds one of these, in lower case.
_SECRET = (
    "sk-", "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxa-", "xoxb-",
    "xoxp-", "xoxr-", "xoxs-", "aiza", "hf_", "npm_", "private key", "eyj", "password", "passwd", "apikey",
    "api key", "api_key", "api-key", "secretkey", "secret key", "secret_key", "secret-key", "accesstoken",
    "access token", "access_token", "access-token",
)  # fmt: skip
_OTHERS = ("@", "<|")
# Letters that case-blind patterns take for i, s and k.
_ODD_LETTERS = ("\u0130", "\u0131", "\u017f", "\u212a")
_MARKS = (*_MACHINE, *_SECRET, *_OTHERS, *_ODD_LETTERS)
_SEPARATOR = "\x00"


def marked_texts(texts: Sequence[str]) -> list[int]:
    """Positions of the texts that must be looked at with care, in order."""
    if not texts:
        return []
    joined = _SEPARATOR.join(texts)
    if joined.count(_SEPARATOR) != len(texts) - 1:
        joined = _SEPARATOR.join(text.replace(_SEPARATOR, " ") for text in texts)
    data = joined.encode("utf-8", "replace").lower()
    letters = numpy.frombuffer(data, numpy.uint8)
    ends = numpy.flatnonzero(letters == 0)
    found = _automaton().find_matches_as_indexes(data)
    hits = numpy.fromiter((start for _, start, _ in found), numpy.int64, len(found))
    marked = set(numpy.searchsorted(ends, hits).tolist())
    digits = numpy.flatnonzero(letters - numpy.uint8(ord("0")) < 10)
    owners = numpy.searchsorted(ends, digits)
    marked.update(numpy.flatnonzero(numpy.bincount(owners) >= FEWEST_DIGITS).tolist())
    return sorted(marked)


@cache
def _automaton():
    import ahocorasick_rs

    return ahocorasick_rs.BytesAhoCorasick(
        [mark.encode() for mark in _MARKS], implementation=ahocorasick_rs.Implementation.DFA
    )
