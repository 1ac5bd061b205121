"""Language: is a text written in the language that was asked for?"""

import re
import unicodedata
from functools import lru_cache
from importlib.resources import files

import yaml

__all__ = ["is_other_language"]

FEWEST_WORDS = 6
FEWEST_HITS = 3
LATIN_SHARE = 0.5
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


@lru_cache
def _frequent() -> dict[str, frozenset[str]]:
    text = (files("understudy.dialogue") / "data" / "languages.yaml").read_text(encoding="utf-8")
    return {language: frozenset(str(row).split()) for language, row in yaml.safe_load(text).items()}


def is_other_language(text: str, language: str) -> bool:
    """Whether a text of some length is clearly in another language; ``False`` where that cannot be told.

    By script, and by frequent words: another language must have three of them or more, and twice as
    many as the wanted one.
    """
    table = _frequent()
    if language not in table:
        return False
    letters = [ch for ch in text if ch.isalpha()]
    if letters and sum(_is_latin(ch) for ch in letters) < LATIN_SHARE * len(letters):
        return True
    spoken = _WORD.findall(text.replace("’", "'").casefold())
    if len(spoken) < FEWEST_WORDS:
        return False
    hits = {name: sum(word in frequent for word in spoken) for name, frequent in table.items()}
    most = max(count for name, count in hits.items() if name != language)
    return most >= FEWEST_HITS and most > 2 * hits[language]


def _is_latin(ch: str) -> bool:
    return unicodedata.name(ch, "").startswith("LATIN")
