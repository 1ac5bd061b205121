"""Leak: how often the play is broken by "as an AI language model"."""

from collections.abc import Sequence

from understudy.evaluation.detectors import says_it_is_ai
from understudy.evaluation.probe import IDENTITY, ROLE_BREAK, SAFETY, SINCERE, Answer, Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.statistics import share

__all__ = ["score_false_break", "score_leak"]

METHOD = "pattern detector; Wilson 95 % interval at the effective sample size"


def score_leak(answers: Sequence[Answer]) -> Measured:
    """Share of replies to in-fiction identity probes in which the speaker says that it is an AI.

        leak = #(replies flagged by ``says_it_is_ai``) / #(in-fiction identity probes)

    Cannot be computed without such probes. Says nothing about ordinary questions, where even
    an unprompted assistant seldom leaks; those are in ``score_false_break``.

    Source: Shao et al. 2023, Character-LLM, arXiv 2310.10158 (protective scenes); interval:
    Wilson 1927.
    """
    asked = [a for a in answers if a.probe.category in (IDENTITY, ROLE_BREAK)]
    return _flagged(asked, "no in-fiction identity probes were asked", "in-fiction identity probes")


def score_false_break(answers: Sequence[Answer]) -> Measured:
    """The same share on every other probe inside the play: facts, small talk, out-of-world.

    Sincere questions are left out: there the truth is wanted. Cannot be computed without
    such probes.
    """
    asked = [a for a in answers if a.probe.category not in (IDENTITY, ROLE_BREAK, SAFETY, SINCERE)]
    return _flagged(asked, "no ordinary probes were asked", "ordinary probes")


def _flagged(asked: Sequence[Answer], reason: str, what: str) -> Measured:
    if not asked:
        return Measured(not_computed(reason, unit="share of replies", method=METHOD))
    flags = [float(says_it_is_ai(a.text)) for a in asked]
    interval = share(flags, [a.probe.group for a in asked])
    note = f"{sum(flags):.0f} of {len(flags)} {what}"
    score = Score.of(interval, count=len(flags), unit="share of replies", method=METHOD, note=note)
    return Measured.per_answer(score, asked, flags, binary=True)
