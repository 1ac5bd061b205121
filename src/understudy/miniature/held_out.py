"""Held out: what no training conversation may contain, so that measurements ask something new.

Names, words of facts and wordings are divided by checksum in ``lexicon``. Here are the texts of the
example character and the questions of the evaluation.
"""

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

import yaml

from understudy.miniature.lexicon import HELD_OUT_PHRASES

__all__ = ["held_out_questions", "mentions_held_out"]

SHEET = "examples/ophelia/character.yaml"
PROBES = ("evaluation/data/in_fiction.yaml", "evaluation/data/sincere.yaml")


def mentions_held_out(texts: Iterable[str]) -> bool:
    """Whether a phrase of the example character, or a question of the evaluation, occurs in ``texts``."""
    listed = list(texts)
    together = " ".join(listed).lower()
    return any(phrase in together for phrase in HELD_OUT_PHRASES) or any(
        plain(text) in held_out_questions() for text in listed
    )


@cache
def held_out_questions() -> frozenset[str]:
    """Questions of the example's sheet, and the probes about honesty, without case and punctuation."""
    sheet = _read(SHEET)
    asked = [text for entry in (*sheet["facts"], *sheet["out_of_world"]) for text in entry["questions"]]
    asked += [text for path in PROBES for text in _read(path)["probes"]]
    return frozenset(plain(text) for text in asked)


def plain(text: str) -> str:
    """Lower case, words alone."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def _read(path: str) -> dict:
    text = resources.files("understudy").joinpath(path).read_text("utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
