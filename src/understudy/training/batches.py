"""Batches: which examples meet in which step, the same in every run with the same seed."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from understudy.training.examples import IGNORE_INDEX, Example, Learnable

if TYPE_CHECKING:
    import torch

__all__ = ["collate", "plan_epoch", "split_by_tokens", "steps_per_epoch"]

_GROUP_BATCHES = 16
One = TypeVar("One", bound=Learnable)


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Batches that cover ``count`` examples; the last may be smaller."""
    return -(-count // batch_size)


def plan_epoch(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Shuffle examples into batches of similar length.

    Examples are shuffled, sorted by length within groups of 16 batches, cut into batches, and
    the batches are shuffled: little padding, and still another order in every epoch. A function
    of its arguments alone, so a resumed run continues in the order of the first.

    Returns:
        Positions into ``lengths``; every position once.
    """
    chooser = random.Random(f"{seed}:{epoch}")
    order = list(range(len(lengths)))
    chooser.shuffle(order)
    group = batch_size * _GROUP_BATCHES
    batches: list[list[int]] = []
    for start in range(0, len(order), group):
        part = sorted(order[start : start + group], key=lambda position: lengths[position])
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    chooser.shuffle(batches)
    return batches


def split_by_tokens(batch: Sequence[One], max_padded_tokens: int) -> list[list[One]]:
    """Cut a batch into pieces whose padded size stays below a limit; one example always fits."""
    pieces: list[list[One]] = []
    for example in sorted(batch, key=lambda e: len(e.ids)):
        if pieces and (len(pieces[-1]) + 1) * len(example.ids) <= max_padded_tokens:
            pieces[-1].append(example)
        else:
            pieces.append([example])
    return pieces


def collate(batch: Sequence[Example], device: "torch.device") -> tuple["torch.Tensor", "torch.Tensor"]:
    """Pad on the right.

    Attention is causal, so nothing real ever sees the padding and no mask is needed.

    Returns:
        ids and labels, both ``[B, T]``; padding is id 0 with label ``IGNORE_INDEX``.
    """
    import torch

    width = max(len(example.ids) for example in batch)
    ids = torch.zeros((len(batch), width), dtype=torch.long)
    labels = torch.full((len(batch), width), IGNORE_INDEX, dtype=torch.long)
    for row, example in enumerate(batch):
        ids[row, : len(example.ids)] = torch.tensor(example.ids, dtype=torch.long)
        labels[row, : len(example.labels)] = torch.tensor(example.labels, dtype=torch.long)
    return ids.to(device), labels.to(device)
