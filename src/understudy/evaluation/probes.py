"""Probes: what every arm is asked, from the sheet, the shipped lists, and dialogues never trained on."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.character.character import Character
from understudy.dialogue import Dialogue, Message
from understudy.errors import EvaluationError
from understudy.evaluation.detectors import says_it_is_ai
from understudy.evaluation.probe import IDENTITY, SINCERE, UNSORTED, Probe
from understudy.evaluation.resources import in_fiction_questions, sincere_questions
from understudy.evaluation.settings import Settings
from understudy.evaluation.words import near_duplicates

__all__ = ["ProbeSet", "build_probes", "exchanges", "history"]

IDENTITY_CATEGORIES = (IDENTITY, "role_break")
CLOSED = (*IDENTITY_CATEGORIES, SINCERE, "crisis", "out_of_world")


@dataclass(frozen=True)
class ProbeSet:
    """All probes, fixed before any model sees them; ``sha256`` is over their texts and order.

    ``conversations`` are the held-out dialogues whose real replies are scored for likelihood.
    ``dropped`` counts, by category, questions left out because nearly the same one was trained.
    """

    probes: tuple[Probe, ...]
    conversations: tuple[Dialogue, ...]
    dropped: dict[str, int]
    notes: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Probes by category, and the conversations that are scored."""
        counts = Counter(probe.category for probe in self.probes)
        return {**counts, "scored_conversations": len(self.conversations)}

    def rows(self) -> list[dict[str, Any]]:
        """The probes as the run's folder keeps them."""
        return [
            {
                "id": p.id,
                "category": p.category,
                "group": p.group,
                "turn": p.turn,
                "messages": [dict(m) for m in p.messages],
                "reference": p.reference,
                "fact": p.fact,
            }
            for p in self.probes
        ]

    def sha256(self) -> str:
        texts = [*self.rows(), *([d.id, [m.as_chat() for m in d.messages]] for d in self.conversations)]
        return hashlib.sha256(json.dumps(texts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def build_probes(
    character: Character, training: Sequence[Dialogue], test: Sequence[Dialogue], settings: Settings
) -> ProbeSet:
    """Choose the probes. The same data and settings give the same probes.

    Args:
        training: Everything the model may have seen: training, validation and development.
        test: Dialogues of the final test split.

    Raises:
        EvaluationError: A group stands on both sides, or nothing at all can be asked.
    """
    _refuse_overlap(training, test)
    known = [m.content for d in training for m in d.messages if m.role == "user"]
    kinds = {
        "fact": (_fact_probes(character), settings.facts),
        IDENTITY: (_identity_probes(character, test), settings.in_fiction),
        SINCERE: (_sincere_probes(character, test), settings.sincere),
        "out_of_world": (_out_of_world_probes(character, test), settings.out_of_world),
        "open": (_open_probes(test), settings.open),
    }
    probes: list[Probe] = []
    dropped: dict[str, int] = {}
    for kind, (candidates, most) in kinds.items():
        kept = _unseen(candidates, known)
        if len(kept) < len(candidates):
            dropped[kind] = len(candidates) - len(kept)
        probes += _spread(kept, most, settings.seed)
    drift = _drift_probes(test, settings)
    if not probes and not drift:
        raise EvaluationError(
            "Nothing can be asked: no held-out dialogue and no fact with questions. Add dialogues in several "
            "groups, or facts with questions to character.yaml, and build the dataset again."
        )
    conversations = _spread_dialogues([d for d in test if d.category != "crisis"], settings)
    return ProbeSet(
        (*probes, *drift), conversations, dropped, tuple(_notes(character, probes, drift, dropped))
    )


def history(messages: Iterable[Message]) -> tuple[dict[str, str], ...]:
    """Messages as the chat API takes them, without system prompts: each arm brings its own."""
    return tuple(message.as_chat() for message in messages if message.role != "system")


def _refuse_overlap(training: Sequence[Dialogue], test: Sequence[Dialogue]) -> None:
    both = {d.group for d in training} & {d.group for d in test}
    if both:
        raise EvaluationError(
            f"Groups stand in training and in test: {', '.join(sorted(both)[:5])}. Build the dataset again."
        )


def _single(identity: str, category: str, group: str, question: str, fact: str | None = None) -> Probe:
    return Probe(identity, category, group, ({"role": "user", "content": question},), fact=fact)


def _fact_probes(character: Character) -> list[Probe]:
    return [
        _single(f"fact/{fact.id}/{number}", "fact", f"fact/{fact.id}", question, fact.id)
        for fact in character.facts
        if fact.expected
        for number, question in enumerate(fact.questions)
    ]


def _first_exchange(dialogue: Dialogue, category: str | None = None) -> Probe | None:
    """The first reply to somebody's line, with what stands before it (a greeting, for example)."""
    return next(exchanges(dialogue, category), None)


def exchanges(dialogue: Dialogue, category: str | None = None) -> Iterator[Probe]:
    """Every reply that follows a user's line, as a probe with its real history."""
    messages = [m for m in dialogue.messages if m.role != "system"]
    turn = 0
    for place, message in enumerate(messages):
        if message.role != "assistant" or not message.content.strip():
            continue
        if place and messages[place - 1].role == "user" and messages[place - 1].content.strip():
            turn += 1
            yield Probe(
                f"{category or dialogue.category or 'conversation'}/{dialogue.id}/{turn}",
                category or dialogue.category or UNSORTED,
                dialogue.group,
                history(messages[:place]),
                turn,
                message.content,
            )


def _of_category(test: Sequence[Dialogue], categories: Sequence[str], category: str) -> list[Probe]:
    found = (_first_exchange(d, category) for d in test if d.category in categories)
    return [probe for probe in found if probe]


def _identity_probes(character: Character, test: Sequence[Dialogue]) -> list[Probe]:
    listed = in_fiction_questions(character.name)
    return [
        *_of_category(test, IDENTITY_CATEGORIES, IDENTITY),
        *(_single(f"in_fiction/{n}", IDENTITY, f"in_fiction/{n}", text) for n, text in enumerate(listed)),
    ]


def _sincere_probes(character: Character, test: Sequence[Dialogue]) -> list[Probe]:
    """Held-out sincere dialogues at the turn in which the character discloses, and the shipped list."""
    held_out = []
    for dialogue in test:
        if dialogue.category == SINCERE:
            turns = list(exchanges(dialogue, SINCERE))
            disclosing = [p for p in turns if says_it_is_ai(p.reference or "")]
            held_out += (disclosing or turns)[:1]
    listed = sincere_questions(character.name)
    return [
        *held_out,
        *(_single(f"sincere/{n}", SINCERE, f"sincere/{n}", text) for n, text in enumerate(listed)),
    ]


def _out_of_world_probes(character: Character, test: Sequence[Dialogue]) -> list[Probe]:
    return [
        *_of_category(test, ("out_of_world",), "out_of_world"),
        *(
            _single(f"out_of_world/{entry.topic}/{n}", "out_of_world", f"topic/{entry.topic}", question)
            for entry in character.out_of_world
            for n, question in enumerate(entry.questions)
        ),
    ]


def _open_probes(test: Sequence[Dialogue]) -> list[Probe]:
    found = (_first_exchange(d) for d in test if d.category not in CLOSED)
    return [probe for probe in found if probe]


def _drift_probes(test: Sequence[Dialogue], settings: Settings) -> list[Probe]:
    """All turns of the longest held-out conversations inside the play."""
    playing = [list(exchanges(d, "drift")) for d in test if d.category not in (SINCERE, "crisis")]
    long = sorted((turns for turns in playing if len(turns) >= 2), key=lambda t: (-len(t), t[0].id))
    chosen = long[: settings.replayed_conversations]
    return [probe for turns in chosen for probe in turns[: settings.replayed_turns]]


def _unseen(candidates: Sequence[Probe], known: Sequence[str]) -> list[Probe]:
    """Probes whose question was not trained in nearly these words, each question once."""
    seen = near_duplicates([p.question for p in candidates], known)
    fresh: dict[str, Probe] = {}
    for probe in candidates:
        if probe.question not in seen:
            fresh.setdefault(probe.question.casefold(), probe)
    return list(fresh.values())


def _place(seed: int, *parts: str) -> str:
    return hashlib.sha256("\x1f".join((str(seed), *parts)).encode()).hexdigest()


def _spread(probes: Sequence[Probe], most: int, seed: int) -> list[Probe]:
    """At most ``most`` probes, as evenly over the groups as they allow, in an order fixed by the seed.

    A smaller ``most`` gives the beginning of what a larger one gives.
    """
    groups: dict[str, list[Probe]] = {}
    for probe in sorted(probes, key=lambda p: _place(seed, p.id)):
        groups.setdefault(probe.group, []).append(probe)
    rounds = [
        (number, _place(seed, group), probe)
        for group, members in groups.items()
        for number, probe in enumerate(members)
    ]
    return [probe for *_, probe in sorted(rounds, key=lambda r: r[:2])[:most]]


def _spread_dialogues(dialogues: Sequence[Dialogue], settings: Settings) -> tuple[Dialogue, ...]:
    """At most ``scored_conversations`` dialogues with a reply to somebody, one group after another."""
    by_id = {d.id: d for d in dialogues if _first_exchange(d)}
    markers = [Probe(d.id, "", d.group, ({"role": "user", "content": d.id},)) for d in by_id.values()]
    return tuple(by_id[p.id] for p in _spread(markers, settings.scored_conversations, settings.seed))


def _notes(
    character: Character, probes: Sequence[Probe], drift: Sequence[Probe], dropped: dict[str, int]
) -> Iterable[str]:
    if not any(p.category == "fact" for p in probes):
        reason = "all of them were trained in nearly these words" if character.facts else "the sheet has none"
        yield f"No fact questions were asked: {reason}."
    if not drift:
        yield "No held-out conversation has two replies or more, so drift over turns was not measured."
    if not any(p.reference for p in probes):
        yield "No held-out reply is known for any probe; length and style rest on other questions."
    for kind, count in dropped.items():
        yield f"{count} {kind} questions were left out because training holds nearly the same words."
