"""Preamble: the system prompt that many conversations begin with, read once for all of them."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from understudy.errors import RenderingError
from understudy.inference.cache import Layers
from understudy.inference.prefixes import MIN_PREFIX_TOKENS, PrefixStore, common_length

if TYPE_CHECKING:
    from understudy.rendering import Renderer

__all__ = ["Preamble", "PreambleShelf", "common_ids", "system_texts"]

_KEPT = 16
_KEPT_BYTES = 512 * 2**20
_CONVERSATION_BYTES = 256 * 2**20


@dataclass(eq=False)
class Preamble:
    """Token ids, their keys and values ``[1, H, P, D]``, and what conversations went on from them.

    ``layers`` is ``None`` for the empty preamble.
    """

    ids: tuple[int, ...] = ()
    layers: Layers | None = None
    prefixes: PrefixStore = field(default_factory=PrefixStore)

    @property
    def length(self) -> int:
        return len(self.ids)

    @property
    def size_bytes(self) -> int:
        return sum(keys.nbytes + values.nbytes for keys, values in self.layers or [])

    def begins(self, ids: Sequence[int], least_own: int = 1) -> bool:
        """Whether ``ids`` begin with the preamble and go on for at least ``least_own`` tokens."""
        return len(ids) >= self.length + least_own and tuple(ids[: self.length]) == self.ids


class PreambleShelf:
    """The preambles of one voice; the least recently used leave.

    Args:
        read: Reads ids and gives their keys and values.
    """

    def __init__(self, read: Callable[[Sequence[int]], Layers]) -> None:
        self.empty = Preamble()
        self._read = read
        self._shelf: OrderedDict[tuple[str, ...], Preamble] = OrderedDict()

    def find(self, renderer: "Renderer", messages: Sequence[Mapping[str, Any]]) -> Preamble:
        """The preamble of a conversation; the empty one where it has no long system prompt."""
        key = system_texts(messages)
        if not key:
            return self.empty
        if key not in self._shelf:
            ids = common_ids(renderer, messages[: len(key)])
            long = len(ids) >= MIN_PREFIX_TOKENS
            self._shelf[key] = Preamble(tuple(ids), self._read(ids)) if long else self.empty
            while len(self._shelf) > 1 and (len(self._shelf) > _KEPT or self._bytes() > _KEPT_BYTES):
                self._shelf.popitem(last=False)
        self._shelf.move_to_end(key)
        return self._shelf[key]

    def trim(self) -> None:
        """Forget conversations, of the least recently used prompts first, until they fit together."""
        kept = list(dict.fromkeys((self.empty, *self._shelf.values())))
        much = sum(preamble.prefixes.size_bytes for preamble in kept) - _CONVERSATION_BYTES
        for preamble in kept:
            while much > 0 and (freed := preamble.prefixes.drop_oldest()):
                much -= freed

    @property
    def size_bytes(self) -> int:
        """What is kept in all, with what conversations went on from it."""
        kept = [self.empty, *(preamble for preamble in self._shelf.values() if preamble is not self.empty)]
        return sum(preamble.size_bytes + preamble.prefixes.size_bytes for preamble in kept)

    def _bytes(self) -> int:
        return sum(preamble.size_bytes for preamble in self._shelf.values())


def system_texts(messages: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Contents of the system messages at the beginning; empty if one is not plain text."""
    texts = []
    for message in messages:
        if message.get("role") not in ("system", "developer"):
            break
        texts.append(str(message.get("content")))
    return tuple(texts)


def common_ids(renderer: "Renderer", system: Sequence[Mapping[str, Any]]) -> list[int]:
    """What the prompts of all conversations under this system prompt begin with.

    Found by rendering two conversations that differ in everything else.
    """
    try:
        one, two = (
            renderer.prompt([*system, {"role": "user", "content": content}]).ids for content in ("A", "7 z")
        )
    except RenderingError:
        return []
    return list(one[: common_length(one, two)])
