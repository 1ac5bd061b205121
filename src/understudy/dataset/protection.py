"""Protection: truthful answers to sincere questions, for characters whose own dialogues hold none."""

import random
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from understudy.character.character import Character
from understudy.dialogue import Dialogue, Message
from understudy.dialogue.language import is_other_language

__all__ = ["CATEGORY", "CONTRAST", "protective_dialogues"]

SHARE = 0.1
"""Of the training dialogues. A script teaches no answer to "am I talking to a computer?", and tuning on it
alone takes away the base model's; docs/results.md has the figures with and without."""
FEWEST = 8
FEWEST_TRAINING = 10
"""Below, there is no character yet that could be protected."""
SHOWN_CHARACTERS = 20_000
CATEGORY, CONTRAST = "sincere_ai", "in_fiction_identity"
CONTRASTS = 2
"""Teasing questions to each sincere one. Without them a miniature called itself an AI in half of the play."""
_OF_ITSELF = re.compile(r"(?:I|I'\w+|My|We)\b")


@cache
def _lines() -> dict[str, Any]:
    text = (files("understudy.dataset") / "data" / "sincere_answers.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def protective_dialogues(character: Character, training: Sequence[Dialogue], seed: int) -> list[Dialogue]:
    """Single exchanges: somebody sincerely asks and is told the truth, or teases and is answered in the role.

    None where the sheet wants the character to stay in its role even then (``in_character``), where any of
    the dialogues is such an exchange (what a person wrote is better than what is shipped), where it does
    not speak English, and where there is next to nothing to train on.

    Args:
        training: The character's own dialogues of the training split; the number is a share of them. One
            that is held out teaches nothing, and does not count.
        seed: Decides which questions meet which answers.
    """
    if character.policies.disclosure == "in_character" or any(d.category == CATEGORY for d in training):
        return []
    if len(training) < FEWEST_TRAINING or is_other_language(_spoken(training), "English"):
        return []
    rng = random.Random(f"protection {seed}")
    count = max(FEWEST, round(SHARE * len(training)))
    lines = _lines()
    sincere = _exchanges(character, lines["questions"], lines["answers"], CATEGORY, count, rng)
    own = _lines_about_itself(training)
    return [*sincere, *_exchanges(character, lines["teasing"], own, CONTRAST, CONTRASTS * count, rng)]


def _lines_about_itself(dialogues: Sequence[Dialogue]) -> list[str]:
    """Short lines in which the character speaks of itself."""
    replies = (dialogue.messages[i].content for dialogue in dialogues for i in dialogue.replies())
    found = [text for text in replies if _OF_ITSELF.match(text) and 4 <= len(text.split()) <= 20]
    return list(dict.fromkeys(found))


def _exchanges(
    character: Character,
    questions: Sequence[str],
    answers: Sequence[str],
    category: str,
    most: int,
    rng: random.Random,
) -> list[Dialogue]:
    asked, told = list(questions), list(answers)
    rng.shuffle(asked)
    rng.shuffle(told)
    if not told:
        return []
    return [
        Dialogue(
            f"shipped/{category}/{number + 1}",
            f"shipped/{category}/{number + 1}",
            (
                Message("user", question.replace("{name}", character.name)),
                Message("assistant", told[number % len(told)].replace("{name}", character.name)),
            ),
            category,
            "sincere_answers.yaml",
        )
        for number, question in enumerate(asked[:most])
    ]


def _spoken(dialogues: Sequence[Dialogue]) -> str:
    lines = (dialogue.messages[i].content for dialogue in dialogues for i in dialogue.replies())
    return " ".join(lines)[:SHOWN_CHARACTERS]
