"""Controls: pairs whose better reply is known. A judge that cannot tell them is not believed about others.

Five kinds, each the character's own line against one that is worse by construction: a generic assistant's
answer to the same question, another character's line, the line with one fact broken, the line with empty
sentences added, and a line of the character's that answers another question.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from understudy.character.character import Character, Fact
from understudy.cost.evidence import read_rows
from understudy.dialogue import Dialogue
from understudy.evaluation.facts import FactSheet
from understudy.evaluation.probe import IDENTITY, SINCERE, Probe
from understudy.evaluation.probes import exchanges
from understudy.evaluation.resources import other_characters
from understudy.evaluation.words import content_words, words
from understudy.judging.faults import Examined
from understudy.judging.markup import plain_text
from understudy.judging.pair import Messages, Pair, place

__all__ = ["CONTROLS", "FEWEST", "PASS_RATE", "Controls", "build_controls", "examined_controls"]

CONTROLS = {
    "assistant": "a generic assistant's answer",
    "wrong_character": "another character's line",
    "broken_fact": "the line with one fact broken",
    "padded": "the line padded with empty sentences",
    "wrong_question": "a line that answers another question",
}
FEWEST = 8
PASS_RATE = 0.75
"""A judge that guesses reaches it on eight pairs of one kind in fewer than 4 of 100 tries, and on all five
kinds practically never; one that always takes the first or the longer reply never does."""
OUTSIDE = (SINCERE, IDENTITY, "role_break", "crisis")
LEAST_WORDS, MOST_MESSAGES = 4, 5
_PERSON = (
    (r"\byou are\b", "I am"),
    (r"\byou were\b", "I was"),
    (r"\byou're\b", "I'm"),
    (r"\byour\b", "my"),
    (r"\byours\b", "mine"),
    (r"\byourself\b", "myself"),
    (r"\byou\b", "I"),
)


@dataclass(frozen=True)
class Controls:
    """Pairs with ``a`` better; ``missing`` says which kinds could not be made, and why."""

    pairs: tuple[Pair, ...]
    missing: dict[str, str]


@lru_cache
def _parts() -> dict[str, Any]:
    text = (files("understudy.judging") / "data" / "controls.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def build_controls(
    character: Character, dialogues: Sequence[Dialogue], run: Path, *, each: int, seed: int
) -> Controls:
    """At most ``each`` pairs of every kind, from the character's own lines.

    Args:
        dialogues: Held-out ones first; lines that were trained are as good, since only the judge is tested.
        run: Its ``plain_replies.jsonl`` holds the untuned model's answers without a prompt, if it is there.
    """
    lines = _lines(dialogues, character.name, seed)
    makers = {
        "assistant": _assistant(lines, run, character.name),
        "wrong_character": _wrong_character(lines),
        "broken_fact": _broken_fact(character, lines, seed),
        "padded": _padded(lines),
        "wrong_question": _wrong_question(lines),
    }
    pairs: list[Pair] = []
    missing: dict[str, str] = {}
    for kind, made in makers.items():
        found = [pair for pair in made if not pair.is_same][:each]
        if len(found) < FEWEST:
            missing[kind] = f"{len(found)} pairs could be made, {FEWEST} are needed"
        else:
            pairs += [replace(pair, id=f"{kind}/{n}", kind=kind) for n, pair in enumerate(found)]
    return Controls(tuple(pairs), missing)


def _lines(dialogues: Sequence[Dialogue], name: str, seed: int) -> list[Probe]:
    """The character's lines with what was said before them, each text once, in a seeded order."""
    found: dict[str, Probe] = {}
    for rank, dialogue in enumerate(dialogues):
        if dialogue.category in OUTSIDE:
            continue
        for probe in exchanges(dialogue):
            text = plain_text(probe.reference or "", name)
            if len(words(text)) >= LEAST_WORDS and len(probe.messages) <= MOST_MESSAGES:
                found.setdefault(text, replace(probe, reference=text, id=f"{rank}/{probe.id}"))
    return sorted(found.values(), key=lambda p: place(seed, "line", p.id))


def _pair(probe: Probe, better: str, worse: str, messages: Messages | None = None, fact: str = "") -> Pair:
    return Pair("", "", probe.category, probe.group, messages or probe.messages, better, worse, fact=fact)


def _assistant(lines: Sequence[Probe], run: Path, name: str) -> list[Pair]:
    """The untuned model's own answers where they are known, else shipped ones."""
    own = []
    for row in read_rows(run / "plain_replies.jsonl"):
        better, worse = plain_text(row.get("reference") or "", name), plain_text(row.get("reply") or "", name)
        if len(words(better)) >= LEAST_WORDS and len(words(worse)) >= LEAST_WORDS:
            said = tuple(m for m in row["messages"] if m["role"] != "system")
            own.append(Pair("", "", row["category"], row["group"], said, better, worse))
    shipped = _parts()["assistant"]
    made = [_pair(p, p.reference or "", shipped[n % len(shipped)]) for n, p in enumerate(lines)]
    # Half of each, because an untuned model may happen to play well.
    return [pair for both in zip(made, own, strict=False) for pair in both] + made[len(own) :]


