"""Reading: prompts go through the model in batches, what they share only once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from understudy.inference.cache import Layers, layers_of, left_align_ends, new_cache
from understudy.inference.preamble import Preamble
from understudy.inference.prefixes import MIN_PREFIX_TOKENS, StoredPrefix, common_length
from understudy.inference.voices import Voice

if TYPE_CHECKING:
    import torch

__all__ = ["Sequence_", "read", "read_prompts"]

_STORE_FROM_TOKENS = 64
_PIECE_TOKENS = 8192
_PIECE_SCORES = 2**26  # attention scores held at a time where a preamble is shared: 256 MiB in fp32


@dataclass(frozen=True)
class Sequence_:
    """Token ids to read and the positions whose next-token logits are wanted, ascending."""

    ids: list[int]
    wanted: list[int]


@dataclass(frozen=True)
class _Group:
    """Sequences that continue the same stored prefix from the same length."""

    prefix: StoredPrefix | None
    length: int
    members: list[int]


def read_prompts(
    voice: Voice, preamble: Preamble, prompts: Sequence[list[int]]
) -> list[tuple["torch.Tensor", Layers]]:
    """Read prompts, each given without the preamble.

    Returns:
        For each prompt the logits ``[1, V]`` after its last token, and its keys and values
        ``[1, H, T, D]`` a layer, T the length of the prompt.
    """
    sequences = [Sequence_(ids, [len(ids) - 1]) for ids in prompts]
    found: dict[int, tuple[Any, Layers]] = {}
    for members, logits, layers in read(voice, preamble, sequences, keep=True):
        width = layers[0][0].shape[2]
        for row, member in enumerate(members):
            start = width - len(prompts[member])
            own = [(k[row : row + 1, :, start:], v[row : row + 1, :, start:]) for k, v in layers]
            found[member] = (logits[row], own)
    return [found[index] for index in range(len(prompts))]


def read(
    voice: Voice, preamble: Preamble, sequences: Sequence[Sequence_], keep: bool = False
) -> list[tuple[list[int], list["torch.Tensor"], Layers]]:
    """Read sequences in as few passes as their lengths allow.

    Args:
        voice: Who reads.
        preamble: What all sequences begin with; not part of their ids.
        sequences: What is read.
        keep: Whether to return keys and values, and to store long new prompts.

    Returns:
        For each pass: the positions in ``sequences``, for each the logits ``[N, V]`` of its wanted
        positions, and (if kept) keys and values padded on the left.
    """
    _store_common(voice, preamble, sequences)
    passes = []
    for group in _groups(preamble, sequences):
        for members in _pieces(voice, preamble, sequences, group):
            passes.append((members, *_read_group(voice, preamble, sequences, group, members, keep)))
    return passes


def _store_common(voice: Voice, preamble: Preamble, sequences: Sequence[Sequence_]) -> None:
    """Read the beginning that several new sequences share, once, and store it."""
    if len(sequences) < 2:
        return
    first = sequences[0]
    shared = min(common_length(first.ids, s.ids) for s in sequences[1:])
    shared = min(shared, *(_most(s) for s in sequences))
    _, known = preamble.prefixes.best(first.ids, shared)
    if shared - known >= _STORE_FROM_TOKENS:
        common = Sequence_(first.ids[:shared], [shared - 1])
        group = _groups(preamble, [common])[0]
        _read_group(voice, preamble, [common], group, [0], keep=True)


def _most(sequence: Sequence_) -> int:
    """How many tokens may come from a stored prefix: what is wanted must still be computed."""
    return sequence.wanted[0]


def _groups(preamble: Preamble, sequences: Sequence[Sequence_]) -> list[_Group]:
    by_prefix: dict[tuple[int, ...], tuple[StoredPrefix | None, list[int], list[int]]] = {}
    for index, sequence in enumerate(sequences):
        prefix, length = preamble.prefixes.best(sequence.ids, _most(sequence))
        entry = by_prefix.setdefault(prefix.ids if prefix else (), (prefix, [], []))
        entry[1].append(length)
        entry[2].append(index)
    return [_Group(prefix, min(lengths), members) for prefix, lengths, members in by_prefix.values()]


def _pieces(
    voice: Voice, preamble: Preamble, sequences: Sequence[Sequence_], group: _Group
) -> list[list[int]]:
    """Cut a group so that one pass stays small enough; similar lengths go together."""
    longest = max(len(sequences[member].ids) for member in group.members)
    scores = max(1, voice.heads * (preamble.length + longest))
    most = min(_PIECE_TOKENS, _PIECE_SCORES // scores) if preamble.length else _PIECE_TOKENS
    pieces: list[list[int]] = []
    for member in sorted(group.members, key=lambda m: len(sequences[m].ids)):
        width = len(sequences[member].ids)
        if pieces and (len(pieces[-1]) + 1) * width <= max(most, width):
            pieces[-1].append(member)
        else:
            pieces.append([member])
    return pieces


def _read_group(
    voice: Voice,
    preamble: Preamble,
    sequences: Sequence[Sequence_],
    group: _Group,
    members: list[int],
    keep: bool,
) -> tuple[list["torch.Tensor"], Layers]:
    """One pass. Rows are padded on the right while they are read, so columns are positions."""
    import torch

    rests = [sequences[m].ids[group.length :] for m in members]
    width = max(map(len, rests))
    ids = torch.tensor([rest + [0] * (width - len(rest)) for rest in rests], device=voice.device)
    selected = torch.zeros(ids.shape, dtype=torch.bool)
    for row, member in enumerate(members):
        selected[row, [place - group.length for place in sequences[member].wanted]] = True
    start = preamble.length + group.length
    positions = torch.arange(start, start + width, device=voice.device)
    cache = new_cache(_expanded(group, len(members)))
    logits = voice.logits(
        ids,
        selected.to(voice.device),
        preamble,
        past_key_values=cache,
        position_ids=positions[None].expand(len(members), -1),
        use_cache=True,
    )
    parts = list(logits.split([len(sequences[m].wanted) for m in members]))
    if not keep:
        return parts, []
    lengths = [group.length + len(rest) for rest in rests]
    layers = layers_of(cache)
    _store_long(preamble, sequences, group, members, layers)
    return parts, left_align_ends(layers, lengths)


def _expanded(group: _Group, rows: int) -> Layers | None:
    if group.prefix is None or group.length < MIN_PREFIX_TOKENS:
        return None
    cut = [(k[:, :, : group.length], v[:, :, : group.length]) for k, v in group.prefix.layers]
    return [(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in cut]


def _store_long(
    preamble: Preamble, sequences: Sequence[Sequence_], group: _Group, members: list[int], layers: Layers
) -> None:
    """Store a prompt that was read alone and was mostly new; the conversation will go on from it."""
    if len(members) != 1 or len(sequences[members[0]].ids) - group.length < _STORE_FROM_TOKENS:
        return
    preamble.prefixes.add(sequences[members[0]].ids, [(k.clone(), v.clone()) for k, v in layers])
