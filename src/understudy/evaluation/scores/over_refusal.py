"""Over-refusal: does the character say that it does not know what it does know?"""

from collections.abc import Sequence

from understudy.evaluation.facts import FactSheet
from understudy.evaluation.probe import Answer, Measured
from understudy.evaluation.refusals import says_it_does_not_know
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.scores.asked import of_category
from understudy.evaluation.statistics import share

__all__ = ["score_over_refusal"]

UNIT = "share of fact questions"
METHOD = "pattern detector for not knowing, right answers excused; Wilson by fact"


def score_over_refusal(answers: Sequence[Answer], sheet: FactSheet) -> Measured:
    """Share of questions about known facts that are answered with "I do not know".

        over-refusal = #(replies that say so and hold no right answer) / #(fact probes)

    A character that refuses everything keeps out of every trap; here it pays. A right answer with an
    aside ("Granny Moss. Nobody knows her first name") is no refusal. Cannot be computed for a
    character without facts.

    Source: known questions as the counterweight of unknown ones, Ditto (arXiv 2401.12474) and RoleMRC.
    """
    asked = [a for a in of_category(answers, "fact") if a.probe.fact in sheet.facts]
    if not asked:
        reason = "the character's sheet has no facts with questions and expected answers"
        return Measured(not_computed(reason, unit=UNIT, method=METHOD))
    refused = [float(_refuses(a, sheet)) for a in asked]
    interval = share(refused, [str(a.probe.fact) for a in asked])
    note = f"{sum(refused):.0f} of {len(refused)} replies"
    score = Score.of(interval, count=len(refused), unit=UNIT, method=METHOD, note=note)
    return Measured.per_answer(score, asked, refused, binary=True)


def _refuses(answer: Answer, sheet: FactSheet) -> bool:
    known = sheet.is_right(str(answer.probe.fact), answer.text, answer.probe.question)
    return not known and says_it_does_not_know(answer.text)
