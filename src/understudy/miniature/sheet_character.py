"""A drawn sheet as the character that Understudy's own commands read, with its facts' questions."""

import random
from collections.abc import Sequence

from understudy.character import Character
from understudy.character.character import Crisis, Fact, OutOfWorld, Policies
from understudy.miniature.facts import Fact as SheetFact
from understudy.miniature.lexicon import Split, fill, plural
from understudy.miniature.sheets import Sheet
from understudy.miniature.tones import voice_lines

__all__ = ["sheet_character"]

CRISIS_SHARE = 0.7


def sheet_character(
    sheet: Sheet,
    rng: random.Random,
    *,
    tone: Sequence[str] | None = None,
    stated: Sequence[str] | None = None,
    guidelines: Sequence[str] = (),
    questions: Split | None = None,
) -> Character:
    """The character of ``sheet``.

    Args:
        stated: The facts' statements, in order; without them, they are drawn.
        questions: Split whose wordings become the questions of the facts; without it, there are none.
    """
    crisis = Crisis(handling="refer") if rng.random() < CRISIS_SHARE else Crisis(handling="none")
    facts = [
        Fact(
            id=f"{fact.kind.key}-{number}",
            statement=stated[number] if stated is not None else fact.statement(rng),
            questions=_questions(fact, questions, rng) if questions else [],
            expected=[fact.value],
        )
        for number, fact in enumerate(sheet.facts)
    ]
    return Character(
        name=sheet.name,
        tone=list(tone if tone is not None else voice_lines(sheet.voice, rng)),
        guidelines=list(guidelines),
        facts=facts,
        out_of_world=[OutOfWorld(topic=plural(topic)) for topic in sheet.unknown],
        policies=Policies.model_validate({"disclosure": sheet.disclosure, "crisis": crisis}),
    )


def _questions(fact: SheetFact, split: Split, rng: random.Random) -> list[str]:
    """One question in each wording of ``split``, without doubles."""
    asked = (fill(text, fact.slots, rng) for text in fact.kind.wordings(split))
    return list(dict.fromkeys(asked))
