"""Unknown: does the character keep what it knows apart from what it cannot know?"""

from collections.abc import Sequence

import numpy as np

from understudy.evaluation.facts import FactSheet
from understudy.evaluation.probe import Answer, Measured
from understudy.evaluation.refusals import says_it_does_not_know
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.scores.asked import of_category
from understudy.evaluation.statistics import bootstrap_statistic

__all__ = ["real_lines_say_so", "score_unknown"]

UNIT = "F1 of not knowing"
METHOD = "not knowing by patterns, out-of-world questions against known facts; bootstrap over groups"
FEWEST_SAY_SO = 0.5
FEWEST_LINES = 5


def real_lines_say_so(out_of_world_lines: Sequence[str]) -> float | None:
    """Share of the character's own out-of-world replies in which the patterns see not knowing."""
    if len(out_of_world_lines) < FEWEST_LINES:
        return None
    return float(np.mean([says_it_does_not_know(line) for line in out_of_world_lines]))


def score_unknown(
    answers: Sequence[Answer], sheet: FactSheet, real_share: float | None = None, seed: int = 0
) -> Measured:
    """F1 of "I do not know": right on out-of-world questions, wrong on known facts.

        precision = #(out-of-world, says so) / #(says so)
        recall = #(out-of-world, says so) / #(out-of-world)
        F1 = 2 · precision · recall / (precision + recall)

    Saying so everywhere does not help, because the facts count against it. Some characters never
    say that they do not know: they guess merrily and wrongly. Where the patterns find not knowing in
    fewer than half of the character's own replies to such questions (``real_share``), the score
    cannot be computed, and it says so. Nor can it without both kinds of questions.

    Source: refusal of unknown against known questions, Ditto, arXiv 2401.12474; TimeChara, arXiv 2405.18027.
    """
    outside = of_category(answers, "out_of_world")
    known = [a for a in of_category(answers, "fact") if a.probe.fact in sheet.facts]
    if not outside or not known:
        reason = "needs both out-of-world questions and questions about known facts"
        return Measured(not_computed(reason, unit=UNIT, method=METHOD))
    if real_share is not None and real_share < FEWEST_SAY_SO:
        reason = (
            f"this character meets what it does not know in other words: the patterns find not knowing in "
            f"{real_share:.0%} of its own replies to such questions"
        )
        return Measured(not_computed(reason, unit=UNIT, method=METHOD))
    rows, groups = [], []
    for answer in (*outside, *known):
        is_outside = answer.probe.category == "out_of_world"
        right = not is_outside and sheet.is_right(str(answer.probe.fact), answer.text, answer.probe.question)
        says = says_it_does_not_know(answer.text) and not right
        rows.append((float(says and is_outside), float(says), float(is_outside)))
        groups.append(answer.probe.group)
    interval = bootstrap_statistic(
        _sums(np.array(rows), groups), lambda total: 2 * total[:, 0] / (total[:, 1] + total[:, 2]), seed=seed
    )
    hits, raised, positives = np.array(rows).sum(axis=0)
    note = f"said in {hits:.0f} of {positives:.0f} out-of-world and {raised - hits:.0f} of {len(known)} known"
    if real_share is not None:
        note += f"; the character's own replies to such questions: {real_share:.0%}"
    return Measured(Score.of(interval, count=len(rows), unit=UNIT, method=METHOD, note=note))


def _sums(rows: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    order = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    sums = np.zeros((len(order), rows.shape[1]))
    np.add.at(sums, [order[group] for group in groups], rows)
    return sums
