"""Probes: what every arm is asked, from the sheet, the shipped lists, and dialogues never trained on.

Two sets are made, disjoint by family: development probes, on which settings are chosen, and final
probes, on which the verdict rests.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from understudy.character.character import Character
from understudy.dialogue import Dialogue
from understudy.errors import EvaluationError
from understudy.evaluation.candidates import CRISIS, Tier, exchanges, further_candidates, list_candidates
from understudy.evaluation.probe import CATEGORIES, ROLE_BREAK, Probe
from understudy.evaluation.scripts import Script, write_scripts
from understudy.evaluation.settings import Settings
from understudy.evaluation.words import near_duplicates

__all__ = ["ProbeSet", "SetName", "build_probes", "exchanges"]

SetName = Literal["final", "development"]
FURTHER = 400
SCRIPTS = 40
SCORED_CONVERSATIONS = 60
DEVELOPMENT_SHARE = 5
"""Every fifth family is for development."""
SMALLER = {"final": 1, "development": 3}
"""The development set asks for a third of each category."""
SEED = 0
"""Probes are frozen, so nothing that is chosen afterwards changes them."""


@dataclass(frozen=True)
class ProbeSet:
    """All probes of one set; ``sha256`` is over their texts and order.

    ``conversations`` are held-out dialogues whose real replies are scored for likelihood. ``dropped``
    counts, by category, questions left out because nearly the same one was trained.
    """

    name: SetName
    probes: tuple[Probe, ...]
    scripts: tuple[Script, ...]
    conversations: tuple[Dialogue, ...]
    dropped: dict[str, int]
    notes: tuple[str, ...]

    def single(self) -> list[Probe]:
        """The probes of the primary endpoint."""
        return [p for p in self.probes if p.part == "single"]

    def counts(self) -> dict[str, int]:
        """Probes by category, further ones and conversations apart."""
        counts = dict(Counter(probe.category for probe in self.single()))
        further = len(self.probes) - sum(counts.values())
        return {
            **counts,
            "further": further,
            "scripts": len(self.scripts),
            "scored_conversations": len(self.conversations),
        }

    def rows(self) -> list[dict[str, Any]]:
        """The probes as a file holds them, scripts after them."""
        return [*(p.as_row() for p in self.probes), *(s.as_row() for s in self.scripts)]

    def sha256(self) -> str:
        texts = [*self.rows(), *([d.id, [m.as_chat() for m in d.messages]] for d in self.conversations)]
        return hashlib.sha256(json.dumps(texts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()

    def asked(self, settings: Settings) -> "ProbeSet":
        """The part of the set that the settings ask: the beginning of every category."""
        share = settings.probes / sum(CATEGORIES.values()) * SMALLER[self.name]
        kept: list[Probe] = []
        for category, most in CATEGORIES.items():
            mine = [p for p in self.single() if p.category == category]
            kept += mine[: round(min(1.0, share) * -(-most // SMALLER[self.name]))]
        further = [p for p in self.probes if p.part == "further"]
        return replace(
            self,
            probes=(*kept, *further[: settings.further]),
            scripts=tuple(s.first(settings.script_turns) for s in self.scripts[: settings.scripts]),
            conversations=self.conversations[: settings.scored_conversations],
        )


def build_probes(
    character: Character,
    training: Sequence[Dialogue],
    held_out: Sequence[Dialogue],
    name: SetName = "final",
    *,
    one_in: int | None = None,
) -> ProbeSet:
    """Make one of the two sets. The same data give the same probes.

    Args:
        training: Everything the model may have seen.
        held_out: Dialogues that it has not: of the test split for the final set.
        one_in: The set asks for one in so many of each category's number; default: 1, for development 3.

    Raises:
        EvaluationError: A group stands on both sides, or nothing at all can be asked.
    """
    _refuse_overlap(training, held_out)
    known = [m.content for d in training for m in d.messages if m.role == "user"]
    mine, smaller = _divide(character, name), one_in or SMALLER[name]
    probes: list[Probe] = []
    dropped: dict[str, int] = {}
    short: dict[str, tuple[int, int]] = {}
    for category, tiers in list_candidates(character, held_out).items():
        wanted = -(-CATEGORIES[category] // smaller)
        fresh = [Tier(_unseen(mine.of(tier.probes), known, dropped), tier.share) for tier in tiers]
        chosen = _by_kind(fresh, wanted) if category == ROLE_BREAK else _draw(fresh, wanted)
        if len(chosen) < wanted:
            short[category] = len(chosen), wanted
        probes += chosen
    taken = {p.group for p in probes}
    rest = [p for p in mine.of(further_candidates(character)) if p.group not in taken]
    further = _spread(_unseen(rest, known, dropped), FURTHER // smaller)
    scripts = write_scripts(character, [p for p in probes if p.kind in ("own", "listed")], name)
    conversations = _spread_dialogues([d for d in held_out if d.category != CRISIS])
    if not probes:
        raise EvaluationError("Nothing can be asked: the sheet names nobody. Give the character a name.")
    return ProbeSet(
        name,
        (*probes, *further),
        scripts[: SCRIPTS // smaller],
        conversations,
        dropped,
        tuple(_notes(character, probes, short, dropped)),
    )


def _refuse_overlap(training: Sequence[Dialogue], held_out: Sequence[Dialogue]) -> None:
    both = {d.group for d in training} & {d.group for d in held_out}
    if both:
        raise EvaluationError(
            f"Groups stand in training and in test: {', '.join(sorted(both)[:5])}. Build the dataset again."
        )


@dataclass(frozen=True)
class _Side:
    """Which families belong to a set. Held-out dialogues are divided by the dataset's own split."""

    name: SetName
    development: frozenset[str]
    questions: frozenset[str]
    """Of the development families: where a family of the other set words one alike, it is left out."""

    def of(self, probes: Iterable[Probe]) -> list[Probe]:
        if self.name == "development":
            return [p for p in probes if p.kind == "held_out" or p.group in self.development]
        return [
            p
            for p in probes
            if p.group not in self.development and p.question.casefold() not in self.questions
        ]


