"""Secret: a key or token that no print, log or JSON shows by accident."""

import hashlib
import hmac
import logging
import os
import re
from typing import NoReturn

__all__ = ["RedactingFormatter", "Secret", "log_without_secrets", "redact", "without_secrets"]

HIDDEN = "[hidden]"
SHORTEST_KNOWN = 6  # shorter texts occur in ordinary words

_known: set[str] = set()
# A word without a digit after one of these is a word: "API key provided".
_AUTHORIZATION = re.compile(
    r"(?i)(\b(?:bearer|api[-_ ]key)\b['\"]?\s*[:=]?\s*['\"]?)(?=[a-z_\-.~+/=]*[0-9])[a-z0-9_\-.~+/=]{6,}"
)
_KEY_SHAPES = re.compile(r"\b(?:sk|us|hf|ghp|xox[bap])[-_][A-Za-z0-9_\-]{16,}")
_SECRET_NAMES = re.compile(
    r"(?i)(?:^|_)(?:API_?KEYS?|(?:ACCESS|SECRET|PRIVATE)_?KEYS?|TOKENS?|SECRETS?|PASSWORDS?|PASSWD|CREDENTIALS?)"
    r"(?:_|$)|^(?:OPENAI|AZURE|AWS)_"
)


class Secret:
    """A key or token. Its text comes out through ``reveal`` alone.

    It is not a string, so joining, formatting, logging, JSON and ``dataclasses.asdict`` cannot give it
    away, and the type checker names every place where one is needed.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value
        if len(value) >= SHORTEST_KNOWN:
            _known.add(value)

    def reveal(self) -> str:
        """The text itself, for the one place that has to send or compare it."""
        return self.__value

    def matches(self, given: str) -> bool:
        """Whether ``given`` is the same text; takes as long for a near miss as for any other."""
        mine, other = (hashlib.sha256(text.encode("utf-8", "replace")) for text in (self.__value, given))
        return hmac.compare_digest(mine.digest(), other.digest())

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other.reveal())

    def __hash__(self) -> int:
        return hash(self.__value)

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not written anywhere.")

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self


def redact(text: str) -> str:
    """The text without any secret that this process knows, and without what has the shape of a key."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    text = _AUTHORIZATION.sub(rf"\g<1>{HIDDEN}", text)
    return _KEY_SHAPES.sub(HIDDEN, text)


class RedactingFormatter(logging.Formatter):
    """Log lines, tracebacks included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def log_without_secrets(level: int) -> None:
    """Send this process's log to standard error, through ``RedactingFormatter``."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


def without_secrets(keep: tuple[str, ...] = ()) -> dict[str, str]:
    """The environment for another process: variables whose names speak of keys are left out.

    Args:
        keep: Beginnings of names that the process does need.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(keep) or not _SECRET_NAMES.search(name)
    }
