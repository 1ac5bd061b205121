"""Prose: other people's simple English beside the generated conversations, for breadth of language.

Optional. The text is read from files that the caller names (``--extra-text``) and is not part of this
project; the model card names it with its licence.
"""

import csv
import lzma
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from understudy.miniature.held_out import mentions_held_out

__all__ = ["WINDOW_TOKENS", "draw_windows", "load_prose", "read_chapters", "share_of_prose"]

WINDOW_TOKENS = 256
DOCUMENT = "<|doc|>"


def read_chapters(path: Path) -> Iterator[str]:
    """Chapters of a text, or the last column of a CSV; none that names the example character's world.

    A line is a paragraph; a line ``<|doc|>`` or a blank one parts documents or chapters. ``.xz`` is unpacked.
    """
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            chapters = [row[-1].strip() for row in csv.reader(file) if row][1:]
    else:
        with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as packed:
            text = packed.read().decode("utf-8")
        chapters = [part.strip() for part in text.replace(DOCUMENT, "\n").split("\n\n")]
    yield from (chapter for chapter in chapters if chapter and not mentions_held_out([chapter]))


def load_prose(paths: Sequence[Path], tokenizer: Tokenizer, end: int) -> np.ndarray:
    """Token ids of all files, chapters parted by the token ``end``."""
    ids: list[np.ndarray] = []
    for path in paths:
        chapters = list(read_chapters(path))
        for start in range(0, len(chapters), 512):
            for encoded in tokenizer.encode_batch(chapters[start : start + 512]):
                ids.append(np.asarray([*encoded.ids, end], dtype=np.uint16))
    return np.concatenate(ids)


def draw_windows(prose: np.ndarray, count: int, rng: random.Random) -> np.ndarray:
    """``count`` windows of ``WINDOW_TOKENS`` ids from random places, shape (count, WINDOW_TOKENS)."""
    starts = [rng.randrange(len(prose) - WINDOW_TOKENS) for _ in range(count)]
    return np.stack([prose[start : start + WINDOW_TOKENS] for start in starts]).astype(np.int64)


def share_of_prose(progress: float, most: float) -> float:
    """Share of the batches that are prose: ``most`` for a third of the training, then down to a tenth.

    Language comes first; how to play a part and when to be the assistant is practised to the end.
    """
    if progress < 0.33:
        return most
    return most * max(0.1, 1 - 0.9 * (progress - 0.33) / 0.6)
