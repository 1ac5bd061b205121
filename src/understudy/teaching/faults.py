"""Faults: patterns that give away a reply that is not the character's, and what to do about each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from understudy.evaluation.words import words

__all__ = ["FaultPattern", "fault_patterns", "finds", "prompt_runs", "quotes_prompt", "remedy", "wrong_name"]

QUOTED_WORDS = 10
ADDRESS = frozenset(("you", "your", "yourself"))
NAMED = re.compile(
    r"\b(?:[Mm]y name is|[Mm]y name's|(?:I am|I'm) called|[Yy]ou (?:may|can) call me|[Tt]hey call me)\s+"
    r"((?:[A-Z][\w'-]*)(?:\s+(?:of\s+)?[A-Z][\w'-]*)*)"
)


@dataclass(frozen=True)
class FaultPattern:
    """A pattern with sentences that it must find and sentences that it must leave alone."""

    match: re.Pattern[str]
    finds: tuple[str, ...]
    leaves: tuple[str, ...]


@lru_cache
def _load() -> dict[str, Any]:
    text = (files("understudy.teaching") / "data" / "faults.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


@lru_cache
def fault_patterns(kind: str) -> tuple[FaultPattern, ...]:
    """The patterns of ``role_break``, ``leak`` or ``refusal``."""
    return tuple(
        FaultPattern(re.compile(row["match"], re.IGNORECASE), tuple(row["finds"]), tuple(row["leaves"]))
        for row in _load()[kind]
    )


def finds(kind: str, text: str) -> bool:
    """Whether one of the patterns of that kind is in the text."""
    plain = text.replace("’", "'")
    return any(pattern.match.search(plain) for pattern in fault_patterns(kind))


def remedy(fault: str, **values: Any) -> str:
    """What the teacher is told about a fault, or nothing."""
    text = str(_load()["remedies"].get(fault, ""))
    return text.format(**values) if "{" in text else text


def wrong_name(reply: str, known: str) -> bool:
    """Whether the speaker gives itself a name of which no word is ``known`` (the sheet's own text)."""
    listed = set(words(known))
    return any(not set(words(match[1])) & listed for match in NAMED.finditer(reply.replace("’", "'")))


def quotes_prompt(reply: str, runs: frozenset[tuple[str, ...]]) -> bool:
    """Whether ten words in a row, an address to the character among them, stand in its prompt."""
    spoken = words(reply)
    return any(run in runs for run in _runs(spoken))


def prompt_runs(prompt: str) -> frozenset[tuple[str, ...]]:
    """Runs of ten words of a prompt that address the character."""
    return frozenset(run for line in prompt.split("\n") for run in _runs(words(line)) if ADDRESS & set(run))


def _runs(spoken: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(spoken[i : i + QUOTED_WORDS]) for i in range(len(spoken) - QUOTED_WORDS + 1)]
