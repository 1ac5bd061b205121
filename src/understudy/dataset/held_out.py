"""Held out: lines of test files, and whether a line to learn is nearly one of them."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from understudy.dataset.near_duplicate import (
    MIN_QUESTION_WORDS,
    MIN_WORDS,
    are_similar,
    normalize_line,
    shingles,
)
from understudy.errors import DatasetError

__all__ = ["HeldOut"]

LEAST_WORDS = {"user": MIN_QUESTION_WORDS, "assistant": MIN_WORDS}


class HeldOut:
    """The users' and the character's lines of files that are not trained on.

    Two lines are the same where their sets of four-character runs have a Jaccard similarity of
    ``threshold`` or more; short ones stand in every conversation and are not compared.

    Raises:
        DatasetError: A file cannot be read as chat JSONL.
    """

    def __init__(self, paths: Iterable[Path], threshold: float = 0.7) -> None:
        self.threshold = threshold
        self.paths = list(paths)
        self.places: dict[tuple[str, str], str] = {}
        for path in self.paths:
            self._read(path)
        self.sets = [(key, shingles(key[1])) for key in self.places]
        self.counts = Counter(shingle for _, one in self.sets for shingle in one)
        self.owners: dict[str, list[int]] = defaultdict(list)
        for number, (_, one) in enumerate(self.sets):
            for shingle in self._prefix(one):
                self.owners[shingle].append(number)

    def find(self, role: str, text: str) -> str | None:
        """``file:line`` of a held-out line that is nearly the same, or ``None``."""
        line = normalize_line(text)
        if role not in LEAST_WORDS or line.count(" ") + 1 < LEAST_WORDS[role]:
            return None
        if exact := self.places.get((role, line)):
            return exact
        one = shingles(line)
        candidates = {number for shingle in self._prefix(one) for number in self.owners.get(shingle, ())}
        for number in sorted(candidates):
            key, other = self.sets[number]
            if key[0] == role and are_similar(one, other, self.threshold):
                return self.places[key]
        return None

    def _prefix(self, one: frozenset[str]) -> list[str]:
        """The rarest runs, enough of them that similar sets must share one."""
        length = len(one) - int(-(-self.threshold * len(one) // 1)) + 1
        return sorted(one, key=lambda s: (self.counts[s], s))[:length]

    def _read(self, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{path}: cannot be read as UTF-8 text ({error}).") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                messages = json.loads(line)["messages"]
                said = [(message["role"], message.get("content")) for message in messages]
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                raise DatasetError(
                    f"{path}:{number}: is not an example in chat format, so its lines cannot be kept out of "
                    "training."
                ) from None
            for role, text in said:
                if isinstance(role, str) and role in LEAST_WORDS and isinstance(text, str):
                    normal = normalize_line(text)
                    if normal.count(" ") + 1 >= LEAST_WORDS[role]:
                        self.places.setdefault((role, normal), f"{path.name}:{number}")
