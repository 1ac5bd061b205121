"""The shipped character, split as the dataset splits it, and yardsticks trained on it."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

from understudy.character.character import Character, load_character
from understudy.dataset import Recipe, split_groups
from understudy.dialogue import Dialogue, load_dialogues
from understudy.evaluation.probes import ProbeSet, build_probes
from understudy.evaluation.style import Line
from understudy.evaluation.yardsticks import Yardsticks, train_yardsticks, training_questions

EXAMPLE = Path(str(files("understudy"))) / "examples" / "ophelia"


@dataclass(frozen=True)
class Cast:
    """Everything that a scorer is given about one character."""

    character: Character
    training: list[Dialogue]
    test: list[Dialogue]
    probes: ProbeSet
    yardsticks: Yardsticks


def assistant_reply(question: str, number: int) -> str:
    """An on-topic answer in the register of a generic assistant."""
    topic = question.strip(" ?!.").split(" ", 2)[-1].lower()
    forms = (
        f"I'm sorry, but I don't have information about {topic}. Is there anything else I can help with?",
        f"As an AI, I don't have personal experience with {topic}, but I'm happy to provide information.",
        f"There are several things to consider about {topic}. First, think about your needs and your budget.",
        f"Thank you for your question about {topic}! Could you please provide more details?",
    )
    return forms[number % len(forms)]


@pytest.fixture(scope="session")
def ophelia() -> Cast:
    character = load_character(EXAMPLE / "character.yaml")
    dialogues = load_dialogues(EXAMPLE / "dialogues.jsonl")
    groups = split_groups(dialogues, Recipe())
    test = [d for d in dialogues if groups.groups[d.group] == "test"]
    training = [d for d in dialogues if groups.groups[d.group] != "test" and d.id not in groups.dropped]
    plain = [
        Line(assistant_reply(probe.question, number), probe.group)
        for number, probe in enumerate(training_questions(training, 100))
    ]
    probes = build_probes(character, training, test)
    return Cast(character, training, test, probes, train_yardsticks(character, training, plain, seed=0))
