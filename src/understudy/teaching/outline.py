"""Outline: one side of a conversation, what is said to the character before anybody has answered."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from understudy.dialogue import Dialogue, Message

__all__ = ["CRISIS", "SINCERE", "Manner", "Outline", "choose_outlines", "outlines_of"]

CRISIS = "crisis"
SINCERE = "sincere_ai"


@dataclass(frozen=True)
class Manner:
    """How somebody talks: temperament, way of typing (see ``typing_style``), language."""

    temperament: str = "friendly"
    typing: str = "careful"
    language: str = "English"


@dataclass(frozen=True)
class Outline:
    """User lines in their order; ``id``, ``group`` and ``category`` become the dialogue's.

    ``opening`` is what the character says before anybody speaks to it. ``sincere`` holds the
    positions of lines that sincerely ask whether an AI is speaking. ``loose`` lines were put together and
    do not build on each other: one that gets no good reply is left out instead of ending the dialogue.

    ``facts`` names, line by line, the fact that is asked for (``""``: none); where it is empty, questions
    of the sheet are recognised by their words. At ``premises`` the line states something wrong about its
    fact. Lines at ``follows`` take up the one before, and are left out with it. Lines at ``free`` may be
    said otherwise by a model that plays the user; an empty one is said only by such a model. ``manner``
    says how this user is. The first ``student_turns`` replies are the student's.
    """

    id: str
    group: str
    category: str
    lines: tuple[Message, ...]
    opening: tuple[Message, ...] = ()
    sincere: frozenset[int] = frozenset()
    loose: bool = False
    facts: tuple[str, ...] = ()
    premises: frozenset[int] = frozenset()
    follows: frozenset[int] = frozenset()
    free: frozenset[int] = frozenset()
    manner: Manner = Manner()
    student_turns: int = 0


def outlines_of(dialogues: Iterable[Dialogue], discloses: Callable[[str], bool]) -> list[Outline]:
    """The user sides of dialogues; the character's replies in them are left out.

    Args:
        discloses: Whether a reply says that an AI is speaking. In dialogues of the category
            ``sincere_ai`` it tells which lines asked for that.
    """
    outlines = (_outline(dialogue, discloses) for dialogue in dialogues)
    return [outline for outline in outlines if outline.lines]


def _outline(dialogue: Dialogue, discloses: Callable[[str], bool]) -> Outline:
    opening: list[Message] = []
    lines: list[Message] = []
    disclosed: set[int] = set()
    last_role = ""
    for message in dialogue.messages:
        if message.role == "user":
            if last_role == "user":
                lines[-1] = Message("user", f"{lines[-1].content}\n{message.content}", lines[-1].speaker)
            else:
                lines.append(Message("user", message.content, message.speaker))
        elif message.role == "assistant" and not lines:
            opening.append(message)
        elif message.role == "assistant" and discloses(message.content):
            disclosed.add(len(lines) - 1)
        last_role = message.role if message.role != "system" else last_role
    if dialogue.category != SINCERE:
        disclosed = set()
    elif not disclosed and lines:
        disclosed = {len(lines) - 1}
    return Outline(
        dialogue.id, dialogue.group, dialogue.category, tuple(lines), tuple(opening), frozenset(disclosed)
    )


def choose_outlines(outlines: Sequence[Outline], count: int, seed: int) -> list[Outline]:
    """At most ``count`` outlines in their order, spread over the categories; fewer are part of more."""
    categories: dict[str, list[Outline]] = defaultdict(list)
    for outline in sorted(outlines, key=lambda o: _place(seed, o.id)):
        categories[outline.category].append(outline)
    # Each category in proportion: the n-th of a category of m comes at n/m of the way.
    ranked = sorted(
        (
            ((number + 0.5) / len(members), _place(seed, outline.id), outline.id)
            for members in categories.values()
            for number, outline in enumerate(members)
        )
    )
    chosen = {identity for *_, identity in ranked[:count]}
    return [outline for outline in outlines if outline.id in chosen][:count]


def _place(seed: int, identity: str) -> str:
    return hashlib.sha256(f"{seed}\x1f{identity}".encode()).hexdigest()
