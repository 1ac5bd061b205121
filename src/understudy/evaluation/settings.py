"""Settings: how much is asked, and how the arms reply."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from understudy.errors import ConfigError
from understudy.evaluation.words import words

__all__ = ["Settings"]

SHORTEST_LIMIT, LONGEST_LIMIT = 64, 400
TOKENS_PER_WORD = 1.6


@dataclass(frozen=True)
class Settings:
    """All settings of an evaluation; the resolved ones stand in the verdict.

    The counts are upper bounds: held-out data may hold less. ``temperature`` 0.3 is what
    ``understudy chat`` uses; 0 asks for the likeliest reply. ``max_tokens`` ``None``
    becomes room for the longest real replies. Seeds differ from probe to probe and are the same for
    every arm.
    """

    facts: int = 84
    in_fiction: int = 50
    sincere: int = 50
    open: int = 40
    out_of_world: int = 15
    scored_conversations: int = 60
    replayed_conversations: int = 12
    replayed_turns: int = 6
    style_questions: int = 100
    temperature: float = 0.3
    max_tokens: int | None = None
    seed: int = 0
    concurrency: int = 16
    draws: int = 10_000
    margin: float = 0.10

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {value}, and must be {bound} or more"
            for name, value, bound in (
                ("facts", self.facts, 0),
                ("concurrency", self.concurrency, 1),
                ("draws", self.draws, 1000),
                ("temperature", self.temperature, 0),
                ("max_tokens", self.max_tokens if self.max_tokens is not None else 1, 1),
            )
            if value < bound
        ]
        if problems:
            raise ConfigError("; ".join(problems) + ".")

    def quick(self) -> "Settings":
        """Half of everything that is asked: claims less, takes half the time."""
        halves = {
            name: -(-getattr(self, name) // 2)
            for name in (
                "facts",
                "in_fiction",
                "sincere",
                "open",
                "out_of_world",
                "scored_conversations",
                "replayed_conversations",
                "style_questions",
            )
        }
        return replace(self, **halves)

    def with_room_for(self, real_replies: Sequence[str]) -> "Settings":
        """``max_tokens`` resolved: twice the 95th percentile of the real replies, within 64 to 400."""
        if self.max_tokens is not None:
            return self
        lengths = sorted(len(words(reply)) for reply in real_replies) or [40]
        long = lengths[int(0.95 * (len(lengths) - 1))]
        limit = round(2 * TOKENS_PER_WORD * long)
        return replace(self, max_tokens=max(SHORTEST_LIMIT, min(LONGEST_LIMIT, limit)))

    def sampling(self) -> dict[str, Any]:
        """What a reply depends on besides its messages."""
        return {"temperature": self.temperature, "max_tokens": self.max_tokens, "seed": self.seed}

    def seed_for(self, probe_id: str) -> int:
        """The sampling seed of one probe: equal for all arms."""
        digest = hashlib.sha256(f"{self.seed}\x1f{probe_id}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def sha256(self) -> str:
        """Hash of everything that changes the figures."""
        values = {k: v for k, v in asdict(self).items() if k != "concurrency"}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
