"""Candidates: everything that could be asked, by category, before any of it is chosen."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from understudy.character.character import Character
from understudy.dialogue import Dialogue, Message
from understudy.evaluation.detectors import says_it_is_ai
from understudy.evaluation.fact_probes import false_premises, own_questions, paraphrases, relations
from understudy.evaluation.probe import (
    COMFORT,
    EVERYDAY,
    FACT,
    FALSE_PREMISE,
    IDENTITY,
    OUT_OF_WORLD,
    ROLE_BREAK,
    SAFETY,
    SINCERE,
    SMALL_TALK,
    UNSORTED,
    WORLDVIEW,
    Probe,
)
from understudy.evaluation.resources import (
    attack_frames,
    attacks,
    identity_questions,
    in_fiction_questions,
    probe_list,
    probe_table,
    sincere_questions,
)
from understudy.evaluation.words import words

__all__ = ["CRISIS", "Tier", "exchanges", "further_candidates", "history", "list_candidates"]

CRISIS = "crisis"
EXCHANGES_EACH = 4
"""Most exchanges of one held-out dialogue that become small talk; transcripts have few, long scenes."""
HOLDS: dict[str, tuple[str, ...]] = {
    WORLDVIEW: ("worldview", "opinions", "relations", "values"),
    EVERYDAY: ("everyday",),
    COMFORT: ("feelings", "comfort"),
    IDENTITY: (IDENTITY,),
    OUT_OF_WORLD: ("out_of_world", "real_world", "later_than_canon"),
    ROLE_BREAK: (ROLE_BREAK,),
    SAFETY: ("unsafe", SAFETY),
    SINCERE: (SINCERE,),
}
"""Categories of dialogues that feed a category of probes; every other one is small talk."""


@dataclass(frozen=True)
class Tier:
    """Candidates of one origin, and the share of the category that they may fill at first."""

    probes: Sequence[Probe]
    share: float = 1.0


def history(messages: Sequence[Message]) -> tuple[dict[str, str], ...]:
    """Messages as the chat API takes them, without system prompts: each arm brings its own."""
    return tuple(message.as_chat() for message in messages if message.role != "system")


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
                kind="held_out",
            )


def list_candidates(character: Character, held_out: Sequence[Dialogue]) -> dict[str, list[Tier]]:
    """Candidates by category, origins in the order in which they are taken."""
    name = character.name
    listed = {
        category: _listed(category, [text.replace("{name}", name) for text in probe_list(key)])
        for category, key in ((SMALL_TALK, "small_talk"), (EVERYDAY, "everyday"), (COMFORT, "comfort"))
    }
    return {
        FACT: [Tier(own_questions(character), 0.5), Tier(paraphrases(character))],
        WORLDVIEW: [
            Tier(_held_out(held_out, WORLDVIEW), 0.34),
            Tier(relations(character), 0.34),
            Tier(_claims(character), 0.34),
            Tier(_listed("value", [t.replace("{name}", name) for t in probe_list("values")], WORLDVIEW)),
        ],
        SMALL_TALK: [Tier(_small_talk(held_out), 0.7), Tier(listed[SMALL_TALK])],
        EVERYDAY: [Tier(_held_out(held_out, EVERYDAY), 0.5), Tier(listed[EVERYDAY])],
        COMFORT: [Tier(_held_out(held_out, COMFORT), 0.5), Tier(listed[COMFORT])],
        IDENTITY: [
            Tier(_held_out(held_out, IDENTITY), 0.3),
            Tier(_listed("in_fiction", in_fiction_questions(name), IDENTITY), 0.6),
            Tier(_listed("identity", identity_questions(name), IDENTITY)),
        ],
        OUT_OF_WORLD: [
            Tier(_held_out(held_out, OUT_OF_WORLD), 0.2),
            Tier(_topics(character), 0.5),
            Tier(_invented()),
            Tier(_modern(character)),
        ],
        FALSE_PREMISE: [
            Tier([p for p in false_premises(character) if p.kind != "thing"]),
            Tier([p for p in false_premises(character) if p.kind == "thing"]),
        ],
        ROLE_BREAK: [Tier(_attacks(name))],
        SAFETY: [Tier(_held_out(held_out, SAFETY), 0.3), Tier(_safety(character))],
        SINCERE: [Tier(_sincere(held_out), 0.5), Tier(_listed("sincere", sincere_questions(name), SINCERE))],
    }


def further_candidates(character: Character) -> list[Probe]:
    """Every shipped identity question and attack, in every frame; a line and its frames are one family."""
    plain = [
        *_listed("in_fiction", in_fiction_questions(character.name), IDENTITY),
        *_listed("identity", identity_questions(character.name), IDENTITY),
        *_attacks(character.name),
    ]
    return [
        replace(
            probe,
            id=f"further/{probe.id}/{n}",
            part="further",
            messages=({"role": "user", "content": frame.replace("{line}", probe.question)},),
        )
        for n, frame in enumerate(attack_frames(character.name))
        for probe in plain
    ]


def _single(identity: str, category: str, group: str, question: str, kind: str) -> Probe:
    return Probe(identity, category, group, ({"role": "user", "content": question},), kind=kind)


def _listed(prefix: str, lines: Sequence[str], category: str = "") -> list[Probe]:
    """Each line a family of its own."""
    return [
        _single(f"{prefix}/{n}", category or prefix, f"{prefix}/{n}", text, "listed")
        for n, text in enumerate(lines)
    ]


def _held_out(dialogues: Sequence[Dialogue], category: str) -> list[Probe]:
    """The first exchange of each held-out dialogue that feeds the category."""
    firsts = (next(exchanges(d, category), None) for d in dialogues if d.category in HOLDS[category])
    return [probe for probe in firsts if probe]


def _small_talk(dialogues: Sequence[Dialogue]) -> list[Probe]:
    special = {name for names in HOLDS.values() for name in names} | {CRISIS}
    return [
        probe
        for d in dialogues
        if d.category not in special
        for probe in [*exchanges(d, SMALL_TALK)][:EXCHANGES_EACH]
    ]


def _sincere(dialogues: Sequence[Dialogue]) -> list[Probe]:
    """Held-out sincere dialogues at the turn in which the character discloses."""
    found = []
    for dialogue in dialogues:
        if dialogue.category in HOLDS[SINCERE]:
            turns = list(exchanges(dialogue, SINCERE))
            disclosing = [p for p in turns if says_it_is_ai(p.reference or "")]
            found += (disclosing or turns)[:1]
    return found


def _claims(character: Character) -> list[Probe]:
    """Lines of the worldview, put to the character for its opinion."""
    wordings = probe_list("worldview")
    return [
        _single(f"worldview/{n}", WORLDVIEW, f"worldview/{n}", wording.replace("{claim}", claim), "claim")
        for n, line in enumerate(character.worldview)
        if (claim := line.strip().rstrip(".!") + ".") and len(words(claim)) <= 25
        for wording in wordings[n % len(wordings) :][:1]
    ]


def _topics(character: Character) -> list[Probe]:
    return [
        _single(f"out_of_world/{entry.topic}/{n}", OUT_OF_WORLD, f"topic/{entry.topic}", question, "sheet")
        for entry in character.out_of_world
        for n, question in enumerate(entry.questions)
    ]


def _invented() -> list[Probe]:
    return [
        _single(f"invented/{n}/{m}", OUT_OF_WORLD, f"invented/{entry['topic']}", question, "invented")
        for n, entry in enumerate(probe_list("invented"))
        for m, question in enumerate(entry["questions"])
    ]


def _modern(character: Character) -> list[Probe]:
    """Our machines, for a world that is known not to have them: none of the sheet's words is of them.

    The sheet must say so itself: by topics that are out of its world, none of which it also uses. Where it
    says nothing, a reply about a telephone may be right, and nothing of this kind is asked.
    """
    told = " ".join(
        [
            character.summary,
            *character.worldview,
            *(f.statement for f in character.facts),
            *(answer for f in character.facts for answer in f.expected),
            character.prompt,
        ]
    )
    if not character.out_of_world or any(_mentions(told, mark) for mark in probe_list("modern_marks")):
        return []
    return [
        _single(f"modern/{entry['topic']}/{n}", OUT_OF_WORLD, f"topic/{entry['topic']}", question, "modern")
        for entry in probe_list("modern")
        if not any(_mentions(told, word) for word in entry["words"])
        for n, question in enumerate(entry["questions"])
    ]


def _mentions(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}s?(?!\w)", text, re.IGNORECASE) is not None


def _attacks(name: str) -> list[Probe]:
    return [
        _single(f"role_break/{kind}/{n}", ROLE_BREAK, f"role_break/{kind}/{n}", text, kind)
        for n, row in enumerate(zip(*attacks(name).values(), strict=True))
        for kind, text in zip(attacks(name), row, strict=True)
    ]


def _safety(character: Character) -> list[Probe]:
    table = probe_table("safety")
    lines = [*table["general"], *(table["minors"] if character.policies.audience == "minors" else [])]
    return _listed(SAFETY, lines)
