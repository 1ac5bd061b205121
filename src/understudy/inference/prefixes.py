"""Prefixes: keys and values of prompts that were read before, so that a long prompt is read once."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from understudy.inference.cache import Layers

__all__ = ["MIN_PREFIX_TOKENS", "PrefixStore", "StoredPrefix", "common_length"]

MIN_PREFIX_TOKENS = 32
_KEPT_BYTES = 512 * 2**20
_KEPT = 32


@dataclass(frozen=True)
class StoredPrefix:
    """Token ids and, for each layer, their keys and values ``[1, H, T, D]``."""

    ids: tuple[int, ...]
    layers: Layers

    @cached_property
    def size_bytes(self) -> int:
        return sum(keys.nbytes + values.nbytes for keys, values in self.layers)


class PrefixStore:
    """A few stored prefixes of one preamble; the least recently used leave."""

    def __init__(self) -> None:
        self._stored: OrderedDict[tuple[int, ...], StoredPrefix] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        return sum(stored.size_bytes for stored in self._stored.values())

    def drop_oldest(self) -> int:
        """Forget the least recently used prefix; gives its bytes, 0 where there is none."""
        return self._stored.popitem(last=False)[1].size_bytes if self._stored else 0

    def best(self, ids: Sequence[int], most: int) -> tuple[StoredPrefix | None, int]:
        """The stored prefix that shares most with ``ids``, and how many tokens (at most ``most``)."""
        found, length = None, MIN_PREFIX_TOKENS - 1
        for stored in self._stored.values():
            shared = min(common_length(stored.ids, ids), most)
            if shared > length:
                found, length = stored, shared
        if found is None:
            return None, 0
        self._stored.move_to_end(found.ids)
        return found, length

    def add(self, ids: Sequence[int], layers: Layers) -> StoredPrefix:
        """Keep a prefix; one that it begins with is no longer needed."""
        new = StoredPrefix(tuple(ids), [(keys.contiguous(), values.contiguous()) for keys, values in layers])
        for old in [s for s in self._stored.values() if new.ids[: len(s.ids)] == s.ids]:
            del self._stored[old.ids]
        self._stored[new.ids] = new
        while len(self._stored) > 1 and (
            len(self._stored) > _KEPT or sum(s.size_bytes for s in self._stored.values()) > _KEPT_BYTES
        ):
            self._stored.popitem(last=False)
        return new


def common_length(one: Sequence[int], two: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    shortest = min(len(one), len(two))
    low, high = 0, shortest
    if tuple(one[:shortest]) == tuple(two[:shortest]):
        return shortest
    while low < high:  # the longest equal beginning, by bisection over slices
        middle = (low + high + 1) // 2
        if tuple(one[low:middle]) == tuple(two[low:middle]):
            low = middle
        else:
            high = middle - 1
    return low
