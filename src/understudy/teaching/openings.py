"""Openings: the words with which replies of one talk begin, and whether they begin alike too often."""

import re
from collections.abc import Sequence

from understudy.character.character import Character
from understudy.evaluation.words import FUNCTION_WORDS, normalised, plain, words

__all__ = ["begins_alike", "opening_of", "own_words"]

OPENING_WORDS = 3
# A first clause of so many words is the opening: "Cherry friend, ...", "By my crooked crown! ...".
CLAUSE_WORDS = 5
CLAUSE = re.compile(r"^\W*([^,.!?;:…\n]+)[,.!?;:…]+\s*\S|^\W*([^-\n]+?)\s+-+\s*\S")
# A saying of the sheet, a single word ("Well, ...") and words without content ("I do not ...") may come
# again, but not more often in a row.
MOST_IN_A_ROW = 2
ANSWERS = ("yes", "no")


def opening_of(reply: str) -> str:
    """The first clause, where it is short and more follows, else the first three words; normalised.

    Empty for a reply of fewer words, and for a yes or no: that answers what was asked.
    """
    text = plain(reply)
    match = CLAUSE.search(text)
    clause = words(match[1] or match[2]) if match else []
    if 0 < len(clause) <= CLAUSE_WORDS:
        return "" if clause[0] in ANSWERS else " ".join(clause)
    first = words(text)[: OPENING_WORDS + 1]
    return " ".join(first[:OPENING_WORDS]) if len(first) > OPENING_WORDS else ""


def own_words(character: Character) -> str:
    """What stands in the sheet, in which a character's own sayings are looked for."""
    replies = [turn.content for talk in character.examples for turn in talk if turn.role == "assistant"]
    return f" {normalised(' '.join([character.long_prompt(), *replies]))} "


def begins_alike(reply: str, earlier: Sequence[str], own: str, most: int) -> bool:
    """Whether ``most`` of the earlier replies of a talk begin with the same words as this one.

    Args:
        most: 0 refuses nothing.
        own: What ``own_words`` gives. A saying of the sheet, a single word and words without content are
            refused only where the two replies before begin with them too.
    """
    opening = opening_of(reply)
    if not opening or not most:
        return False
    if " " not in opening or f" {opening} " in own or FUNCTION_WORDS.issuperset(opening.split()):
        last = earlier[-MOST_IN_A_ROW:]
        return len(last) == MOST_IN_A_ROW and all(opening_of(other) == opening for other in last)
    return sum(opening_of(other) == opening for other in earlier) >= most
