"""Near-duplicates: lines so alike that a test on one, trained on the other, would test memory."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = [
    "MIN_QUESTION_WORDS",
    "MIN_WORDS",
    "LineClasses",
    "are_similar",
    "classify_lines",
    "normalize_line",
    "shingles",
]

# "Yes.", "Hello there." and "What do you mean?" stand in every conversation: shorter lines than these
# tell nothing about a test line, and would tie all scenes of a play into one. Measured on three
# seasons of a television script: with these bounds 5 of a leading character's 60 episodes join another
# one (recaps), with shorter questions 16 do.
MIN_WORDS = 5
MIN_QUESTION_WORDS = 8
SHINGLE_CHARACTERS = 4


def normalize_line(text: str) -> str:
    """Words in lower case, without punctuation, accents' variants or stage marks."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def shingles(line: str) -> frozenset[str]:
    """All runs of four characters of a normalized line."""
    padded = f" {line} "
    return frozenset(padded[i : i + SHINGLE_CHARACTERS] for i in range(len(padded) - SHINGLE_CHARACTERS + 1))


def _prefixes(sets: Sequence[frozenset[str]], threshold: float) -> Iterator[tuple[int, list[str]]]:
    """The rarest shingles of each set, enough of them that similar sets must share one.

    Source: prefix filtering, Chaudhuri, Ganti, Kaushik (2006), "A primitive operator for
    similarity joins in data cleaning".
    """
    counts = Counter(shingle for one in sets for shingle in one)
    for number, one in enumerate(sets):
        length = len(one) - int(-(-threshold * len(one) // 1)) + 1
        yield number, sorted(one, key=lambda s: (counts[s], s))[:length]


@dataclass(frozen=True)
class LineClasses:
    """Lines grouped into classes of equal ones, and which classes are nearly equal.

    members: Positions of the lines of each class. near: For each class itself and the classes like it.
    """

    members: list[list[int]]
    near: list[set[int]]

    def pairs(self) -> set[tuple[int, int]]:
        """All pairs of positions ``(i, j)``, ``i < j``, of equal or nearly equal lines."""
        return {
            (i, j)
            for number, others in enumerate(self.near)
            for other in others
            for i in self.members[number]
            for j in self.members[other]
            if i < j
        }


def classify_lines(
    lines: Sequence[str], threshold: float = 0.7, *, min_words: int = MIN_WORDS
) -> LineClasses:
    """Find lines whose sets of four-character runs have a Jaccard similarity of ``threshold`` or more.

    Args:
        lines: Any text; punctuation and case do not count.
        threshold: 0 to 1. At 0.7 a line of ten words may differ in one or two of them.
        min_words: Shorter lines belong to no class.
    """
    positions: dict[str, list[int]] = defaultdict(list)
    for position, line in enumerate(map(normalize_line, lines)):
        if line.count(" ") + 1 >= max(1, min_words) and line:
            positions[line].append(position)
    sets = [shingles(text) for text in positions]
    near = [{number} for number in range(len(sets))]
    owners: dict[str, list[int]] = defaultdict(list)
    for number, prefix in _prefixes(sets, threshold):
        for other in {other for shingle in prefix for other in owners[shingle]}:
            if are_similar(sets[number], sets[other], threshold):
                near[number].add(other)
                near[other].add(number)
        for shingle in prefix:
            owners[shingle].append(number)
    return LineClasses(list(positions.values()), near)


def are_similar(a: frozenset[str], b: frozenset[str], threshold: float) -> bool:
    if min(len(a), len(b)) < threshold * max(len(a), len(b)):
        return False
    shared = len(a & b)
    return shared >= threshold * (len(a) + len(b) - shared)
