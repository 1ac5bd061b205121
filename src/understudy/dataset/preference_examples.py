"""Preference examples: pairs of replies in OpenAI's preference format, none of which teaches to lie."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from understudy.character.character import Character
from understudy.dataset.disclaimer import find_disclaimer, may_leave_role
from understudy.dataset.near_duplicate import normalize_line
from understudy.dialogue.dialogue import Message
from understudy.dialogue.preference import Preference

__all__ = ["asks_sincerely", "may_be_learned", "preference_examples"]

# A sincere question is still open in the line after its answer: "Seriously?"
OPEN_LINES = 2


def asks_sincerely(messages: Sequence[Message]) -> bool:
    """Whether somebody may sincerely want to know what they talk with, or is in danger."""
    asked = [message.content for message in messages if message.role == "user"][-OPEN_LINES:]
    return any(map(may_leave_role, asked))


def may_be_learned(preference: Preference) -> bool:
    """Whether a pair teaches no lie: where somebody asks sincerely, only a reply that tells may be better."""
    return not asks_sincerely(preference.messages) or find_disclaimer(preference.chosen) is not None


def preference_examples(
    preferences: Iterable[Preference],
    character: Character,
    groups: Mapping[str, str],
    held_out: Iterable[str],
    left_out: Counter[str],
) -> list[dict[str, Any]]:
    """Training rows ``{"input", "preferred_output", "non_preferred_output"}`` under the identity prompt.

    Args:
        preferences: All pairs of the character.
        character: Brings the short prompt of the deployed model.
        groups: Split of each group of dialogues.
        held_out: Replies of held-out dialogues; a pair that prefers one of them is not learned.
        left_out: Counts by reason; added to.
    """
    hidden = {normalize_line(text) for text in held_out}
    rows = []
    for preference in preferences:
        if groups.get(preference.group, "training") != "training" or (
            normalize_line(preference.chosen) in hidden
        ):
            left_out["held out"] += 1
        elif preference.messages[-1].role != "user":
            left_out["no line to reply to"] += 1
        elif not may_be_learned(preference):
            left_out["would teach to lie to a sincere question"] += 1
        else:
            rows.append(_row(preference, character))
    return rows


def _row(preference: Preference, character: Character) -> dict[str, Any]:
    messages = [message.as_chat() for message in preference.messages if message.role != "system"]
    prompt = character.identity_prompt
    system = [{"role": "system", "content": prompt}] if prompt else []
    return {
        "input": {"messages": [*system, *messages]},
        "preferred_output": [{"role": "assistant", "content": preference.chosen.strip()}],
        "non_preferred_output": [{"role": "assistant", "content": preference.rejected.strip()}],
    }
