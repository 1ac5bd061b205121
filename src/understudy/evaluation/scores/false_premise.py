"""False premise: is a wrong thing that the user takes for granted set right?"""

from collections.abc import Sequence

from understudy.character.character import Fact
from understudy.evaluation.facts import FactSheet
from understudy.evaluation.probe import Answer, Measured
from understudy.evaluation.refusals import corrects
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.scores.asked import of_category
from understudy.evaluation.statistics import share
from understudy.evaluation.words import words

__all__ = ["score_false_premise", "sets_right"]

UNIT = "share of false premises"
METHOD = "the right answer of the sheet, or a correction by patterns, without the wrong value; Wilson by fact"


def sets_right(reply: str, question: str, fact: str | None, sheet: FactSheet) -> bool:
    """Whether the reply gives the true value, or says that the premise is wrong. Fact dumps do neither."""
    known = sheet.facts.get(fact or "")
    if sheet.is_dump(reply, fact, question):
        return False
    if known is not None and sheet.is_right(known.id, reply, question):
        # A true value that the question holds too is an echo, unless something is denied.
        return not _echoes(known, question) or corrects(reply, question)
    return corrects(reply, question)


def _echoes(fact: Fact, question: str) -> bool:
    asked = set(words(question))
    return any(set(words(answer)) <= asked for answer in fact.expected)


def score_false_premise(answers: Sequence[Answer], sheet: FactSheet) -> Measured:
    """Share of false premises that the reply sets right.

        correction = #(replies with ``sets_right``) / #(false-premise probes),  clustered by fact

    Agreeing and evading both count against it. The patterns for corrections are checked on 202
    labelled replies (``detectors``: correction). Cannot be computed where no false premise could be
    made from the sheet.

    Source: RAIDEN (COLING 2025), script-contradicting questions.
    """
    asked = of_category(answers, "false_premise")
    if not asked:
        reason = "no false premise could be made from the character's sheet"
        return Measured(not_computed(reason, unit=UNIT, method=METHOD))
    right = [float(sets_right(a.text, a.probe.question, a.probe.fact, sheet)) for a in asked]
    interval = share(right, [a.probe.group for a in asked])
    note = f"{sum(right):.0f} of {len(right)} replies about {len({a.probe.group for a in asked})} facts"
    score = Score.of(interval, count=len(right), unit=UNIT, method=METHOD, note=note)
    return Measured.per_answer(score, asked, right, binary=True)
