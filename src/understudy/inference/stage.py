"""Stage: the adapters that speak now, stacked, so that a batch of many characters is one product a layer.

Each row of a batch may belong to another adapter of the same base. The base's own products, by
far the larger ones, run for all rows at once; what LoRA adds is a batched product over the stacked
pairs, each row meeting the pair of its own adapter and no other.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from understudy.errors import ModelError
from understudy.inference.adapter import Adapter

if TYPE_CHECKING:
    import torch

__all__ = ["Stage"]

_FIRST_PLACES = 4
# A place that was not needed for so many calls may be taken; batches in turns keep theirs.
_STALE_CALLS = 32


@dataclass(frozen=True)
class _Casting:
    """Which row of a batch of R speaks with which place of the stage.

    Places ``first … last`` are computed, each with M rows. ``gather`` ``[P * M]`` says which row
    is computed where, ``spots`` where the result of each adapted row lies, and ``rows`` which
    rows these are; each is ``None`` where it would change nothing.
    """

    first: int
    last: int
    gather: "torch.Tensor | None"
    spots: "torch.Tensor | None"
    rows: "torch.Tensor | None"

    @property
    def alone(self) -> bool:
        """Whether one adapter speaks in every row: then it does not matter where the rows lie."""
        return self.last - self.first == 1 and self.rows is None


class Stage:
    """Stacked adapters of one base, and what lets its linear layers use them.

    Args:
        model: The base; its layers get a hook when the first adapter comes.
    """

    def __init__(self, model: Any) -> None:
        import torch

        head = model.get_output_embeddings()
        self._linears = {
            name: module
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and module is not head
        }
        self._adapters: list[Adapter | None] = []  # by place
        self._used: list[int] = []  # by place: the call in which it was last needed
        self._calls = 0
        self._stacks: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}  # [P, in, r], [P, r, out]
        self._rank = 0
        self._hooked: set[str] = set()
        self._last: tuple[tuple[int, ...], _Casting] | None = None
        self._casting: _Casting | None = None

    def fits(self, adapter: Adapter) -> None:
        """Whether every pair belongs to a layer of this base.

        Raises:
            ModelError: One does not.
        """
        for name, (first, second) in (adapter.pairs or {}).items():
            linear = self._linears.get(name)
            shape = None if linear is None else (linear.in_features, linear.out_features)
            if shape != (first.shape[0], second.shape[1]):
                has = "no such layer" if shape is None else f"a layer of {shape[0]} x {shape[1]}"
                raise ModelError(
                    f"{adapter.directory}: this adapter does not fit the base ({name} is "
                    f"{first.shape[0]} x {second.shape[1]}, the base has {has}). Use the base that it was "
                    "trained on."
                )

    @contextmanager
    def cast(self, adapters: Sequence[Adapter | None]) -> Iterator[None]:
        """While open, row r of every input speaks with ``adapters[r]``, or as the bare base."""
        self._casting = self._find(adapters) if any(adapters) else None
        try:
            yield
        finally:
            self._casting = None

    def _find(self, adapters: Sequence[Adapter | None]) -> _Casting:
        self._calls += 1
        key = tuple(map(id, adapters))
        places = self._places([adapter for adapter in adapters if adapter is not None])
        if self._last is None or self._last[0] != key:
            of_row = [None if adapter is None else places[id(adapter)] for adapter in adapters]
            self._last = (key, _plan(of_row, next(iter(self._stacks.values()))[0].device))
        return self._last[1]

    def _places(self, adapters: Sequence[Adapter]) -> dict[int, int]:
        """The place of each adapter; one that is not there yet gets one."""
        found = {id(adapter): place for place, adapter in enumerate(self._adapters)}
        for adapter in adapters:
            if id(adapter) not in found:
                found[id(adapter)] = self._add(adapter, {found[id(a)] for a in adapters if id(a) in found})
                self._last = None
            self._used[found[id(adapter)]] = self._calls
        return found

    def _add(self, adapter: Adapter, needed: set[int]) -> int:
        """Put an adapter into a place that nobody has needed for a while, or into a new one."""
        stale = [
            place
            for place, used in enumerate(self._used)
            if place not in needed and (used < self._calls - _STALE_CALLS or self._adapters[place] is None)
        ]
        place = min(stale, default=len(self._adapters))
        if place == len(self._adapters):
            self._adapters.append(None)
            self._used.append(0)
        self._make_room(adapter, len(self._adapters))
        for name, (first, second) in self._stacks.items():
            first[place], second[place] = 0, 0
            if name in (adapter.pairs or {}):
                down, up = (adapter.pairs or {})[name]
                first[place, :, : down.shape[1]].copy_(down)
                second[place, : up.shape[0]].copy_(up)
        self._adapters[place] = adapter
        return place

    def leave(self, adapter: Adapter) -> None:
        """Forget an adapter; its place is free."""
        if adapter in self._adapters:
            self._adapters[self._adapters.index(adapter)] = None
            self._last = None

    def _make_room(self, adapter: Adapter, places: int) -> None:
        """Larger stacks where the places, the rank or the layers do not suffice."""
        pairs = adapter.pairs or {}
        self._rank = max(self._rank, *(first.shape[1] for first, _ in pairs.values()))
        for name in {**self._stacks, **pairs}:
            linear = self._linears[name]
            old = self._stacks.get(name)
            has_places, has_rank = (old[0].shape[0], old[0].shape[2]) if old else (0, 0)
            if old and has_places >= places and has_rank >= self._rank:
                continue
            rows = max(places, _FIRST_PLACES, has_places * 2 if has_places < places else has_places)
            first = linear.weight.new_zeros((rows, linear.in_features, self._rank))
            second = linear.weight.new_zeros((rows, self._rank, linear.out_features))
            if old:
                first[:has_places, :, :has_rank] = old[0]
                second[:has_places, :has_rank] = old[1]
            self._stacks[name] = (first, second)
            if name not in self._hooked:
                linear.register_forward_hook(self._hook(name))
                self._hooked.add(name)

    def _hook(self, name: str) -> Any:
        def add(module: Any, inputs: tuple[Any, ...], output: Any) -> Any:
            casting = self._casting
            if casting is None:
                return None
            return _adapted(inputs[0], output, self._stacks[name], casting)

        return add


def _plan(of_row: Sequence[int | None], device: "torch.device") -> _Casting:
    """How R rows, given their places, are laid out for a batched product."""
    import torch

    members: dict[int, list[int]] = {}
    for row, place in enumerate(of_row):
        if place is not None:
            members.setdefault(place, []).append(row)
    first, last = min(members), max(members) + 1
    most = max(map(len, members.values()))
    gather, spot = [], {}
    for place in range(first, last):
        rows = members.get(place, [])
        for column, row in enumerate(rows):
            spot[row] = (place - first) * most + column
        gather += [*rows, *[rows[0] if rows else 0] * (most - len(rows))]
    adapted = sorted(spot)
    spots = [spot[row] for row in adapted]

    def index(values: list[int], trivial: int) -> "torch.Tensor | None":
        return None if values == list(range(trivial)) else torch.tensor(values, device=device)

    return _Casting(
        first, last, index(gather, len(of_row)), index(spots, len(gather)), index(adapted, len(of_row))
    )


def _adapted(
    inputs: "torch.Tensor",
    outputs: "torch.Tensor",
    stack: tuple["torch.Tensor", "torch.Tensor"],
    casting: _Casting,
) -> "torch.Tensor":
    """``outputs`` ``[R, T, out]`` and what each row's adapter adds for ``inputs`` ``[R, T, in]``."""
    import torch

    first, second = (part[casting.first : casting.last] for part in stack)
    if casting.alone:
        narrow = inputs.reshape(-1, inputs.shape[-1]) @ first[0]
        return torch.addmm(outputs.reshape(len(narrow), -1), narrow, second[0]).view(outputs.shape)
    chosen = inputs if casting.gather is None else inputs[casting.gather]
    _, tokens, width = chosen.shape
    narrow = torch.bmm(chosen.reshape(len(first), -1, width), first)
    if casting.gather is None and casting.spots is None and casting.rows is None:
        shaped = outputs.view(len(first), -1, outputs.shape[-1])
        return torch.baddbmm(shaped, narrow, second).view(outputs.shape)
    added = torch.bmm(narrow, second).view(-1, tokens, outputs.shape[-1])
    added = added if casting.spots is None else added[casting.spots]
    if casting.rows is None:
        return outputs + added
    return outputs.index_add(0, casting.rows, added)
