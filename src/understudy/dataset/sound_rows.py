"""Sound rows: of many lines, those that break no rule, told apart and counted at the speed of C.

What is sound here needs no further look; the other lines are looked at again, rule by rule, to say what is
wrong. A row with suspicious words is sound too, and named, so that somebody looks for what they mean.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress
from operator import attrgetter
from typing import ClassVar, Literal

import msgspec
import numpy
from msgspec import UNSET, Struct, UnsetType

from understudy.dataset.fast_tokens import CountAll
from understudy.dataset.joined_texts import JoinedTexts
from understudy.dataset.marks import marked_texts
from understudy.dataset.tokens import TOKENS_PER_EXAMPLE, TOKENS_PER_MESSAGE, TOKENS_PER_NAME

__all__ = ["MAX_SYSTEM_PROMPTS", "Counted", "Row", "SoundRows", "read_row", "read_rows"]


class _System(Struct, tag_field="role", tag="system", forbid_unknown_fields=True, frozen=True, gc=False):
    content: str
    name: str | UnsetType = UNSET
    weight: ClassVar[None] = None


class _User(Struct, tag_field="role", tag="user", forbid_unknown_fields=True, frozen=True, gc=False):
    content: str
    name: str | UnsetType = UNSET
    weight: ClassVar[None] = None


class _Assistant(
    Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True, frozen=True, gc=False
):
    content: str
    name: str | UnsetType = UNSET
    weight: Literal[0, 1] | UnsetType = UNSET


class Row(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """A line of chat format that has the right keys, roles and types."""

    messages: tuple[_System | _User | _Assistant, ...]

    def said(self) -> list[tuple[str, str]]:
        """Role and text of each message."""
        return [(_ROLES[type(message)], message.content) for message in self.messages]

    def is_learned(self, position: int) -> bool:
        """Whether training learns this reply."""
        message = self.messages[position]
        return isinstance(message, _Assistant) and message.weight != 0


_Message = _System | _User | _Assistant
_ROLES: dict[type[Struct], str] = {_System: "system", _User: "user", _Assistant: "assistant"}
_decode = msgspec.json.Decoder(Row).decode
_decode_lines = msgspec.json.Decoder(Row).decode_lines
# Prompts that are remembered as looked at; data with one of its own in each row is looked at whole.
MAX_SYSTEM_PROMPTS = 256
_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_BREAK, _OPENING, _CLOSING = b"\n{}"
_content, _name, _weight = attrgetter("content"), attrgetter("name"), attrgetter("weight")


def read_row(line: bytes) -> Row | None:
    """A line as a row; ``None`` where it has not the keys, roles and types of plain chat.

    The hash of a row is the same however it is spelled, in this process and those forked from it.
    """
    try:
        return _decode(line)
    except _FAULTS:
        return None


def read_rows(data: bytes) -> list[Row] | None:
    """Whole lines as rows, one each; ``None`` where a line is blank or no row, or has blanks at its ends.

    The decoder would also take two rows on a line, and one over several lines: not where each line begins
    and ends with a brace, because between a closing and an opening brace of one row stands a comma.
    """
    data = data.removesuffix(b"\n")
    letters = numpy.frombuffer(data, numpy.uint8)
    breaks = numpy.flatnonzero(letters == _BREAK)
    if not (data.startswith(b"{") and data.endswith(b"}")):
        return None
    if (letters[breaks - 1] != _CLOSING).any() or (letters[breaks + 1] != _OPENING).any():
        return None
    try:
        rows = _decode_lines(data)
    except _FAULTS:
        return None
    return rows if len(rows) == len(breaks) + 1 else None


@dataclass(frozen=True)
class Counted:
    """What the sound ones of some rows hold.

    indices: Which rows. tokens, hashes: Of each of them. counts: Messages by role, and learned replies.
    machine, private: For rows with words that a disclaimer or private things have, the positions of the
    messages that hold them.
    """

    indices: Sequence[int] = ()
    tokens: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0, numpy.int64))
    hashes: Sequence[int] = ()
    counts: Counter[str] = field(default_factory=Counter)
    machine: dict[int, list[int]] = field(default_factory=dict)
    private: dict[int, list[int]] = field(default_factory=dict)


class SoundRows:
    """Tells sound rows apart and counts them for one vocabulary.

    Args:
        count_all: Tokens of each of many texts.
        most_tokens: Examples of more tokens are not sound.
        looked_at: System prompts in which nothing private is to be looked for any more.
        is_held_out: Whether a line, given as role and text, must not be learned.
    """

    def __init__(
        self,
        count_all: CountAll,
        most_tokens: int,
        looked_at: set[str],
        is_held_out: Callable[[str, str], object] | None = None,
    ) -> None:
        self.count_all, self.most_tokens, self.looked_at = count_all, most_tokens, looked_at
        self.is_held_out = is_held_out
        self.known_tokens: dict[str, int] = {}
        roles = count_all(JoinedTexts(list(_ROLES.values()))).tolist()
        self.kind_tokens = {kind: TOKENS_PER_MESSAGE + n for kind, n in zip(_ROLES, roles, strict=True)}

    def read(self, rows: Sequence[Row | None]) -> Counted:
        """Count the rows that break no rule."""
        indices: Sequence[int] = range(len(rows))
        kept = [row for row in rows if row is not None and row.messages]
        if len(kept) < len(rows):
            indices = [n for n, row in enumerate(rows) if row is not None and row.messages]
        if not kept:
            return Counted()
        block = _Block([row.messages for row in kept])
        tokens = self._tokens(block)
        machine, private = self._marked(block)
        faulty = self._faulty(block, private)
        faulty.update(numpy.flatnonzero(tokens > self.most_tokens).tolist())
        marked = [
            {indices[n]: found for n, found in block.by_row(positions).items() if n not in faulty}
            for positions in (machine, private)
        ]
        counts = _counts(block)
        hashes = list(map(hash, kept))
        if not faulty:
            return Counted(indices, tokens, hashes, counts, *marked)
        counts.subtract(_counts(_Block([kept[number].messages for number in faulty])))
        sound = [number for number in range(len(kept)) if number not in faulty]
        indices, hashes = [indices[number] for number in sound], [hashes[number] for number in sound]
        return Counted(indices, tokens[sound], hashes, counts, *marked)

    def _tokens(self, block: "_Block") -> numpy.ndarray:
        """Tokens of each row."""
        of_texts = numpy.zeros(len(block.messages), numpy.int64)
        if block.systems:
            of_texts[block.systems] = self._count_repeated(block.prompts, block.different_prompts)
            of_texts[block.spoken] = self.count_all(block.joined)
        else:
            of_texts += self.count_all(block.joined)
        if block.names:
            names = list(block.names.values())
            of_names = numpy.array(self._count_repeated(names, set(names)))
            of_texts[list(block.names)] += TOKENS_PER_NAME + of_names
        if len(set(self.kind_tokens.values())) == 1:
            of_texts += next(iter(self.kind_tokens.values()))
        else:
            of_texts += list(map(self.kind_tokens.__getitem__, block.kinds))
        return numpy.add.reduceat(of_texts, block.starts) + TOKENS_PER_EXAMPLE

    def _count_repeated(self, texts: list[str], different: set[str]) -> list[int]:
        """Tokens of each text, where the same texts stand in many rows, as prompts and names do."""
        fresh = list(different - self.known_tokens.keys())
        if len(self.known_tokens) + len(fresh) > MAX_SYSTEM_PROMPTS:
            self.known_tokens, fresh = {}, list(different)
        if fresh:
            counts = self.count_all(JoinedTexts(fresh)).tolist()
            self.known_tokens.update(zip(fresh, counts, strict=True))
        return list(map(self.known_tokens.__getitem__, texts))

    def _marked(self, block: "_Block") -> tuple[list[int], list[int]]:
        """Replies with words of a disclaimer, and messages with words of something private, in order."""
        found = marked_texts(block.joined)
        machine = [p for number in found.machine if block.kinds[p := block.spoken[number]] is _Assistant]
        private = [block.spoken[number] for number in found.private]
        fresh = list(block.different_prompts - self.looked_at)
        if fresh:
            bad = {fresh[number] for number in marked_texts(JoinedTexts(fresh)).private}
            free = max(0, MAX_SYSTEM_PROMPTS - len(self.looked_at))
            self.looked_at.update([prompt for prompt in fresh if prompt not in bad][:free])
            private += [p for p, text in zip(block.systems, block.prompts, strict=True) if text in bad]
            private.sort()
        return machine, private

    def _faulty(self, block: "_Block", private: Sequence[int]) -> set[int]:
        """Rows in which a rule is broken, or a line stands that must not be learned."""
        positions = {position for position in private if "<|" in block.texts[position]}
        if any("<|" in prompt for prompt in block.different_prompts):
            positions.update(position for position in block.systems if "<|" in block.texts[position])
        positions.update(position for position, name in block.names.items() if "<|" in name)
        positions.update(block.without_lesson())
        blank = (block.spoken[number] for number in block.joined.blank())
        positions.update(position for position in blank if block.kinds[position] is not _System)
        if self.is_held_out is not None:
            for position, (kind, text) in enumerate(zip(block.kinds, block.texts, strict=True)):
                if self.is_held_out(_ROLES[kind], text):
                    positions.add(position)
        return {block.row_of(position) for position in positions}


class _Block:
    """The messages of many rows, one after the other.

    starts: Where each row begins. systems, prompts: Where system prompts stand, and what they say, where it
    is the same in many rows; different_prompts: each once. spoken, said: Where all other messages stand, and
    what they say. names: By position.
    """

    def __init__(self, rows: Sequence[tuple[_Message, ...]]) -> None:
        self.messages = list(chain.from_iterable(rows))
        self.kinds: list[type[Struct]] = list(map(type, self.messages))
        self.texts: list[str] = list(map(_content, self.messages))
        self.weights = list(map(_weight, self.messages))
        lengths = numpy.fromiter(map(len, rows), numpy.int64, len(rows))
        self.starts = numpy.cumsum(lengths) - lengths
        self.systems: list[int] = []
        self.prompts: list[str] = []
        self.different_prompts: set[str] = set()
        self.spoken: Sequence[int] = range(len(self.texts))
        self.said = self.texts
        systems = self._systems()
        prompts = [self.texts[position] for position in systems]
        different = set(prompts)
        if prompts and len(different) <= MAX_SYSTEM_PROMPTS:
            self.systems, self.prompts, self.different_prompts = systems, prompts, different
            others = numpy.ones(len(self.texts), bool)
            others[systems] = False
            self.spoken = numpy.flatnonzero(others).tolist()
            self.said = list(compress(self.texts, others.tolist()))
        self.joined = JoinedTexts(self.said)
        names = list(map(_name, self.messages))
        self.names: dict[int, str] = {}
        if names.count(UNSET) < len(names):
            self.names = {position: name for position, name in enumerate(names) if name is not UNSET}

    def _systems(self) -> list[int]:
        """Positions of system prompts: nearly always at the beginning of rows."""
        count, kinds = self.kinds.count(_System), self.kinds
        first = [position for position in self.starts.tolist() if kinds[position] is _System] if count else []
        if len(first) == count:
            return first
        return [position for position, kind in enumerate(kinds) if kind is _System]

    def without_lesson(self) -> list[int]:
        """Last messages of rows that are not a reply which is learned."""
        lasts = [*(self.starts[1:] - 1).tolist(), len(self.messages) - 1]
        kinds = list(map(self.kinds.__getitem__, lasts))
        if kinds.count(_Assistant) == len(kinds) and 0 not in self.weights:
            return []
        return [p for p in lasts if self.kinds[p] is not _Assistant or self.weights[p] == 0]

    def row_of(self, position: int) -> int:
        return bisect_right(self.starts, position) - 1

    def by_row(self, positions: Sequence[int]) -> dict[int, list[int]]:
        """For each row with some of the messages, which of its messages these are."""
        found: dict[int, list[int]] = {}
        for position in positions:
            row = self.row_of(position)
            found.setdefault(row, []).append(position - int(self.starts[row]))
        return found


def _counts(block: _Block) -> Counter[str]:
    """Messages by role, and how many replies are learned."""
    counts = Counter({role: block.kinds.count(kind) for kind, role in _ROLES.items()})
    counts["learned replies"] = counts["assistant"] - block.weights.count(0)
    return counts
