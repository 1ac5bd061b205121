"""Packing: the sequences of a batch laid end to end, with what they begin with alike only once.

Every row of a character's data begins with the same system prompt, and both replies of a
preference with the same conversation. Laid out like this, each is read once, nothing is padded,
and the gradients are those of the separate rows: a shared token receives the sum of what each
row sends back to it.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from understudy.inference.prefixes import common_length
from understudy.training.examples import IGNORE_INDEX, Example

if TYPE_CHECKING:
    import torch

__all__ = ["Group", "Pack", "group_by_prefix", "pack", "packed_tokens"]

LEAST_SAVED_TOKENS = 16
_WIDEST_GROUP = 256


@dataclass(frozen=True)
class Group:
    """Sequences that share their first ``prefix`` tokens (0: none); ``members`` are positions in a batch."""

    prefix: int
    members: tuple[int, ...]


@dataclass(frozen=True)
class Pack:
    """A batch as one row of N tokens.

    ids, positions: ``[1, N]``; a position is a token's place in its own sequence. selected: boolean
    ``[1, N]``, true where the next token is learned. targets: those tokens ``[M]`` and owners: the
    sequence of each ``[M]``, both in the order of ``selected``. spans: for each group the length of
    its prefix and of each member's own part, in the order in which they lie in the row.
    """

    ids: "torch.Tensor"
    positions: "torch.Tensor"
    selected: "torch.Tensor"
    targets: "torch.Tensor"
    owners: "torch.Tensor"
    spans: tuple[tuple[int, tuple[int, ...]], ...]


def shareable(example: Example) -> int:
    """How many first tokens may be read together with other sequences: those that predict nothing learned."""
    learned = next((i for i, label in enumerate(example.labels) if i and label != IGNORE_INDEX), None)
    return len(example.ids) - 1 if learned is None else learned - 1


def group_by_prefix(batch: Sequence[Example]) -> list[Group]:
    """The grouping that reads fewest tokens, each sequence having one prefix at most.

    Sequences that share a beginning are neighbours once sorted, so the best grouping is found
    among runs of neighbours.
    """
    order = sorted(range(len(batch)), key=lambda i: batch[i].ids)
    limits = [shareable(batch[i]) for i in order]
    common = [common_length(batch[one].ids, batch[two].ids) for one, two in itertools.pairwise(order)]
    best: list[tuple[int, int, int]] = [(0, 0, 0)]  # (tokens saved, start of the last run, its prefix)
    for end in range(1, len(order) + 1):
        found = (best[end - 1][0], end - 1, 0)
        prefix = limits[end - 1]
        for start in range(end - 2, max(-1, end - 1 - _WIDEST_GROUP), -1):
            prefix = min(prefix, common[start], limits[start])
            saved = prefix * (end - start - 1)
            if saved < LEAST_SAVED_TOKENS and prefix < LEAST_SAVED_TOKENS:
                break
            if best[start][0] + saved > found[0]:
                found = (best[start][0] + saved, start, prefix)
        best.append(found)
    groups: list[Group] = []
    alone: list[int] = []
    end = len(order)
    while end:
        _, start, prefix = best[end]
        if prefix:
            groups.append(Group(prefix, tuple(order[start:end])))
        else:
            alone += order[start:end]
        end = start
    # One run of attention for all that share nothing, the shortest first.
    rest = [Group(0, tuple(sorted(alone, key=lambda i: len(batch[i].ids))))] if alone else []
    return groups + rest


def packed_tokens(batch: Sequence[Example]) -> int:
    """Tokens that are read for a batch."""
    groups = group_by_prefix(batch)
    return sum(g.prefix + sum(len(batch[m].ids) - g.prefix for m in g.members) for g in groups)


def pack(batch: Sequence[Example], device: "torch.device") -> Pack:
    """Lay a batch end to end, what is shared first and once."""
    import torch

    ids: list[int] = []
    positions: list[int] = []
    targets: list[int] = []  # the next token where it is learned, else IGNORE_INDEX
    owners: list[int] = []
    spans = []
    for group in group_by_prefix(batch):
        first = batch[group.members[0]]
        ids += first.ids[: group.prefix]
        positions += range(group.prefix)
        targets += [IGNORE_INDEX] * group.prefix
        owners += [-1] * group.prefix
        for member in group.members:
            example = batch[member]
            own = len(example.ids) - group.prefix
            ids += example.ids[group.prefix :]
            positions += range(group.prefix, len(example.ids))
            targets += [*example.labels[group.prefix + 1 :], IGNORE_INDEX]
            owners += [member] * own
        spans.append((group.prefix, tuple(len(batch[m].ids) - group.prefix for m in group.members)))
    following = torch.tensor(targets, device=device)
    selected = following != IGNORE_INDEX
    return Pack(
        torch.tensor([ids], device=device),
        torch.tensor([positions], device=device),
        selected[None],
        following[selected],
        torch.tensor(owners, device=device)[selected],
        tuple(spans),
    )