def _wrong_character(lines: Sequence[Probe]) -> list[Pair]:
    others = [text for text, _ in other_characters()]
    step = 7  # neighbours in the list are one character's
    return [_pair(p, p.reference or "", others[n * step % len(others)]) for n, p in enumerate(lines)]


def _padded(lines: Sequence[Probe]) -> list[Pair]:
    padding = _parts()["padding"]
    return [
        _pair(
            p,
            p.reference or "",
            " ".join([p.reference or "", *(padding[(n + i) % len(padding)] for i in range(3))]),
        )
        for n, p in enumerate(lines)
    ]


def _wrong_question(lines: Sequence[Probe]) -> list[Pair]:
    """A line from another group that shares no content word with the question or the right answer."""
    made = []
    for n, probe in enumerate(lines):
        known = set(content_words(f"{probe.question} {probe.reference}"))
        ring = (lines[(n + step) % len(lines)] for step in range(1, len(lines)))
        other = next(
            (o for o in ring if o.group != probe.group and not known & set(content_words(o.reference or ""))),
            None,
        )
        if other is not None:
            made.append(_pair(probe, probe.reference or "", other.reference or ""))
    return made


def _broken_fact(character: Character, lines: Sequence[Probe], seed: int) -> list[Pair]:
    """A right answer against the same with another answer in its place, one pair for each fact.

    Where none of the character's lines tells the fact, its statement does, in the first person.
    """
    sheet = FactSheet(character.facts)
    asked = [f for f in character.facts if f.expected and f.questions]
    made = []
    for fact in sorted(asked, key=lambda f: place(seed, "fact", f.id)):
        swaps = _wrong_answers(fact, asked, seed)
        told = next((p for p in lines if sheet.is_right(fact.id, p.reference or "", p.question)), None)
        if told is not None and (broken := _break(told.reference or "", fact, swaps)):
            made.append(_pair(told, told.reference or "", broken, fact=fact.statement))
            continue
        right = _first_person(fact.statement)
        if broken := _break(right, fact, swaps):
            question: Messages = ({"role": "user", "content": fact.questions[0]},)
            probe = Probe(fact.id, "fact", f"fact/{fact.id}", question)
            made.append(_pair(probe, right, broken, fact=fact.statement))
    return made


def _wrong_answers(fact: Fact, facts: Sequence[Fact], seed: int) -> list[str]:
    """What is not true: forbidden answers, then answers to other facts, those of the same shape first."""
    known = fact.statement.casefold()
    others = [a for f in sorted(facts, key=lambda f: place(seed, fact.id, f.id)) for a in f.expected]
    shape = _shape(fact.expected[0])
    candidates = [*fact.forbidden, *sorted(others, key=lambda a: _shape(a) != shape)]
    return [answer for answer in candidates if answer.casefold() not in known]


def _shape(answer: str) -> tuple[bool, bool]:
    return answer[:1].isupper(), any(letter.isdigit() for letter in answer)


def _break(text: str, fact: Fact, swaps: Sequence[str]) -> str | None:
    """The text with every expected answer replaced; ``None`` where there is none to replace."""
    if not swaps:
        return None
    found = sorted(fact.expected, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, found))})(?!\w)", re.IGNORECASE)
    broken = pattern.sub(lambda _: swaps[0], text)
    return broken if broken != text else None


def _first_person(statement: str) -> str:
    for pattern, word in _PERSON:
        statement = re.sub(pattern, word, statement, flags=re.IGNORECASE)
    return statement[:1].upper() + statement[1:]


def examined_controls(controls: Iterable[Pair]) -> list[Examined]:
    """Replies with a known fault, and the real lines of the same pairs, which have none."""
    planted = {
        "assistant": "breaks_role",
        "wrong_character": "wrong_tone",
        "broken_fact": "contradicts_fact",
        "padded": "padded",
        "wrong_question": "does_not_answer",
    }
    shipped = _parts()["assistant"]
    made: list[Examined] = []
    for number, pair in enumerate(controls):
        made.append(Examined(f"{pair.id}/real", "real", pair, "a"))
        spoiled = pair
        if pair.kind == "assistant":  # The untuned model's own answer may keep the role.
            spoiled = replace(pair, id=f"shipped/{pair.id}", b=shipped[number % len(shipped)])
        made.append(Examined(f"{pair.id}/planted", pair.kind, spoiled, "b", {planted[pair.kind]: True}))
        if pair.kind == "padded":
            looped = replace(pair, id=f"looped/{pair.id}", b=" ".join([pair.a] * 3))
            made.append(Examined(f"{looped.id}/planted", "looped", looped, "b", {"repeats_itself": True}))
    return made
