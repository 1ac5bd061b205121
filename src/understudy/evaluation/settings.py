"""Settings: how much is asked, and how the arms reply."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from understudy.errors import ConfigError
from understudy.evaluation.words import words

__all__ = ["Settings"]

SHORTEST_LIMIT, LONGEST_LIMIT = 64, 400
TOKENS_PER_WORD = 1.6


@dataclass(frozen=True)
class Settings:
    """All settings of an evaluation; the resolved ones stand in the verdict.

    ``probes`` counts the single probes of the primary endpoint, each category in its share; thin data
    may give fewer. ``temperature`` 0.3 is what ``understudy chat`` uses; 0 asks for the likeliest reply.
    ``max_tokens`` ``None`` becomes room for the longest real replies. Seeds differ from probe to probe
    and from reply to reply, and are the same for every arm. ``margin`` is the non-inferiority margin.
    """

    probes: int = 324
    replies_per_probe: int = 3
    further: int = 400
    skills: int = 60
    scripts: int = 40
    script_turns: int = 16
    scored_conversations: int = 60
    style_questions: int = 100
    temperature: float = 0.3
    max_tokens: int | None = None
    seed: int = 0
    concurrency: int = 32
    draws: int = 10_000
    margin: float = 0.075
    probe_set: Literal["final", "development"] = "final"

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {value}, and must be {bound} or more"
            for name, value, bound in (
                ("probes", self.probes, 1),
                ("replies_per_probe", self.replies_per_probe, 1),
                ("further", self.further, 0),
                ("skills", self.skills, 0),
                ("scripts", self.scripts, 0),
                ("script_turns", self.script_turns, 1),
                ("concurrency", self.concurrency, 1),
                ("draws", self.draws, 1000),
                ("temperature", self.temperature, 0),
                ("max_tokens", self.max_tokens if self.max_tokens is not None else 1, 1),
            )
            if value < bound
        ]
        if not 0 < self.margin < 1:
            problems.append(f"margin is {self.margin}, and must lie between 0 and 1")
        if problems:
            raise ConfigError("; ".join(problems) + ".")

    def quick(self) -> "Settings":
        """A look: a quarter of the probes with one reply each, and short conversations. Claims less."""
        return replace(
            self,
            probes=80,
            replies_per_probe=1,
            further=20,
            skills=12,
            scripts=2,
            script_turns=4,
            scored_conversations=12,
            style_questions=40,
        )

    def once(self) -> "Settings":
        """Every probe of the primary endpoint once, a part of what stands beside: a quarter of the work."""
        return replace(
            self,
            replies_per_probe=1,
            further=100,
            skills=24,
            scripts=6,
            script_turns=8,
            scored_conversations=30,
            style_questions=60,
        )

    def with_room_for(self, real_replies: Sequence[str]) -> "Settings":
        """``max_tokens`` resolved: twice the 95th percentile of the real replies, within 64 to 400."""
        if self.max_tokens is not None:
            return self
        lengths = sorted(len(words(reply)) for reply in real_replies) or [40]
        long = lengths[int(0.95 * (len(lengths) - 1))]
        limit = round(2 * TOKENS_PER_WORD * long)
        return replace(self, max_tokens=max(SHORTEST_LIMIT, min(LONGEST_LIMIT, limit)))

    def samples(self, part: str) -> int:
        """How many replies a probe gets; a likeliest reply is the same every time, so one is enough."""
        return self.replies_per_probe if part == "single" and self.temperature > 0 else 1

    def sampling(self) -> dict[str, Any]:
        """What a reply depends on besides its messages."""
        return {"temperature": self.temperature, "max_tokens": self.max_tokens, "seed": self.seed}

    def seed_for(self, probe_id: str, sample: int = 0) -> int:
        """The sampling seed of one reply to one probe: equal for all arms."""
        digest = hashlib.sha256(f"{self.seed}\x1f{probe_id}\x1f{sample}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def sha256(self) -> str:
        """Hash of everything that changes the figures."""
        values = {k: v for k, v in asdict(self).items() if k != "concurrency"}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
