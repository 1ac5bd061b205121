"""Probe: one question that every arm is asked, and the reply that one arm gave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from understudy.evaluation.score import Score

__all__ = ["IDENTITY", "SINCERE", "UNSORTED", "Answer", "Measured", "Probe"]

IDENTITY = "in_fiction_identity"
SINCERE = "sincere_ai"
UNSORTED = "conversation"  # dialogues without a category, as transcripts are


@dataclass(frozen=True)
class Probe:
    """A conversation that ends with somebody's line; the arm's reply to it is what is scored.

    ``messages`` holds no system prompt: each arm brings its own. ``group`` is the cluster of
    every interval: a fact, a scene, a family of paraphrases. ``turn`` counts the character's
    replies in this conversation, from 1. ``reference`` is the real reply where one is known.
    """

    id: str
    category: str
    group: str
    messages: tuple[Mapping[str, str], ...]
    turn: int = 1
    reference: str | None = None
    fact: str | None = None

    @property
    def question(self) -> str:
        return self.messages[-1]["content"]


@dataclass(frozen=True)
class Answer:
    """What one arm said to one probe."""

    probe: Probe
    text: str


@dataclass(frozen=True)
class Measured:
    """A score, and what each probe gave to it, so that arms can be compared probe by probe.

    ``values`` and ``weights`` are per probe; the score is Σ values / Σ weights. ``binary`` says
    that each value is 0 or 1.
    """

    score: Score
    values: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, float] | None = None
    binary: bool = False

    @classmethod
    def per_answer(
        cls, score: Score, answers: Sequence[Answer], values: Sequence[float], *, binary: bool = False
    ) -> "Measured":
        """One value for each answer."""
        return cls(
            score,
            {a.probe.id: float(v) for a, v in zip(answers, values, strict=True)},
            {a.probe.id: a.probe.group for a in answers},
            binary=binary,
        )
