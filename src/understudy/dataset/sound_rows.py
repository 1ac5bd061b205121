"""Sound rows: of many lines, those that break no rule, told apart and counted at the speed of C.

What is sound here needs no further look; the other lines are looked at again, rule by rule, to say what is
wrong.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain
from typing import Literal

import msgspec
import numpy
from msgspec import UNSET, Struct, UnsetType

from understudy.dataset.disclaimer import find_disclaimer, may_leave_role
from understudy.dataset.fast_tokens import CountAll
from understudy.dataset.marks import marked_texts
from understudy.dataset.personal_data import holds_private
from understudy.dataset.tokens import TOKENS_PER_EXAMPLE, TOKENS_PER_MESSAGE, TOKENS_PER_NAME

__all__ = ["MAX_SYSTEM_PROMPTS", "Counted", "SoundRows", "meaning_hash"]


class _System(Struct, tag_field="role", tag="system", forbid_unknown_fields=True, frozen=True, gc=False):
    content: str
    name: str | UnsetType = UNSET


class _User(Struct, tag_field="role", tag="user", forbid_unknown_fields=True, frozen=True, gc=False):
    content: str
    name: str | UnsetType = UNSET


class _Assistant(
    Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True, frozen=True, gc=False
):
    content: str
    name: str | UnsetType = UNSET
    weight: Literal[0, 1] | UnsetType = UNSET


class _Row(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    messages: tuple[_System | _User | _Assistant, ...]


_Message = _System | _User | _Assistant
_ROLES: dict[type[Struct], str] = {_System: "system", _User: "user", _Assistant: "assistant"}
_decode = msgspec.json.Decoder(_Row).decode
_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
# Prompts that are remembered as looked at; data with one of its own in each row is looked at whole.
MAX_SYSTEM_PROMPTS = 256


def meaning_hash(data: bytes) -> int | None:
    """64 bits that are the same for a row however it is spelled, in this process and those forked from it.

    ``None`` for a row that has not the keys, roles and types of plain chat.
    """
    try:
        return hash(_decode(data))
    except _FAULTS:
        return None


@dataclass(frozen=True)
class Counted:
    """What the sound ones of some lines hold.

    indices: Which lines. tokens, hashes: Of each of them. counts: Messages by role, and learned replies.
    """

    indices: list[int]
    tokens: list[int]
    hashes: list[int]
    counts: Counter[str]


class SoundRows:
    """Reads lines of chat format for one vocabulary.

    Args:
        count_all: Tokens of each of many texts.
        most_tokens: Examples of more tokens are not sound.
        looked_at: System prompts in which nothing private is to be looked for any more; grows.
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
        # A system prompt stands in every example; each is counted, and looked at for secrets, once.
        self.count_system = lru_cache(maxsize=4096)(lambda text: count_all([text])[0])
        roles = count_all(list(_ROLES.values()))
        self.kind_tokens = {kind: TOKENS_PER_MESSAGE + n for kind, n in zip(_ROLES, roles, strict=True)}

    def read(self, lines: Sequence[bytes]) -> Counted:
        """Count the lines in which there is nothing to find."""
        indices, rows = [], []
        for index, line in enumerate(lines):
            try:
                row = _decode(line)
            except _FAULTS:
                continue
            if row.messages and type(last := row.messages[-1]) is _Assistant and last.weight != 0:
                indices.append(index)
                rows.append(row)
        if not rows:
            return Counted([], [], [], Counter())
        block = _Block([row.messages for row in rows])
        tokens = self._tokens(block)
        faulty = self._faulty(block)
        if max(tokens) > self.most_tokens:
            faulty.update(number for number, count in enumerate(tokens) if count > self.most_tokens)
        counts = _counts(block.messages)
        counts.subtract(_counts([message for number in faulty for message in rows[number].messages]))
        sound = [number for number in range(len(rows)) if number not in faulty]
        return Counted(
            [indices[number] for number in sound],
            [tokens[number] for number in sound],
            [hash(rows[number]) for number in sound],
            counts,
        )

    def _tokens(self, block: "_Block") -> list[int]:
        of_kinds = numpy.array(list(map(self.kind_tokens.__getitem__, block.kinds)))
        of_texts = numpy.array(self.count_all(block.said))
        for position in block.systems:
            of_texts[position] = self.count_system(block.texts[position])
        names = [message.name for message in block.messages]
        if names.count(UNSET) < len(names):
            named = {position: name for position, name in enumerate(names) if isinstance(name, str)}
            for position, count in zip(named, self.count_all(list(named.values())), strict=True):
                of_texts[position] += TOKENS_PER_NAME + count
        sums = numpy.add.reduceat(of_kinds + of_texts, block.starts)
        return (sums + TOKENS_PER_EXAMPLE).tolist()

    def _faulty(self, block: "_Block") -> set[int]:
        """Rows in which a rule is broken, or something should not be learned."""
        positions = set(_blank(block))
        positions.update(self._private_prompts(block))
        positions.update(p for p in marked_texts(block.said) if self._is_faulty(block, p))
        if self.is_held_out is not None:
            for position, (kind, text) in enumerate(zip(block.kinds, block.texts, strict=True)):
                if self.is_held_out(_ROLES[kind], text):
                    positions.add(position)
        return {block.row_of(position) for position in positions}

    def _is_faulty(self, block: "_Block", position: int) -> bool:
        """The careful look at one text."""
        text = block.texts[position]
        if "<|" in text or holds_private(text):
            return True
        if block.kinds[position] is not _Assistant or not find_disclaimer(text):
            return False
        return not may_leave_role(block.asked_before(position))

    def _private_prompts(self, block: "_Block") -> set[int]:
        """Where system prompts stand that hold something private, or a control token."""
        found: set[int] = set()
        for position in block.systems:
            text = block.texts[position]
            if "<|" in text:
                found.add(position)
            elif text not in self.looked_at:
                if holds_private(text):
                    found.add(position)  # and looked at once it was reported
                elif len(self.looked_at) < MAX_SYSTEM_PROMPTS:
                    self.looked_at.add(text)
        return found


