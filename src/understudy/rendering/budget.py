"""Budget: what one rendering of a chat template may still use of time and memory."""

import time
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from understudy.errors import RenderingError

__all__ = ["CONTAINERS", "ENTRY_SIZE", "Budget", "current", "made", "spending"]

SECONDS_LIMIT = 3.0
STEPS_LIMIT = 2_000_000
# Characters and list entries (eight each) that one rendering may make, and how many more for each
# character of the messages: long conversations are copied a few times on their way through a template.
SIZE_LIMIT = 4_000_000
SIZE_PER_CHARACTER = 24
ENTRY_SIZE = 8
INTEGER_BITS_LIMIT = 20_000

CONTAINERS: tuple[type, ...] = (
    list,
    tuple,
    dict,
    set,
    frozenset,
    range,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)


@dataclass
class Budget:
    """What one rendering may still use.

    Attributes:
        size: Characters and entries that may still be made.
        known: Size of each container that was looked at, once written out in full; holds the
            containers too, so that no other one gets their identity.
    """

    size: int
    limit: int = 0
    steps: int = field(default_factory=lambda: STEPS_LIMIT)
    deadline: float = field(default_factory=lambda: time.monotonic() + SECONDS_LIMIT)
    known: dict[int, tuple[Any, int, int]] = field(default_factory=dict)

    @classmethod
    def for_messages(cls, messages: Iterable[Mapping[str, Any]]) -> "Budget":
        """A budget that grows with what there is to render."""
        given = sum(len(value) for m in messages for value in m.values() if isinstance(value, str))
        size = SIZE_LIMIT + SIZE_PER_CHARACTER * given
        return cls(size, size)

    def spend(self, size: int = 0) -> None:
        """Charge one step and what it makes.

        Raises:
            RenderingError: Too much was used.
        """
        self.steps -= 1
        self.size -= size
        if self.size < 0:
            raise RenderingError(f"The chat template wrote more than {self.limit:,} characters.")
        if self.steps < 0 or time.monotonic() > self.deadline:
            raise RenderingError("The chat template ran longer than a chat template may.")

    def weigh(self, value: Any) -> int:
        """Characters of a value once it is written out, every part as often as it occurs.

        Raises:
            RenderingError: It is larger than anything that this rendering may make.
        """
        if isinstance(value, str):
            return len(value)
        if not isinstance(value, CONTAINERS):
            if isinstance(value, int) and value.bit_length() > INTEGER_BITS_LIMIT:
                raise RenderingError("The chat template computes with numbers that are too large.")
            return ENTRY_SIZE
        return self._weigh_container(value)[1]

    def depth(self, value: Any) -> int:
        """How deep containers are nested in a value."""
        return self._weigh_container(value)[2] if isinstance(value, CONTAINERS) else 0

    def _weigh_container(self, value: Any) -> tuple[Any, int, int]:
        found = self.known.get(id(value))
        if found is not None:
            return found
        self.spend(ENTRY_SIZE)
        parts = [p for pair in value.items() for p in pair] if isinstance(value, dict) else list(value)
        weight, depth = ENTRY_SIZE, 0
        for part in parts:
            weight += ENTRY_SIZE + self.weigh(part)
            depth = max(depth, self.depth(part))
            if weight > self.limit:
                raise RenderingError(f"The chat template makes lists of more than {self.limit:,} entries.")
        self.known[id(value)] = (value, weight, depth + 1)
        return self.known[id(value)]


_current: ContextVar[Budget] = ContextVar("template_budget")


def current() -> Budget:
    """The budget of the rendering under way.

    Raises:
        LookupError: None is, as while a template is compiled.
    """
    return _current.get()


class spending:
    """``with spending(budget):`` whatever a template does inside is charged to the budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def __enter__(self) -> Budget:
        self._token = _current.set(self._budget)
        return self._budget

    def __exit__(self, *details: object) -> None:
        _current.reset(self._token)


def made(value: Any) -> Any:
    """Charge a result to the current budget, and return it."""
    if isinstance(value, str):
        _current.get().spend(len(value))
    elif isinstance(value, (list, tuple, dict)):
        _current.get().spend(ENTRY_SIZE * len(value))
    return value
