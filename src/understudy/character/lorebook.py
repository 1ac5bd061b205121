"""Lorebook: the ``character_book`` of a card, read into lines of the character's world."""

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["Lorebook", "read_lorebook"]

# Character Card V3 writes directions to the chat program into the first lines of an entry.
_DECORATOR = re.compile(r"^\s*@@.*\n?", re.MULTILINE)


@dataclass(frozen=True)
class Lorebook:
    """Entries in their order, and how many were left out because the card switched them off."""

    entries: tuple[str, ...]
    disabled: int = 0

    @property
    def words(self) -> int:
        return sum(len(entry.split()) for entry in self.entries)


def read_lorebook(book: Any) -> Lorebook:
    """Read a lorebook as cards really hold it: ``null``, a bare list, or entries keyed by number.

    A chat program shows an entry when its keywords come up. A fine-tune learns all of it, so
    every enabled entry counts, constant or not.
    """
    entries = book.get("entries") if isinstance(book, dict) else book
    if isinstance(entries, dict):
        entries = list(entries.values())
    if not isinstance(entries, list):
        return Lorebook(())
    readable = [e for e in entries if isinstance(e, dict) and isinstance(e.get("content"), str)]
    enabled = sorted(filter(_is_enabled, readable), key=_order)
    texts = (_DECORATOR.sub("", entry["content"]).strip() for entry in enabled)
    return Lorebook(tuple(dict.fromkeys(filter(None, texts))), len(readable) - len(enabled))


def _is_enabled(entry: dict[str, Any]) -> bool:
    off = (False, 0, "false", "False", "0")
    return entry.get("enabled", True) not in off and entry.get("disable", False) in (*off, None, "")


def _order(entry: dict[str, Any]) -> float:
    """``insertion_order``, also as text; "" and other things count as 0."""
    try:
        return float(entry.get("insertion_order", entry.get("order", 0)))
    except (TypeError, ValueError, OverflowError):
        return 0.0
