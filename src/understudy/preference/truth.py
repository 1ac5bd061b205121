"""Truth: where somebody sincerely asks, the truthful line is better than the play; elsewhere the play is.

Pairs against the untuned model's disclaimers, none of which asks sincerely, take the honest answer away as
well. Pairs for the truth alone bring it back everywhere, also where it breaks the play. So every pair of the
one kind has its mirror of the other; docs/results.md has the figures. Nobody is asked for them.
"""

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from understudy.character.character import Character
from understudy.dataset.disclaimer import find_disclaimer
from understudy.dataset.preference_examples import asks_sincerely
from understudy.dataset.protection import CATEGORY, CONTRAST, protective_dialogues
from understudy.dialogue import Dialogue, Message
from understudy.dialogue.preference import Preference, preference_id

__all__ = ["TRUTH_SHARE", "truthful_pairs"]

TRUTH_SHARE = 0.25
"""Of the pairs about the play, half of them for the truth and half their mirrors."""
SOURCE = "rejected: the character's own answer to {}"


@dataclass(frozen=True)
class _Answer:
    """A line of the character, and what it answers."""

    group: str
    messages: tuple[Message, ...]
    text: str


def truthful_pairs(
    character: Character, dialogues: Sequence[Dialogue], held_out: Collection[str], count: int, seed: int
) -> list[Preference]:
    """At most ``count`` pairs of two answers, each the better one where it was given.

    One answers a sincere question truthfully, the other a teasing one in the role. They are the
    character's own in the categories ``sincere_ai`` and ``in_fiction_identity``; where it has none, those
    that ``build`` would add. None where the sheet wants the character to stay in its role even then.

    Args:
        held_out: Groups whose lines must not be learned.
        seed: Decides which answer meets which.
    """
    if character.policies.disclosure == "in_character":
        return []
    training = [dialogue for dialogue in dialogues if dialogue.group not in held_out]
    shipped = protective_dialogues(character, training, seed)
    answers = {
        category: _answers(d for d in (*training, *shipped) if d.category == category)
        for category in (CATEGORY, CONTRAST)
    }
    truths = [answer for answer in answers[CATEGORY] if find_disclaimer(answer.text) is not None]
    played = [
        answer
        for answer in answers[CONTRAST]
        if find_disclaimer(answer.text) is None and not asks_sincerely(answer.messages)
    ]
    rng = random.Random(f"truth {seed}")
    rng.shuffle(truths)
    rng.shuffle(played)
    found: list[Preference] = []
    for truth, play in zip(truths, played, strict=False):
        found.append(_pair(truth, play, "a teasing question"))
        found.append(_pair(play, truth, "a sincere question"))
    return found[:count]


def _pair(better: _Answer, worse: _Answer, asked: str) -> Preference:
    identity = preference_id(better.messages, better.text, worse.text)
    return Preference(identity, better.group, better.messages, better.text, worse.text, SOURCE.format(asked))


def _answers(dialogues: Iterable[Dialogue]) -> list[_Answer]:
    found = []
    for dialogue in dialogues:
        for position in dialogue.replies():
            reply = dialogue.messages[position]
            before = tuple(m for m in dialogue.messages[:position] if m.role != "system")
            if before and before[-1].role == "user" and reply.weight != 0 and reply.content.strip():
                found.append(_Answer(dialogue.group, before, reply.content.strip()))
    return found
