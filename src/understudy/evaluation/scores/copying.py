"""Copying: are the replies the character's, or recitations of training lines?"""

from collections.abc import Sequence

from understudy.evaluation.probe import Answer, Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.scores.asked import ordinary
from understudy.evaluation.statistics import share
from understudy.evaluation.words import words

__all__ = ["TrainingText", "score_copying"]

SEED = 4
FEWEST_WORDS = 6
MOSTLY = 0.8
UNIT = "share of replies"
METHOD = f"longest run of words shared with one training line is {MOSTLY:.0%} of the reply or more; Wilson"


class TrainingText:
    """The training lines, indexed by their runs of four words."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = [words(line) for line in dict.fromkeys(lines)]
        self._starts: dict[tuple[str, ...], list[tuple[int, int]]] = {}
        for number, tokens in enumerate(self._lines):
            for start in range(len(tokens) - SEED + 1):
                self._starts.setdefault(tuple(tokens[start : start + SEED]), []).append((number, start))

    def longest_shared(self, reply: str) -> int:
        """Words in the longest run that the reply shares with one training line; 0 below four."""
        tokens = words(reply)
        longest, start = 0, 0
        while start <= len(tokens) - max(SEED, longest + 1):
            for number, place in self._starts.get(tuple(tokens[start : start + SEED]), ()):
                longest = max(longest, _run(tokens, start, self._lines[number], place))
            start += 1
        return longest


def _run(left: list[str], i: int, right: list[str], j: int) -> int:
    size = 0
    while i + size < len(left) and j + size < len(right) and left[i + size] == right[j + size]:
        size += 1
    return size


def score_copying(answers: Sequence[Answer], training: TrainingText | None) -> Measured:
    """Share of replies that are mostly one run of words from one training line.

        copied  ⇔  longest shared run of words ≥ 0.8 · words of the reply,  replies of six words or more

    Facts are left out, because there the trained words are right. The note gives the longest shared
    run. Untuned arms copy by chance alone: what they get is the floor. Cannot be computed without
    training lines.

    Source: longest common substring with training data as in Carlini et al. 2023, arXiv 2202.07646.
    """
    asked = [
        a for a in ordinary(answers) if a.probe.category != "fact" and len(words(a.text)) >= FEWEST_WORDS
    ]
    if training is None or not asked:
        reason = "no training lines" if training is None else f"no reply of {FEWEST_WORDS} words or more"
        return Measured(not_computed(reason, unit=UNIT, method=METHOD))
    runs = [training.longest_shared(a.text) for a in asked]
    flags = [float(run >= MOSTLY * len(words(a.text))) for run, a in zip(runs, asked, strict=True)]
    note = f"{sum(flags):.0f} of {len(flags)}; longest shared run {max(runs)} words, median {_median(runs)}"
    interval = share(flags, [a.probe.group for a in asked])
    score = Score.of(interval, count=len(flags), unit=UNIT, method=METHOD, note=note)
    return Measured.per_answer(score, asked, flags, binary=True)


def _median(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]