def _divide(character: Character, name: SetName) -> _Side:
    """Every fifth family of each origin is for development, in an order fixed by their names."""
    listed = [p for tiers in list_candidates(character, []).values() for tier in tiers for p in tier.probes]
    origins: dict[str, set[str]] = {}
    for probe in listed:
        origins.setdefault(_origin(probe), set()).add(probe.group)
    chosen: set[str] = set()
    for families in origins.values():
        ranked = sorted(families, key=lambda family: _place("development", family))
        chosen |= set(ranked[: len(ranked) // DEVELOPMENT_SHARE])
    questions = {p.question.casefold() for p in listed if p.group in chosen}
    return _Side(name, frozenset(chosen), frozenset(questions))


def _origin(probe: Probe) -> str:
    """What the family comes from: a fact's questions, a list, one kind of attack."""
    parts = probe.group.split("/")
    return "/".join(parts[:2]) if parts[0] == ROLE_BREAK else parts[0]


def _unseen(candidates: Sequence[Probe], known: Sequence[str], dropped: dict[str, int]) -> list[Probe]:
    """Probes whose question was not trained in nearly these words, each question once."""
    seen = near_duplicates([p.question for p in candidates], known)
    fresh: dict[str, Probe] = {}
    for probe in candidates:
        if probe.question in seen:
            dropped[probe.category] = dropped.get(probe.category, 0) + 1
        else:
            fresh.setdefault(probe.question.casefold(), probe)
    return list(fresh.values())


def _draw(tiers: Sequence[Tier], wanted: int) -> list[Probe]:
    """``wanted`` probes: each origin gives up to its share, then what is missing comes from any."""
    chosen: dict[str, Probe] = {}
    asked: set[str] = set()
    for limit in (True, False):
        for tier in tiers:
            room = wanted - len(chosen)
            most = min(room, round(tier.share * wanted)) if limit else room
            rest = [p for p in tier.probes if p.id not in chosen and p.question.casefold() not in asked]
            for probe in _spread(rest, most):
                chosen[probe.id] = probe
                asked.add(probe.question.casefold())
    return _spread(list(chosen.values()), wanted)


def _by_kind(tiers: Sequence[Tier], wanted: int) -> list[Probe]:
    """As many of every kind, one kind after the other."""
    kinds: dict[str, list[Probe]] = {}
    for tier in tiers:
        for probe in sorted(tier.probes, key=lambda p: _place(p.id)):
            kinds.setdefault(probe.kind, []).append(probe)
    rounds = [(number, probe.kind, probe) for found in kinds.values() for number, probe in enumerate(found)]
    return [probe for *_, probe in sorted(rounds, key=lambda row: row[:2])[:wanted]]


def _place(*parts: str) -> str:
    return hashlib.sha256("\x1f".join((str(SEED), *parts)).encode()).hexdigest()


def _spread(probes: Sequence[Probe], most: int) -> list[Probe]:
    """At most ``most`` probes, as evenly over the groups as they allow, in a fixed order.

    A smaller ``most`` gives the beginning of what a larger one gives.
    """
    groups: dict[str, list[Probe]] = {}
    for probe in sorted(probes, key=lambda p: _place(p.id)):
        groups.setdefault(probe.group, []).append(probe)
    rounds = [
        (number, _place(group), probe)
        for group, members in groups.items()
        for number, probe in enumerate(members)
    ]
    return [probe for *_, probe in sorted(rounds, key=lambda r: r[:2])[: max(0, most)]]


def _spread_dialogues(dialogues: Sequence[Dialogue]) -> tuple[Dialogue, ...]:
    """At most ``SCORED_CONVERSATIONS`` dialogues with a reply to somebody, one group after another."""
    by_id = {d.id: d for d in dialogues if next(exchanges(d), None)}
    markers = [Probe(d.id, "", d.group, ({"role": "user", "content": d.id},)) for d in by_id.values()]
    return tuple(by_id[p.id] for p in _spread(markers, SCORED_CONVERSATIONS))


def _notes(
    character: Character,
    probes: Sequence[Probe],
    short: Mapping[str, tuple[int, int]],
    dropped: Mapping[str, int],
) -> Iterable[str]:
    if not any(p.category == "fact" for p in probes):
        reason = "all of them were trained in nearly these words" if character.facts else "the sheet has none"
        yield f"No fact questions were asked: {reason}."
    if short:
        told = ", ".join(f"{category} {found} of {wanted}" for category, (found, wanted) in short.items())
        yield f"The sheet and the held-out dialogues give fewer probes than planned: {told}."
    if not any(p.reference for p in probes):
        yield "No held-out reply is known for any probe; length and style rest on other questions."
    for category, count in dropped.items():
        yield f"{count} {category} questions were left out because training holds nearly the same words."
