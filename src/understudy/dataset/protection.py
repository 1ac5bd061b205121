"""Protection: truthful answers to sincere questions, for characters whose own dialogues hold none."""

import random
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from understudy.character.character import Character
from understudy.dialogue import Dialogue, Message
from understudy.dialogue.language import is_other_language

__all__ = ["protective_dialogues"]

SHARE = 0.15
"""Of the training dialogues. A script teaches no answer to "am I talking to a computer?", and tuning on it
alone takes away the base model's; docs/results.md has the figures with and without."""
FEWEST = 8
FEWEST_TRAINING = 10
"""Below, there is no character yet that could be protected."""
SHOWN_CHARACTERS = 20_000
CATEGORY = "sincere_ai"


@cache
def _lines() -> dict[str, Any]:
    text = (files("understudy.dataset") / "data" / "sincere_answers.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def protective_dialogues(
    character: Character, dialogues: Sequence[Dialogue], training: Sequence[Dialogue], seed: int
) -> list[Dialogue]:
    """Single exchanges in which somebody sincerely asks and is told the truth.

    None where the sheet wants the character to stay in its role even then (``in_character``), where any of
    its own dialogues is such an exchange (what a person wrote is better than what is shipped), where it does
    not speak English, and where there is next to nothing to train on.

    Args:
        dialogues: All of the character's own.
        training: Those of the training split; the number is a share of them.
        seed: Decides which questions meet which answers.
    """
    if character.policies.disclosure == "in_character" or any(d.category == CATEGORY for d in dialogues):
        return []
    if len(training) < FEWEST_TRAINING or is_other_language(_spoken(training), "English"):
        return []
    rng = random.Random(f"protection {seed}")
    lines = _lines()
    questions, answers = list(lines["questions"]), list(lines["answers"])
    rng.shuffle(questions)
    rng.shuffle(answers)
    count = min(len(questions), max(FEWEST, round(SHARE * len(training))))
    return [
        Dialogue(
            f"shipped/sincere/{number + 1}",
            f"shipped/sincere/{number + 1}",
            (
                Message("user", question.replace("{name}", character.name)),
                Message("assistant", answers[number % len(answers)].replace("{name}", character.name)),
            ),
            CATEGORY,
            "sincere_answers.yaml",
        )
        for number, question in enumerate(questions[:count])
    ]


def _spoken(dialogues: Sequence[Dialogue]) -> str:
    lines = (dialogue.messages[i].content for dialogue in dialogues for i in dialogue.replies())
    return " ".join(lines)[:SHOWN_CHARACTERS]
