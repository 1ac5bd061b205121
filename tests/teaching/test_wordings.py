"""Further wordings of a sheet's questions: right, without answers, and never one that the evaluation asks."""

import random
import re
from importlib import resources
from pathlib import Path

import pytest

from understudy.character import load_character
from understudy.character.character import Character, Fact
from understudy.evaluation.words import near_duplicates
from understudy.miniature import draw_sheet
from understudy.miniature.facts import fact_kinds
from understudy.miniature.sheet_character import sheet_character
from understudy.teaching.drafting import asked_questions, reserved_questions, scripted_questions
from understudy.teaching.wordings import more_wordings

OPHELIA = Path(str(resources.files("understudy") / "examples/ophelia/character.yaml"))


def wordings(*questions: str, expected: str = "Ada", name: str = "Iroh") -> list[str]:
    fact = Fact(
        id="f", statement=f"The answer is {expected}.", questions=list(questions), expected=[expected]
    )
    character = Character(name=name, facts=[fact])
    found = more_wordings(character, scripted_questions(character), reserved_questions(character))
    return found.get("f", [])


@pytest.mark.parametrize(
    ("question", "one_of_them"),
    [
        ("Who is your brother?", "What is your brother called?"),
        ("Iroh, who is your brother?", "What is your brother called?"),
        ("How old are you, Iroh?", "What's your age?"),
        ("where do you live", "Where is your home?"),
        ("Which element do you bend?", "Tell me which element you bend."),
        ("What is your tea shop called?", "Tell me what your tea shop is called."),
        ("Where is the great gate?", "Can you tell me where the great gate is?"),
        ("What can you bend?", "I would like to know what you can bend."),
        ("On what do you sleep?", "Tell me on what you sleep."),
    ],
)
def test_a_question_lends_its_fact_other_wordings(question, one_of_them):
    assert one_of_them in wordings(question)


@pytest.mark.parametrize(
    "question",
    [
        "Is there a ghost in your castle?",
        "What was your granny when she was young?",
        "",
        "???",
        "{name}?",
        "(a|b",
    ],
)
def test_what_is_not_understood_lends_none(question):
    assert wordings(question) == []


def test_a_slot_takes_only_words_of_its_kind():
    assert not any("submarine" in line and "relative" in line for line in wordings("Who is your submarine?"))
    assert wordings("Who is your submarine?") == [
        "Tell me who your submarine is.",
        "Can you tell me who your submarine is?",
        "I would like to know who your submarine is.",
    ]


def test_no_wording_tells_the_answer_or_is_nearly_a_probe():
    character = load_character(OPHELIA)
    scripted, reserved = scripted_questions(character), reserved_questions(character)
    found = more_wordings(character, scripted, reserved)
    assert len(found) >= 25
    answers = {fact.id: [text.casefold() for text in fact.expected] for fact in character.facts}
    for fact, lines in found.items():
        assert len(lines) <= 6
        assert not any(answer in line.casefold() for line in lines for answer in answers[fact])
        assert not re.search(r"[{}|()]", " ".join(lines))
    together = [line for lines in found.values() for line in lines]
    assert not near_duplicates(together, reserved)
    assert len(set(together)) == len(together)


def test_the_same_sheet_gives_the_same_wordings_and_keeps_its_own_first():
    character = load_character(OPHELIA)
    asked, scripted = asked_questions(character), scripted_questions(character)
    assert asked == asked_questions(character)
    assert all(asked[fact][: len(lines)] == lines for fact, lines in scripted.items())


def test_questions_of_the_generator_are_taken_for_their_own_kind():
    rng = random.Random("kinds")
    keys = {kind.key: kind for kind in fact_kinds()}
    right = wrong = 0
    for _ in range(20):
        sheet = draw_sheet(rng, 12)
        character = sheet_character(sheet, rng, questions="held_out")
        found = more_wordings(character, scripted_questions(character), [])
        for drawn, fact in zip(sheet.facts, character.facts, strict=True):
            lines = [
                line for line in found.get(fact.id, []) if not line.startswith(("Tell", "Can", "I would"))
            ]
            if not lines or drawn.kind.key not in keys:
                continue
            own = {re.sub(r"\W", "", text).lower() for text in _filled(drawn)}
            fits = sum(re.sub(r"\W", "", line).lower() in own for line in lines)
            right += 2 * fits >= len(lines)
            wrong += 2 * fits < len(lines)
    assert right > 60
    assert wrong <= right // 10


def _filled(fact) -> list[str]:
    from understudy.miniature.lexicon import expansions, fill

    rng = random.Random(0)
    return [fill(text, fact.slots, rng) for template in fact.kind.questions for text in expansions(template)]