class _Block:
    """The messages of many rows, one after the other.

    starts: Where each row begins. systems: Where system prompts stand. said: The texts of all the others.
    """

    def __init__(self, rows: Sequence[tuple[_Message, ...]]) -> None:
        self.messages = list(chain.from_iterable(rows))
        self.kinds: list[type[Struct]] = list(map(type, self.messages))
        self.texts = [message.content for message in self.messages]
        self.systems = [position for position, kind in enumerate(self.kinds) if kind is _System]
        self.said = self.texts.copy()
        for position in self.systems:
            self.said[position] = ""
        self.starts = list(accumulate(map(len, rows[:-1]), initial=0))

    def row_of(self, position: int) -> int:
        return bisect_right(self.starts, position) - 1

    def asked_before(self, position: int) -> str:
        """What the user has said in the row before this message."""
        before = range(self.starts[self.row_of(position)], position)
        return "\n".join(self.texts[other] for other in before if self.kinds[other] is _User)


def _counts(messages: Sequence[_Message]) -> Counter[str]:
    """Messages by role, and how many replies are learned."""
    kinds: list[type[Struct]] = list(map(type, messages))
    counts = Counter({role: kinds.count(kind) for kind, role in _ROLES.items()})
    weights = [message.weight for message in messages if type(message) is _Assistant]
    counts["learned replies"] = len(weights) - weights.count(0)
    return counts


def _blank(block: _Block) -> list[int]:
    """Where a side says nothing; an empty system prompt is none."""
    if block.said.count("") == len(block.systems) and not any(map(str.isspace, block.said)):
        return []
    systems = set(block.systems)
    return [n for n, text in enumerate(block.said) if not text.strip() and n not in systems]
