"""Prose: other people's simple English beside the generated conversations, for breadth of language.

Optional. The text is read from files that the caller names (``--extra-text``) and is not part of this
project; the model card names it with its licence.
"""

import lzma
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from understudy.miniature.tokens import END, special_id

__all__ = ["WINDOW_TOKENS", "draw_windows", "load_prose", "share_of_prose"]

WINDOW_TOKENS = 256
DOCUMENT = "<|doc|>"


def load_prose(paths: Sequence[Path], tokenizer: Tokenizer) -> np.ndarray:
    """Token ids of all files, documents parted by the end-of-turn token; ``.xz`` is unpacked.

    A line is a paragraph; a line ``<|doc|>`` or a blank one parts documents or chapters.
    """
    end = special_id(tokenizer, END)
    ids: list[np.ndarray] = []
    for path in paths:
        with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
            text = file.read().decode("utf-8")
        chapters = [part.strip() for part in text.replace(DOCUMENT, "\n").split("\n\n")]
        for start in range(0, len(chapters), 512):
            for encoded in tokenizer.encode_batch([part for part in chapters[start : start + 512] if part]):
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
