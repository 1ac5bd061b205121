"""Marks: words without which a text holds no disclaimer, secret, control token or personal data.

One pass over the texts of many rows, at the speed of memory; only a text with a mark is looked at with care.
"""

from dataclasses import dataclass
from functools import cache

import numpy

from understudy.dataset.joined_texts import JoinedTexts
from understudy.dataset.personal_data import FEWEST_DIGITS

__all__ = ["Marked", "marked_texts"]

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
# Those of both kinds in the middle.
_MARKS = (*_MACHINE, *_ODD_LETTERS, *_OTHERS, *_SECRET)
_FIRST_PRIVATE, _FIRST_OTHER = len(_MACHINE), len(_MACHINE) + len(_ODD_LETTERS)


@dataclass(frozen=True)
class Marked:
    """Positions of the texts that must be looked at with care, in order.

    machine: For a disclaimer. private: For personal data, a secret or a control token.
    """

    machine: list[int]
    private: list[int]


def marked_texts(texts: JoinedTexts) -> Marked:
    """The texts with a mark."""
    found = _automaton().find_matches_as_indexes(texts.data.lower(), overlapping=True)
    hits = numpy.array(found, numpy.int64).reshape(-1, 3)
    marks, owners = hits[:, 0], texts.owners(hits[:, 1])
    private = set(owners[marks >= _FIRST_PRIVATE].tolist())
    private.update(numpy.flatnonzero(texts.digits() >= FEWEST_DIGITS).tolist())
    return Marked(sorted(set(owners[marks < _FIRST_OTHER].tolist())), sorted(private))


@cache
def _automaton():
    import ahocorasick_rs

    return ahocorasick_rs.BytesAhoCorasick(
        [mark.encode() for mark in _MARKS], implementation=ahocorasick_rs.Implementation.DFA
    )
