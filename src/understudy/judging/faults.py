"""Faults: yes-or-no questions about one reply, for diagnosis rather than for the headline."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from understudy.judging.briefing import Briefing, conversation_text
from understudy.judging.pair import Pair
from understudy.judging.prompt import load_prompt

__all__ = ["Examined", "compose_examination", "fault_names", "read_faults"]

_QUESTION = re.compile(r"^([A-Z_]+): (?!yes or no$).+\?$", re.MULTILINE)


@dataclass(frozen=True)
class Examined:
    """One reply under examination. ``known`` holds faults that are known, in a planted control."""

    id: str
    kind: str
    pair: Pair
    side: str
    known: Mapping[str, bool] = field(default_factory=dict)

    @property
    def reply(self) -> str:
        return self.pair.reply(self.side)


@lru_cache
def fault_names() -> tuple[str, ...]:
    """The faults that the shipped prompt asks for, in its order: ``breaks_role``, …"""
    return tuple(name.casefold() for name in _QUESTION.findall(load_prompt("faults").text))


def compose_examination(briefing: Briefing, examined: Examined) -> list[dict[str, str]]:
    """The request to a judge."""
    line = f"{briefing.name}'s line:\n<line>\n{examined.reply}\n</line>"
    return [
        {"role": "system", "content": briefing.filled(load_prompt("faults"))},
        {"role": "user", "content": f"{conversation_text(examined.pair, briefing.name)}\n\n{line}"},
    ]


def read_faults(answer: str) -> dict[str, bool | None]:
    """Every fault with yes or no, and ``None`` where the answer says neither."""
    found: dict[str, bool | None] = {}
    for name in fault_names():
        match = re.search(rf"^\W*{name}\W*:\W*(yes|no)\b", answer, re.MULTILINE | re.IGNORECASE)
        found[name] = match[1].casefold() == "yes" if match else None
    return found
