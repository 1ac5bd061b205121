"""Truth: where somebody sincerely asks, the truthful line is better than the play.

Pairs against the untuned model's disclaimers, none of which asks sincerely, took the honest answer away as
well; docs/results.md has the figures with and without these. Nobody is asked for them.
"""

import random
from collections.abc import Collection, Sequence

from understudy.character.character import Character
from understudy.dataset.disclaimer import find_disclaimer
from understudy.dataset.protection import CATEGORY, CONTRAST, lines_about_itself, protective_dialogues
from understudy.dialogue import Dialogue
from understudy.dialogue.preference import Preference, preference_id

__all__ = ["TRUTH_SHARE", "truthful_pairs"]

TRUTH_SHARE = 0.25
"""Of the pairs about the play: one truthful pair to every four."""
SOURCE = "rejected: the character's own line from the play"


def truthful_pairs(
    character: Character, dialogues: Sequence[Dialogue], held_out: Collection[str], count: int, seed: int
) -> list[Preference]:
    """At most ``count`` pairs: the answer to a sincere question, preferred to a line that stays in the play.

    The answers are the character's own in category ``sincere_ai``; where it has none, those that
    ``build`` would add. None where the sheet wants the character to stay in its role even then.

    Args:
        held_out: Groups whose lines must not be learned.
        seed: Decides which answer meets which line.
    """
    if character.policies.disclosure == "in_character":
        return []
    training = [dialogue for dialogue in dialogues if dialogue.group not in held_out]
    shipped = protective_dialogues(character, dialogues, training, seed)
    asked = [d for d in (*training, *shipped) if d.category == CATEGORY]
    teased = [d for d in (*training, *shipped) if d.category == CONTRAST]
    played = [text for text in _replies(teased) if find_disclaimer(text) is None]
    played = played or [t for t in lines_about_itself(training) if find_disclaimer(t) is None]
    rng = random.Random(f"truth {seed}")
    rng.shuffle(asked)
    rng.shuffle(played)
    found: dict[str, Preference] = {}
    for dialogue in asked:
        for position in dialogue.replies():
            reply = dialogue.messages[position]
            before = tuple(m for m in dialogue.messages[:position] if m.role != "system")
            if len(found) == count or not played:
                return list(found.values())
            if not before or reply.weight == 0 or find_disclaimer(reply.content) is None:
                continue
            chosen, rejected = reply.content.strip(), played[len(found) % len(played)].strip()
            identity = preference_id(before, chosen, rejected)
            found[identity] = Preference(identity, dialogue.group, before, chosen, rejected, SOURCE)
    return list(found.values())


def _replies(dialogues: Sequence[Dialogue]) -> list[str]:
    said = (d.messages[position].content.strip() for d in dialogues for position in d.replies())
    return [text for text in dict.fromkeys(said) if text]
