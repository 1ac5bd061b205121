"""Batches: an endless, seeded stream of examples of like length, following the curriculum."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from understudy.miniature.conversations import STAGES, Stage, compose
from understudy.miniature.tokens import CONTEXT_TOKENS, Example, encode_conversation

__all__ = ["Batch", "batches", "stage_at"]

POOL = 384
CONTEXT_SHARE = 0.3
"""Share of the prompt's and questions' tokens that are learned at all; they weigh more in return.

The logits of the others need not be computed."""
BATCH_TOKENS = ((0.75, 2048), (1.0, 3072))


@dataclass(frozen=True)
class Batch:
    """Token ids (B, T), and the loss weight of each predicted token (B, T - 1)."""

    ids: np.ndarray
    weights: np.ndarray
    tokens: int


def stage_at(progress: float) -> Stage:
    """The stage of the curriculum at ``progress``, a share of the training."""
    return next((stage for stage in STAGES if progress < stage.until), STAGES[-1])


def batches(
    tokenizer: Tokenizer,
    seed: int,
    progress: Callable[[], float],
    pool: int = 0,
    *,
    larger: int = 1,
    passages: Sequence[list[str]] = (),
) -> Iterator[Batch]:
    """Batches without end.

    Args:
        progress: Asked before each pool of conversations; chooses stage and batch size.
        pool: Number of the first pool, to go on where a training stopped.
        larger: Factor of pool and batch, for devices that small batches leave idle.
        passages: Other people's paragraphs that some sheets hold.
    """
    while True:
        share = progress()
        rng = random.Random(f"batches {seed} {pool}")
        budget = next((tokens for until, tokens in BATCH_TOKENS if share < until), BATCH_TOKENS[-1][1])
        talks = (compose(rng, stage_at(share), passages) for _ in range(POOL * larger))
        examples = [encode_conversation(tokenizer, talk) for talk in talks]
        made = list(_group(sorted(examples, key=lambda example: len(example.ids)), budget * larger, rng))
        rng.shuffle(made)
        yield from made
        pool += 1


def _group(examples: list[Example], budget: int, rng: random.Random) -> Iterator[Batch]:
    """Neighbours in length share a batch of at most ``budget`` tokens with padding."""
    group: list[Example] = []
    for example in examples:
        longest = min(CONTEXT_TOKENS, len(example.ids))
        if group and longest * (len(group) + 1) > budget:
            yield _pad(group, rng)
            group = []
        group.append(example)
    if group:
        yield _pad(group, rng)


def _pad(group: list[Example], rng: random.Random) -> Batch:
    """Right padding needs no attention mask: attention is causal and padding weighs nothing."""
    length = min(CONTEXT_TOKENS, max(len(example.ids) for example in group))
    ids = np.zeros((len(group), length), dtype=np.int64)
    weights = np.zeros((len(group), length), dtype=np.float32)
    for row, example in enumerate(group):
        cut = min(length, len(example.ids))
        ids[row, :cut] = example.ids[:cut]
        weights[row, :cut] = example.weights[:cut]
    context = (weights > 0) & (weights < 1)
    dropped = np.random.default_rng(rng.getrandbits(32)).random(weights.shape) >= CONTEXT_SHARE
    weights[context] /= CONTEXT_SHARE
    weights[context & dropped] = 0
    return Batch(ids, weights[:, 1:], int(sum(min(length, len(example.ids)) for example in group)))
