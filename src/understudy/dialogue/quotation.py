"""Quotation: which stretches of a paragraph are speech, in the quotation marks that a book uses."""

import re
from dataclasses import dataclass

__all__ = ["Quote", "find_quotes", "quotation_style"]

# Opening and closing marks. Straight marks open after a blank and close after a letter or a full stop.
STYLES = {
    "curly double": ("“", "”"),
    "straight double": ('"', '"'),
    "angle": ("«", "»"),
    "German": ("„", "“”"),
    "curly single": ("‘", "’"),
    "straight single": ("'", "'"),
}
# A speech ends in one of these, or begins its paragraph; other quoted words are a title or a label.
ENDS = ",.!?…;:—–-)]"
_OPENS_AFTER = " \t\n([—–-“‘\"'_"


@dataclass(frozen=True)
class Quote:
    """A speech from ``start`` to ``end`` (positions of its marks). ``closed`` is false where it runs on."""

    start: int
    end: int
    text: str
    closed: bool


def quotation_style(text: str) -> str:
    """The marks that begin most paragraphs; single ones are apostrophes too, so beginnings decide."""
    starts = re.findall(r"(?:^|\n[ \t]*\n)[ \t_]*([“\"«„‘'])", text)
    kinds = {opening: name for name, (opening, _) in reversed(STYLES.items())}
    counts = {name: sum(kinds[mark] == name for mark in starts) for name in STYLES}
    return max(counts, key=lambda name: counts[name])


def find_quotes(paragraph: str, style: str) -> list[Quote]:
    """Speeches of a paragraph on one line, in order. One without an end runs on in the next paragraph."""
    opening, closing = STYLES[style]
    quotes, position = [], 0
    while (start := _opening(paragraph, position, opening)) is not None:
        end = _closing(paragraph, start + 1, closing, single="single" in style)
        text = paragraph[start + 1 : len(paragraph) if end is None else end].strip(" _*")
        if end is None:
            if text:
                quotes.append(Quote(start, len(paragraph), text, closed=False))
            break
        if text and (text[-1] in ENDS or start == 0):
            quotes.append(Quote(start, end, text, closed=True))
        position = end + 1
    return quotes


def _opening(text: str, position: int, mark: str) -> int | None:
    while (at := text.find(mark, position)) >= 0:
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        if (at == 0 or before in _OPENS_AFTER or mark not in "\"'‘") and after.strip():
            return at
        position = at + 1
    return None


def _closing(text: str, position: int, marks: str, *, single: bool) -> int | None:
    """A single mark closes after punctuation or before it; between letters it is an apostrophe."""
    for at in range(position, len(text)):
        if text[at] not in marks:
            continue
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        if single and (after.isalnum() or not (before in ENDS + '_*"”' or after in ",.;:!?)")):
            continue
        return at
    return None
