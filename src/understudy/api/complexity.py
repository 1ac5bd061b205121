"""Complexity: JSON that is small as text and huge in memory, refused before it is parsed.

Sixteen megabytes of ``[],[],…`` become half a gigabyte of Python objects. Strings and separators are
counted in the text, which takes no memory and stops at the limit.
"""

import re

__all__ = ["MAX_VALUES", "has_too_many_values"]

MAX_VALUES = 250_000
_PARTS_PER_VALUE = 2  # a value comes with a comma, a member of an object also with a key and a colon
_MARKS = (b",", b"[", b"{", b":", b'"')
# Possessive, and content with the end of the text for a string that is not closed, so that no text
# makes it start over.
_PART = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[,:\[{]', re.DOTALL)


def has_too_many_values(text: bytes, limit: int = MAX_VALUES) -> bool:
    """Whether JSON holds more than about ``limit`` values. Damaged JSON is counted all the same."""
    most = limit * _PARTS_PER_VALUE
    if len(text) <= most or sum(map(text.count, _MARKS)) <= most:
        return False
    return any(number > most for number, _ in enumerate(_PART.finditer(text), 1))
