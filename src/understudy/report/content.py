"""Content: everything that a report says, before it becomes a page, Markdown or JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from understudy.cost.evidence import Evidence
from understudy.errors import EvaluationError
from understudy.report.answer import Answer
from understudy.report.answers import answer_questions
from understudy.report.figures import DEPLOYED
from understudy.report.money import ParetoPoint, pareto_points
from understudy.report.scores import format_interval, format_value, score_kind
from understudy.report.verdicts import KeyFigure, ScoreRow, Sheet, key_figures, read_sheet, score_table

__all__ = ["ANSWERS", "SCHEMAS", "Attachments", "Comparison", "Content", "read_content"]

SCHEMAS = ("understudy.verdict/1", "understudy.verdict/2")
ANSWERS = {"yes": "Yes", "no": "No", "not_shown": "Not shown"}
NO_VERDICT = "This run has no verdict. Evaluate its model, then build this page again"


@dataclass(frozen=True)
class Attachments:
    """What other commands left beside the verdict; an empty one was not made."""

    judgement: Mapping[str, Any] = field(default_factory=dict)
    study: Mapping[str, Any] = field(default_factory=dict)
    curve: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """A difference between the deployed arm and another, in words."""

    title: str
    other: str
    difference: str
    interval: str
    count: int | None
    judgement: str
    note: str


@dataclass(frozen=True)
class Content:
    """One run's evidence, sorted for a reader."""

    evidence: Evidence
    sheet: Sheet
    cost: Mapping[str, Any]
    attachments: Attachments
    name: str
    folder: str
    answer: str
    sentence: str
    figures: list[KeyFigure]
    scores: list[ScoreRow]
    comparisons: list[Comparison]
    answers: list[Answer]
    pareto: list[ParetoPoint]

    @property
    def verdict(self) -> Mapping[str, Any]:
        return self.evidence.verdict

    @property
    def primary(self) -> Mapping[str, Any]:
        """The primary endpoint; empty in a verdict of the first version."""
        return self.verdict.get("primary") or {}

    @property
    def run_id(self) -> str:
        return str(self.verdict.get("run_id") or self.evidence.run.name)

    @property
    def created_at(self) -> str:
        return str(self.verdict.get("created_at") or self.cost.get("created_on") or "")

    @property
    def miniature(self) -> bool:
        """Whether a shipped miniature was measured."""
        return any(str(arm.get("base_model") or "").startswith("understudy/") for arm in self.sheet.arms)

    @property
    def outdated(self) -> str:
        """How to get what an older verdict has not; empty where it has everything."""
        if not self.verdict or self.primary:
            return ""
        return (
            "This verdict names no primary endpoint: it was written by an earlier version, or could not be "
            f"computed. Measure it: understudy evaluate {self.folder} --again"
        )


def read_content(
    evidence: Evidence, cost: dict[str, Any], attachments: Attachments, *, name: str, folder: str
) -> Content:
    """Sort a run's evidence. Any part may be missing.

    Args:
        cost: A cost table as ``cost.json`` holds it, or an empty one.
        name: The character's name, where the verdict has none.
        folder: The character's folder as the user typed it, for the commands shown.

    Raises:
        EvaluationError: The verdict was written by a later version.
    """
    schema = evidence.verdict.get("schema")
    if schema is not None and schema not in SCHEMAS:
        raise EvaluationError(
            f"{evidence.run / 'verdict.json'}: its layout {schema!r} is unknown here (known: "
            f"{', '.join(SCHEMAS)}). Update Understudy, or evaluate again: "
            f"understudy evaluate {folder} --again"
        )
    sheet = read_sheet(evidence.verdict)
    headline = evidence.verdict.get("headline") or {}
    answer = str(headline.get("answer") or "none")
    return Content(
        evidence=evidence,
        sheet=sheet,
        cost=cost,
        attachments=attachments,
        name=str(evidence.verdict.get("character") or cost.get("character") or name),
        folder=folder,
        answer=answer if answer in ANSWERS else "none",
        sentence=str(headline.get("sentence") or NO_VERDICT),
        figures=key_figures(sheet, cost),
        scores=score_table(sheet),
        comparisons=_comparisons(sheet),
        answers=answer_questions(sheet, cost, folder, attachments.study, attachments.curve),
        pareto=pareto_points(sheet.arms, cost),
    )


def _comparisons(sheet: Sheet) -> list[Comparison]:
    return [_comparison(row) for row in sheet.pairs.values() if row.get("a") == DEPLOYED]


def _comparison(row: Mapping[str, Any]) -> Comparison:
    kind = score_kind(str(row.get("score")))
    value = row.get("difference")
    sign = "+" if value is not None and value > 0 else ""
    return Comparison(
        title=kind.title,
        other=str(row.get("b")),
        difference=sign + format_value(kind, value),
        interval=format_interval(kind, row.get("low"), row.get("high")),
        count=row.get("count"),
        judgement=_judgement(row),
        note=str(row.get("note") or ""),
    )


def _judgement(row: Mapping[str, Any]) -> str:
    if row.get("better") is not None:
        return "better" if row["better"] else "worse"
    return "not worse" if row.get("not_worse") else "not shown"
