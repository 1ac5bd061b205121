"""Typing style: the same line as different people type it."""

import random
import re

__all__ = ["TYPING_STYLES", "describe_typing", "type_line"]

# What a model is told that plays the user.
TYPING_STYLES = {
    "careful": "You write whole sentences with correct spelling and punctuation.",
    "hurried": "You write short messages in a hurry, with few commas and no full stop at the end.",
    "lower_case": "You write everything in lower case, with hardly any punctuation.",
    "slips": "You type fast and make a spelling mistake now and then.",
    "shouting": "You often use capitals and several exclamation marks.",
}
SHOUTED_WORDS = 6
SHORT_FORMS = (
    (r"\bI am\b", "I'm"),
    (r"\bdo not\b", "don't"),
    (r"\bDo not\b", "Don't"),
    (r"\bis not\b", "isn't"),
    (r"\bcannot\b", "can't"),
    (r"\bWhat is\b", "What's"),
    (r"\bIt is\b", "It's"),
    (r"\bit is\b", "it's"),
    (r"\bthat is\b", "that's"),
    (r"\bYou are\b", "You're"),
    (r"\byou are\b", "you're"),
)


def describe_typing(style: str) -> str:
    """The style as an instruction to whoever plays the user."""
    return TYPING_STYLES[style]


def type_line(line: str, style: str, seed: str) -> str:
    """The line as somebody of that style types it; the same seed always makes the same slips."""
    if style == "hurried":
        for pattern, short in SHORT_FORMS:
            line = re.sub(pattern, short, line)
        return re.sub(r"\.$", "", line.replace(", ", " "))
    if style == "lower_case":
        return re.sub(r"[.,;:!]", "", line).lower()
    if style == "slips":
        return _with_slip(line, random.Random(f"{seed}\x1f{line}"))
    if style == "shouting":
        return (
            re.sub(r"[.!]+$", "!!!", line).upper()
            if len(line.split()) <= 6
            else re.sub(r"[.!]+$", "!!!", line)
        )
    return line


def _with_slip(line: str, chance: random.Random) -> str:
    """Two neighbouring letters change places, or one is left out, in one longer word in lower case."""
    places = list(re.finditer(r"\b[a-z]{5,}\b", line))
    if not places:
        return line
    match = chance.choice(places)
    word, at = match[0], chance.randrange(1, len(match[0]) - 2)
    if chance.random() < 0.5 and word[at] != word[at + 1]:
        word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    else:
        word = word[:at] + word[at + 1 :]
    return line[: match.start()] + word + line[match.end() :]
