"""Complexity: JSON that is small as text and huge in memory, refused before it is parsed.

Sixteen megabytes of ``[],[],…`` become half a gigabyte of Python objects. Values are counted in the
text, without strings, which costs less than parsing and no memory to speak of.
"""

import re

__all__ = ["MAX_VALUES", "has_too_many_values"]

MAX_VALUES = 250_000
_MARKS = (b",", b"[", b"{", b":")
# Possessive, and content with the end of the text for a string that is not closed, so that no text
# makes it start over.
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)


def has_too_many_values(text: bytes, limit: int = MAX_VALUES) -> bool:
    """Whether JSON holds more than ``limit`` values and keys. Damaged JSON is counted all the same."""
    if len(text) <= limit or sum(map(text.count, _MARKS)) <= limit:
        return False
    bare = _STRINGS.sub(b"", text)
    return sum(map(bare.count, _MARKS)) > limit
