"""Length: are the replies as long as the character's own?"""

import math
from collections.abc import Sequence

import numpy as np

from understudy.evaluation.probe import SINCERE, Answer, Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.statistics import Interval, bootstrap_mean
from understudy.evaluation.words import words

__all__ = ["score_length"]

METHOD = "geometric mean of words per reply / words of the real reply; cluster bootstrap"
FEWEST = 5


def score_length(answers: Sequence[Answer], real_replies: Sequence[str] = (), seed: int = 0) -> Measured:
    """Ratio of reply length to the real replies', 1 being as long.

        ratio = exp( mean over probes of log((1 + words of reply) / (1 + words of real reply)) )

    Paired where the real reply to the same question is known; with fewer than five such probes,
    the lengths of all replies are set against the mean log length of ``real_replies``. Cannot be
    computed where neither is known. ``Measured.values`` holds the logarithms.
    """
    paired = [a for a in answers if a.probe.reference and a.probe.category not in (SINCERE, "drift")]
    note = "paired with the real replies to the same questions"
    if len(paired) >= FEWEST:
        logs = [_log(a.text) - _log(a.probe.reference or "") for a in paired]
    else:
        paired = [a for a in answers if a.probe.category not in (SINCERE, "drift")]
        if not paired or not real_replies:
            return Measured(not_computed("no real replies to compare with", unit="ratio", method=METHOD))
        usual = float(np.mean([_log(reply) for reply in real_replies]))
        logs = [_log(a.text) - usual for a in paired]
        note = "against the mean length of the real replies to other questions"
    interval = _exponential(bootstrap_mean(logs, [a.probe.group for a in paired], seed=seed))
    score = Score.of(interval, count=len(paired), unit="ratio", method=METHOD, note=note)
    return Measured.per_answer(score, paired, logs)


def _log(text: str) -> float:
    return math.log(1 + len(words(text)))


def _exponential(interval: Interval) -> Interval:
    value, low, high = (
        None if v is None else math.exp(v) for v in (interval.value, interval.low, interval.high)
    )
    return Interval(value, low, high)
