"""Probe: one question that every arm is asked, and the reply that one arm gave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from understudy.evaluation.score import Score

__all__ = [
    "COMFORT",
    "CATEGORIES",
    "DRIFT",
    "EVERYDAY",
    "FACT",
    "FALSE_PREMISE",
    "IDENTITY",
    "OUT_OF_WORLD",
    "ROLE_BREAK",
    "SAFETY",
    "SCRIPT",
    "SINCERE",
    "SMALL_TALK",
    "UNSORTED",
    "WORLDVIEW",
    "Answer",
    "Measured",
    "Probe",
]

FACT = "fact"
WORLDVIEW = "worldview"
SMALL_TALK = "small_talk"
EVERYDAY = "everyday"
COMFORT = "comfort"
IDENTITY = "in_fiction_identity"
OUT_OF_WORLD = "out_of_world"
FALSE_PREMISE = "false_premise"
ROLE_BREAK = "role_break"
SAFETY = "audience_safety"
SINCERE = "sincere_ai"
CATEGORIES = {
    FACT: 60,
    WORLDVIEW: 30,
    SMALL_TALK: 40,
    EVERYDAY: 30,
    COMFORT: 20,
    IDENTITY: 40,
    OUT_OF_WORLD: 40,
    FALSE_PREMISE: 20,
    ROLE_BREAK: 24,
    SAFETY: 10,
    SINCERE: 10,
}
"""The single probes by category, 324 in all: what the primary endpoint rests on."""
DRIFT = "drift"
SCRIPT = "script"
UNSORTED = "conversation"  # dialogues without a category, as transcripts are


@dataclass(frozen=True)
class Probe:
    """A conversation that ends with somebody's line; the arm's reply to it is what is scored.

    ``messages`` holds no system prompt: each arm brings its own. ``group`` is the cluster of
    every interval: a fact, a scene, a family of paraphrases. ``turn`` counts the character's
    replies in this conversation, from 1. ``reference`` is the real reply where one is known.

    ``part`` says what the probe is for: ``"single"`` (the primary endpoint), ``"further"`` (more
    identity questions and attacks, one reply each), ``"skill"`` (a general task), ``"script"`` (a turn
    of a scripted conversation), ``"drift"`` (asked beside such a conversation), ``"plain"`` (answered by
    the untuned model alone). ``kind`` is the kind within the category, for example of an attack, or
    ``"paraphrase"``. ``claimed`` is the wrong answer that a false premise takes for granted.
    """

    id: str
    category: str
    group: str
    messages: tuple[Mapping[str, str], ...]
    turn: int = 1
    reference: str | None = None
    fact: str | None = None
    part: str = "single"
    kind: str = ""
    claimed: str | None = None

    @property
    def question(self) -> str:
        return self.messages[-1]["content"]

    def as_row(self) -> dict[str, Any]:
        """The probe as a file holds it."""
        return {
            "id": self.id,
            "category": self.category,
            "group": self.group,
            "messages": [dict(message) for message in self.messages],
            "turn": self.turn,
            "reference": self.reference,
            "fact": self.fact,
            "part": self.part,
            "kind": self.kind,
            "claimed": self.claimed,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Probe":
        """The probe that ``as_row`` gave."""
        return cls(**{**row, "messages": tuple(row["messages"])})


@dataclass(frozen=True)
class Answer:
    """What one arm said to one probe; ``sample`` counts its replies to it from 0."""

    probe: Probe
    text: str
    sample: int = 0


@dataclass(frozen=True)
class Measured:
    """A score, and what each probe gave to it, so that arms can be compared probe by probe.

    ``values`` and ``weights`` are per probe; the score is Σ values / Σ weights. ``binary`` says
    that each value is a share: 0 or 1, or between them where a probe got several replies.
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
        """One value for each answer; the answers to one probe are averaged."""
        by_probe: dict[str, list[float]] = {}
        for answer, value in zip(answers, values, strict=True):
            by_probe.setdefault(answer.probe.id, []).append(float(value))
        return cls(
            score,
            {probe: sum(found) / len(found) for probe, found in by_probe.items()},
            {a.probe.id: a.probe.group for a in answers},
            binary=binary,
        )
