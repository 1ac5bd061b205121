"""Fast tokens: the same counts as ``tokens``, many times as fast, where gigatoken is installed."""

import gzip
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy

from understudy.dataset.joined_texts import JoinedTexts
from understudy.dataset.tokens import LONGEST_PIECE, token_counter

__all__ = ["CountAll", "token_counts"]

SPLITTERS = {"o200k_base": "o200k", "cl100k_base": "gpt4"}
# It remembers every word that it has met, about ten times the size of a text of nothing but new words.
LOOK_CHARACTERS = 16 * 2**20
LARGEST_GROWTH_BYTES = 192 * 2**20
PAGE_BYTES = 4096
_BETWEEN = b" \n"


# The tokens of each of many texts.
CountAll = Callable[[JoinedTexts], numpy.ndarray]


@cache
def token_counts(encoding: str, fast: bool) -> CountAll:
    """A function that counts the tokens of each of many texts, as ``token_counter(encoding)`` does.

    Args:
        encoding: ``o200k_base`` or ``cl100k_base``.
        fast: With gigatoken, where it is installed: for a single thread. Loading takes half a second of
            processor time and about 60 MB.
    """
    if fast:
        # Not installed, or a version that is used in another way.
        with suppress(ImportError, KeyError, FileNotFoundError, AttributeError, TypeError, ValueError):
            return _Tokenizer(encoding).count_all
    return lambda texts: _count_each(texts.texts, encoding)


def _count_each(texts: Sequence[str], encoding: str) -> numpy.ndarray:
    return numpy.fromiter(map(token_counter(encoding), texts), numpy.int64, len(texts))


class _Tokenizer:
    """A tokenizer that is loaded anew when the words it remembers take too much memory."""

    def __init__(self, encoding: str) -> None:
        self.encoding, self.characters = encoding, 0
        self.encode, self.token_bytes = _load(encoding)
        self.resident = _resident_bytes()

    def count_all(self, texts: JoinedTexts) -> numpy.ndarray:
        """Count all texts in one run.

        A blank and a line break stand between two texts. Before they look for tokens, both vocabularies cut
        a text into words, and all blanks up to a line break belong together. So a text has the tokens that
        it has alone, if it begins with at most one blank and ends with none; one at its end is one token.
        The others are counted alone.
        """
        self._forget(len(texts.data))
        if not texts.texts or texts.holds_separators or texts.longest() > LONGEST_PIECE:
            return _count_each(texts.texts, self.encoding)
        tokens = self.encode(texts.data.replace(b"\x00", _BETWEEN))
        # Behind which byte each token ends; a text has the tokens that end in it.
        token_ends = numpy.cumsum(self.token_bytes.take(tokens), dtype=numpy.int32)
        edges = texts.edges()
        shift = (len(_BETWEEN) - 1) * numpy.arange(len(texts))
        bounds = numpy.empty(2 * len(texts), numpy.int32)
        bounds[::2], bounds[1::2] = texts.starts + shift, texts.ends + shift - edges.blank_behind
        until = numpy.searchsorted(token_ends, bounds, side="right")
        counts = until[1::2] - until[::2] + edges.blank_behind
        for number in numpy.flatnonzero(edges.unclear).tolist():
            counts[number] = len(self.encode(texts.text_data(number)))
        return counts

    def _forget(self, size: int) -> None:
        self.characters += size
        if self.characters > LOOK_CHARACTERS:
            self.characters = 0
            if _resident_bytes() - self.resident > LARGEST_GROWTH_BYTES:
                self.encode, self.token_bytes = _load(self.encoding)
                self.resident = _resident_bytes()


def _load(encoding: str) -> tuple[Callable[[bytes], Any], numpy.ndarray]:
    """The tokenizer over the tables of bpe-openai, and how many bytes each token stands for.

    Without control tokens: their names are ordinary text.
    """
    from gigatoken import Tokenizer

    # Found without importing the package, which would read all its tables.
    spec = find_spec("bpe_openai")
    if spec is None or spec.origin is None:
        raise ImportError("bpe_openai")
    packed = Path(spec.origin).parent / "data" / f"{encoding}.tiktoken.gz"
    ranks = gzip.decompress(packed.read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{encoding}.tiktoken"
        path.write_bytes(ranks)
        tokenizer = Tokenizer.from_tiktoken(path, pretokenizer=SPLITTERS[encoding], special_tokens={})
    return tokenizer.backend.encode, _token_bytes(ranks)


def _token_bytes(ranks: bytes) -> numpy.ndarray:
    """Bytes of each token of a table whose lines are a token in base64 and its number, in order.

    Raises:
        ValueError: The table is of another kind.
    """
    letters = numpy.frombuffer(ranks, numpy.uint8)
    breaks, blanks = numpy.flatnonzero(letters == ord("\n")), numpy.flatnonzero(letters == ord(" "))
    starts = numpy.concatenate(([0], breaks[:-1] + 1))
    last = int(ranks[blanks[-1] :])
    if not ranks.endswith(b"\n") or len(breaks) != len(blanks) or last != len(blanks) - 1:
        raise ValueError("another kind of table")
    padding = letters[blanks - 1] == ord("=")
    twice = letters[blanks - 2] == ord("=")
    return ((blanks - starts) // 4 * 3 - padding - twice).astype(numpy.uint16)


def _resident_bytes() -> int:
    """Memory of this process now; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    return 0
