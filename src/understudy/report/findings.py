"""Findings: what a character's study and curve add to the answers of a single run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from understudy.report.answer import MEASURED, Answer

__all__ = ["add_findings"]

HOW_MANY = 3
"""Place of the question about the number of examples."""
ONLY_A_STUDY = (1, 2, 3, 4)
"""Places of what several trainings answer better than one run: prompt, shape, number, protection."""


def add_findings(
    answers: Sequence[Answer], study: Mapping[str, Any], curve: Mapping[str, Any]
) -> list[Answer]:
    """Put what was measured over several trainings before what one run can say, in the questions it answers.

    Args:
        study: ``study/study.json``, or empty.
        curve: ``curve/curve.json``, or empty.
    """
    found = list(answers)
    for place, answer in enumerate(study.get("answers") or []):
        told = [str(sentence) for sentence in answer.get("sentences") or []]
        if place in ONLY_A_STUDY and told and not str(answer.get("status")).startswith("not"):
            found[place] = _measured(found[place], told, "study")
    if curve.get("sentence"):
        found[HOW_MANY] = _measured(found[HOW_MANY], _curve_sentences(curve), "curve")
    return found


def _measured(answer: Answer, sentences: Sequence[str], where: str) -> Answer:
    """Findings first, and where they come from; that the run did not measure them no longer matters."""
    rest = [sentence for sentence in answer.sentences if "not measured in this run" not in sentence]
    first, *more = sentences
    named = f"From this character’s {where}: {first}"
    return replace(answer, status=f"{MEASURED} in its {where}", sentences=(named, *more, *rest))


def _curve_sentences(curve: Mapping[str, Any]) -> list[str]:
    """What the first score says, with base and trainings; then the scores that say something else."""
    sizes = [str(point["size"]) for point in curve.get("points") or []]
    seeds = len(curve.get("seeds") or [])
    plural = "s" if seeds != 1 else ""
    made = (
        f" ({curve.get('base')}, {', '.join(sizes)} dialogues, {seeds} training seed{plural})"
        if sizes
        else ""
    )
    first = str(curve["sentence"])
    others = [str(row["sentence"]) for row in curve.get("stopping") or [] if row.get("sentence") != first]
    return [f"{first.rstrip('.')}{made}.", *others]
