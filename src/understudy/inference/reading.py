"""Reading: prompts go through the model in batches, what they share only once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from understudy.inference.cache import Layers, layers_of, left_align_ends, new_cache
from understudy.inference.preamble import Preamble
from understudy.inference.prefixes import MIN_PREFIX_TOKENS, StoredPrefix, common_length
from understudy.inference.voices import Base, Voice

if TYPE_CHECKING:
    import torch

__all__ = ["Sequence_", "read", "read_prompts"]

_STORE_FROM_TOKENS = 64
_PIECE_TOKENS = 8192
_PIECE_SCORES = 2**26  # attention scores held at a time where a preamble is shared: 256 MiB in fp32


@dataclass(frozen=True)
class Sequence_:
    """Token ids to read after a preamble, and the positions whose next-token logits are wanted, ascending."""

    ids: list[int]
    wanted: list[int]
    voice: Voice
    preamble: Preamble


@dataclass(frozen=True)
class _Group:
    """Sequences that can be read in one pass, all going on from the same place.

    Those that continue a preamble or a stored prefix belong to its voice; those that begin at the
    beginning may belong to several voices of one base.
    """

    base: Base
    preamble: Preamble
    prefix: StoredPrefix | None
    length: int
    members: list[int]


def read_prompts(sequences: Sequence[Sequence_]) -> list[tuple["torch.Tensor", Layers]]:
    """Read prompts.

    Returns:
        For each prompt the logits ``[1, V]`` after its last token, and the keys and values
        ``[1, H, T, D]`` a layer of its ids, T being their number.
    """
    found: dict[int, tuple[Any, Layers]] = {}
    for members, logits, layers in read(sequences, keep=True):
        width = layers[0][0].shape[2]
        for row, member in enumerate(members):
            start = width - len(sequences[member].ids)
            own = [(k[row : row + 1, :, start:], v[row : row + 1, :, start:]) for k, v in layers]
            found[member] = (logits[row], own)
    return [found[index] for index in range(len(sequences))]


def read(
    sequences: Sequence[Sequence_], keep: bool = False
) -> list[tuple[list[int], list["torch.Tensor"], Layers]]:
    """Read sequences of one base in as few passes as their lengths allow.

    Args:
        sequences: What is read, each by its voice.
        keep: Whether to return keys and values, and to store long new prompts.

    Returns:
        For each pass: the positions in ``sequences``, for each the logits ``[N, V]`` of its wanted
        positions, and (if kept) keys and values padded on the left.
    """
    by_preamble: dict[tuple[int, int], list[Sequence_]] = {}
    for sequence in sequences:
        by_preamble.setdefault((id(sequence.voice), id(sequence.preamble)), []).append(sequence)
    for alike in by_preamble.values():
        _store_common(alike)
    passes = []
    for group in _groups(sequences):
        for members in _pieces(sequences, group):
            passes.append((members, *_read_group(sequences, group, members, keep)))
    return passes


def _store_common(sequences: Sequence[Sequence_]) -> None:
    """Read the beginning that several new sequences share, once, and store it."""
    if len(sequences) < 2:
        return
    first = sequences[0]
    shared = min(common_length(first.ids, s.ids) for s in sequences[1:])
    shared = min(shared, *(_most(s) for s in sequences))
    _, known = first.preamble.prefixes.best(first.ids, shared)
    if shared - known >= _STORE_FROM_TOKENS:
        common = Sequence_(first.ids[:shared], [shared - 1], first.voice, first.preamble)
        _read_group([common], _groups([common])[0], [0], keep=True)


def _most(sequence: Sequence_) -> int:
    """How many tokens may come from a stored prefix: what is wanted must still be computed."""
    return sequence.wanted[0]


def _groups(sequences: Sequence[Sequence_]) -> list[_Group]:
    found: dict[tuple[Any, ...], tuple[StoredPrefix | None, list[int], list[int]]] = {}
    for index, sequence in enumerate(sequences):
        prefix, length = sequence.preamble.prefixes.best(sequence.ids, _most(sequence))
        anyone = prefix is None and sequence.preamble.layers is None and sequence.voice.base.mixes
        key = () if anyone else (id(sequence.voice), id(sequence.preamble), prefix.ids if prefix else ())
        entry = found.setdefault(key, (prefix, [], []))
        entry[1].append(length)
        entry[2].append(index)
    groups = []
    for prefix, lengths, members in found.values():
        first = sequences[members[0]]
        groups.append(_Group(first.voice.base, first.preamble, prefix, min(lengths), members))
    return groups


def _pieces(sequences: Sequence[Sequence_], group: _Group) -> list[list[int]]:
    """Cut a group so that one pass stays small enough; similar lengths go together."""
    longest = max(len(sequences[member].ids) for member in group.members)
    scores = max(1, group.base.heads * (group.preamble.length + longest))
    most = min(_PIECE_TOKENS, _PIECE_SCORES // scores) if group.preamble.length else _PIECE_TOKENS
    pieces: list[list[int]] = []
    for member in sorted(group.members, key=lambda m: len(sequences[m].ids)):
        width = len(sequences[member].ids)
        if pieces and (len(pieces[-1]) + 1) * width <= max(most, width):
            pieces[-1].append(member)
        else:
            pieces.append([member])
    return pieces


def _read_group(
    sequences: Sequence[Sequence_], group: _Group, members: list[int], keep: bool
) -> tuple[list["torch.Tensor"], Layers]:
    """One pass. Rows are padded on the right while they are read, so columns are positions."""
    import torch

    rests = [sequences[m].ids[group.length :] for m in members]
    width = max(map(len, rests))
    device = group.base.device
    ids = torch.tensor([rest + [0] * (width - len(rest)) for rest in rests], device=device)
    selected = torch.zeros(ids.shape, dtype=torch.bool)
    for row, member in enumerate(members):
        selected[row, [place - group.length for place in sequences[member].wanted]] = True
    start = group.preamble.length + group.length
    positions = torch.arange(start, start + width, device=device)
    cache = new_cache(_expanded(group, len(members)))
    logits = group.base.logits(
        ids,
        selected.to(device),
        [sequences[m].voice.adapter for m in members],
        group.preamble,
        past_key_values=cache,
        position_ids=positions[None].expand(len(members), -1),
        use_cache=True,
    )
    parts = list(logits.split([len(sequences[m].wanted) for m in members]))
    if not keep:
        return parts, []
    lengths = [group.length + len(rest) for rest in rests]
    layers = layers_of(cache)
    _store_long(sequences, group, members, layers)
    return parts, left_align_ends(layers, lengths)


def _expanded(group: _Group, rows: int) -> Layers | None:
    if group.prefix is None or group.length < MIN_PREFIX_TOKENS:
        return None
    cut = [(k[:, :, : group.length], v[:, :, : group.length]) for k, v in group.prefix.layers]
    return [(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in cut]


def _store_long(sequences: Sequence[Sequence_], group: _Group, members: list[int], layers: Layers) -> None:
    """Store a prompt that was read alone and was mostly new; the conversation will go on from it."""
    if len(members) != 1 or len(sequences[members[0]].ids) - group.length < _STORE_FROM_TOKENS:
        return
    one = sequences[members[0]]
    one.preamble.prefixes.add(one.ids, [(k.clone(), v.clone()) for k, v in layers])
