"""Near-duplicates: lines so alike that a test on one, trained on the other, would test memory."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

__all__ = ["MIN_QUESTION_WORDS", "MIN_WORDS", "find_near_duplicates", "normalize_line"]

# "Yes.", "Hello there." and "What do you mean?" stand in every conversation: shorter lines than these
# tell nothing about a test line, and would tie all scenes of a play into one. Measured on three
# seasons of a television script with 36 to 60 episodes: with these bounds a leading character's
# episodes stay apart but for a handful (recaps), without them a third falls together.
MIN_WORDS = 5
MIN_QUESTION_WORDS = 8
SHINGLE_CHARACTERS = 4


def normalize_line(text: str) -> str:
    """Words in lower case, without punctuation, accents' variants or stage marks."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def _shingles(line: str) -> frozenset[str]:
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


def find_near_duplicates(lines: Sequence[str], threshold: float = 0.7) -> list[tuple[int, int]]:
    """Pairs of lines whose sets of four-character runs have a Jaccard similarity of ``threshold`` or more.

    Args:
        lines: Any text; lines of fewer than ``MIN_WORDS`` words pair with nothing.
        threshold: 0 to 1. At 0.7 a line of ten words may differ in one or two of them.

    Returns:
        Pairs of positions ``(i, j)`` with ``i < j``, sorted. Equal lines come as a chain, not as
        all their pairs.
    """
    pairs: set[tuple[int, int]] = set()
    first_of: dict[str, int] = {}
    for position, line in enumerate(map(normalize_line, lines)):
        if line.count(" ") + 1 < MIN_WORDS:
            continue
        if line in first_of:
            pairs.add((first_of[line], position))
        else:
            first_of[line] = position
    texts, origins = list(first_of), list(first_of.values())
    sets = [_shingles(text) for text in texts]
    owners: dict[str, list[int]] = defaultdict(list)
    for number, prefix in _prefixes(sets, threshold):
        near = {other for shingle in prefix for other in owners[shingle]}
        for other in near:
            if _similar(sets[number], sets[other], threshold):
                i, j = sorted((origins[number], origins[other]))
                pairs.add((i, j))
        for shingle in prefix:
            owners[shingle].append(number)
    return sorted(pairs)


def _similar(a: frozenset[str], b: frozenset[str], threshold: float) -> bool:
    if min(len(a), len(b)) < threshold * max(len(a), len(b)):
        return False
    shared = len(a & b)
    return shared >= threshold * (len(a) + len(b) - shared)
