"""Joined texts: many texts as one run of bytes, to be searched and counted at the speed of memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy

__all__ = ["Edges", "JoinedTexts"]

SEPARATOR = "\x00"
_BLANK, _LAST_ASCII = ord(" "), 0x7F
_FIRST_DIGIT = numpy.uint8(ord("0"))


class JoinedTexts:
    """Texts in UTF-8, one after the other, each followed by a zero byte; half characters become ``?``.

    texts: As they were given. holds_separators: Whether a text has a zero byte itself; it reads as a blank
    then. data: All texts and separators. ends: Position in ``data`` of the separator behind each text.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.data, self.ends = _join(texts)
        self.holds_separators = len(self.ends) > len(texts)
        if self.holds_separators:
            self.data, self.ends = _join([text.replace(SEPARATOR, " ") for text in texts])

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def starts(self) -> numpy.ndarray:
        """Position in ``data`` of each text."""
        return numpy.concatenate(([0], self.ends[:-1] + 1)) if len(self.ends) else self.ends

    def longest(self) -> int:
        """Bytes of the longest text."""
        return int((self.ends - self.starts).max(initial=0))

    def text_data(self, number: int) -> bytes:
        """One text in UTF-8."""
        return self.data[self.starts[number] : self.ends[number]]

    def owners(self, positions: numpy.ndarray) -> numpy.ndarray:
        """The texts in which positions of ``data`` lie."""
        return numpy.searchsorted(self.ends, positions)

    def digits(self) -> numpy.ndarray:
        """How many digits 0 to 9 each text has."""
        letters = numpy.frombuffer(self.data, numpy.uint8)
        positions = numpy.flatnonzero(letters - _FIRST_DIGIT < 10)
        return numpy.bincount(self.owners(positions), minlength=len(self.texts))

    def blank(self) -> list[int]:
        """Which texts are empty or nothing but blanks."""
        last = numpy.frombuffer(self.data, numpy.uint8)[self.ends - 1]
        possible = (self.starts == self.ends) | (last <= _BLANK) | (last > _LAST_ASCII)
        return [n for n in numpy.flatnonzero(possible).tolist() if not self.texts[n].strip()]

    def edges(self) -> "Edges":
        """How each text begins and ends."""
        letters = numpy.frombuffer(self.data, numpy.uint8)
        first, last = letters[self.starts], letters[self.ends - 1]
        unclear = (first <= _BLANK) | (last <= _BLANK)
        blank_behind = numpy.zeros(len(self), bool)
        if unclear.any():
            # One blank is clear where an ordinary letter stands beside it.
            second = letters[numpy.minimum(self.starts + 1, len(letters) - 1)]
            before = letters[numpy.maximum(self.ends - 2, 0)]
            in_front = (first == _BLANK) & (second > _BLANK) & (second <= _LAST_ASCII)
            blank_behind = (last == _BLANK) & (before > _BLANK) & (before <= _LAST_ASCII)
            unclear = ((first <= _BLANK) & ~in_front) | ((last <= _BLANK) & ~blank_behind)
            blank_behind &= ~unclear
        for number in numpy.flatnonzero((first > _LAST_ASCII) | (last > _LAST_ASCII)).tolist():
            if text := self.texts[number]:
                unclear[number] |= (not text[0].isascii() and text[0].isspace()) or (
                    not text[-1].isascii() and text[-1].isspace()
                )
        return Edges(unclear, blank_behind)


@dataclass(frozen=True)
class Edges:
    """How each of some texts begins and ends.

    unclear: Empty, or with several blanks, or another one than ``" "``, at an edge. blank_behind: Of the
    others, which end with a blank.
    """

    unclear: numpy.ndarray
    blank_behind: numpy.ndarray


def _join(texts: Sequence[str]) -> tuple[bytes, numpy.ndarray]:
    joined = SEPARATOR.join((*texts, "")).encode("utf-8", "replace")
    return joined, numpy.flatnonzero(numpy.frombuffer(joined, numpy.uint8) == 0)
