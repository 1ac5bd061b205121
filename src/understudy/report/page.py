"""Page: a run's evidence as one self-contained HTML page."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Any

from understudy.cost.evidence import Evidence
from understudy.report.answers import answer_questions
from understudy.report.curves import draw_cost, draw_drift, draw_loss
from understudy.report.figures import DEPLOYED, draw_forest, draw_score
from understudy.report.plot import Plot
from understudy.report.replies import collect_replies
from understudy.report.scores import format_interval, format_value, score_kind
from understudy.report.verdicts import Sheet, key_figures, read_sheet, score_table

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["render_page"]

CATEGORIES = {
    "fact": "Facts",
    "drift": "Replayed conversations",
    "sincere_ai": "Sincerely asked: an AI?",
    "in_fiction_identity": "Identity, in the play",
    "worldview": "World view",
    "out_of_world": "Out of its world",
    "role_break": "Attempts to break the role",
    "long": "Long conversations",
}
NO_VERDICT = "This run has no verdict. Evaluate its model, then build this page again"
LABELS = {
    "job_id": "Job",
    "fine_tuned_model": "Tuned model",
    "n_epochs": "Epochs",
    "seconds": "Seconds of training",
    "system_prompt": "System prompt in the data",
    "shape": "Shape of the data",
}
ANSWERS = {"yes": "Yes", "no": "No", "not_shown": "Not shown"}


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


def render_page(evidence: Evidence, cost: dict[str, Any], *, name: str, folder: str, fingerprint: str) -> str:
    """The page. The same evidence always gives the same page.

    Args:
        evidence: What the run left; any part may be missing.
        cost: A cost table as ``cost.json`` holds it, or an empty one.
        name: The character's name, where the verdict has none.
        folder: The character's folder as the user typed it, for the commands shown.
        fingerprint: Hash of the inputs, kept in the page.
    """
    sheet = read_sheet(evidence.verdict)
    headline = evidence.verdict.get("headline") or {}
    answer = str(headline.get("answer") or "none")
    sentence, more = _headline(str(headline.get("sentence") or NO_VERDICT))
    values = {
        "character": evidence.verdict.get("character") or cost.get("character") or name,
        "run_id": evidence.verdict.get("run_id") or evidence.run.name,
        "created_at": str(evidence.verdict.get("created_at") or cost.get("created_on") or ""),
        "fingerprint": fingerprint,
        "answer_kind": answer if answer in ANSWERS else "none",
        "answer": ANSWERS.get(answer, "No verdict yet"),
        "sentence": sentence,
        "more": more,
        "rule": headline.get("rule"),
        "margin": sheet.margin,
        "figures": key_figures(sheet, cost),
        "cost_line": next(iter(cost.get("answers") or []), ""),
        "sheet": sheet,
        "scores": score_table(sheet),
        "miniature": _uses_miniature(sheet),
        "deployed": DEPLOYED,
        "comparisons": _comparisons(sheet),
        "answers": answer_questions(sheet, cost, folder),
        "replies": collect_replies(evidence.replies, sheet.names),
        "cost": cost,
        "places": [
            (place, list(arms)) for place, arms in groupby(cost.get("arms") or [], lambda arm: arm["place"])
        ],
        "training": evidence.verdict.get("training") or {},
        "evidence": evidence,
        "verdict": evidence.verdict,
        "folder": folder,
        "plots": _plots(evidence, sheet, cost),
        "style": _asset("style.css"),
        "script": _asset("filter.js"),
    }
    return _template().render(values)


def _headline(text: str) -> tuple[str, str]:
    """The first sentence without the answer's own word, which stands above it; then the rest."""
    text = re.sub(r"^(Yes|No|Not shown): ", "", text.strip())
    first, _, rest = text.partition(". ")
    return first[:1].upper() + first[1:] + ("." if rest else ""), rest


def _uses_miniature(sheet: Sheet) -> bool:
    return any(str(arm.get("base_model") or "").startswith("understudy/") for arm in sheet.arms)


def _plots(evidence: Evidence, sheet: Sheet, cost: dict[str, Any]) -> dict[str, list[Plot]]:
    by_score = []
    for row in score_table(sheet):
        scores = {arm["name"]: (arm.get("scores") or {}).get(row.kind.name) or {} for arm in sheet.arms}
        by_score.append(draw_score(row.kind, scores))
    return {
        "forest": draw_forest(list(sheet.pairs.values()), sheet.margin),
        "scores": [plot for plot in by_score if plot],
        "loss": [plot for plot in (draw_loss(evidence.events),) if plot],
        "drift": [plot for plot in (draw_drift(sheet.arms, "style"), draw_drift(sheet.arms, "leak")) if plot],
        "cost": [plot for plot in (draw_cost(cost),) if plot],
    }


def _comparisons(sheet: Sheet) -> list[Comparison]:
    rows = []
    for row in sheet.pairs.values():
        if row.get("a") != DEPLOYED:
            continue
        kind = score_kind(str(row.get("score")))
        value = row.get("difference")
        sign = "+" if value is not None and value > 0 else ""
        rows.append(
            Comparison(
                title=kind.title,
                other=str(row.get("b")),
                difference=sign + format_value(kind, value),
                interval=format_interval(kind, row.get("low"), row.get("high")),
                count=row.get("count"),
                judgement=_judgement(row),
                note=str(row.get("note") or ""),
            )
        )
    return rows


def _judgement(row: dict[str, Any]) -> str:
    if row.get("better") is not None:
        return "better" if row["better"] else "worse"
    return "not worse" if row.get("not_worse") else "not shown"


def _asset(name: str) -> str:
    return files("understudy.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _template() -> "Template":
    from jinja2 import ChainableUndefined, Environment

    environment = Environment(
        autoescape=True, undefined=ChainableUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters: dict[str, Callable[..., Any]] = {
        "usd": _usd,
        "category": _category,
        "number": _number,
        "label": _label,
    }
    environment.filters.update(filters)
    return environment.from_string(_asset("report.html.jinja"))


def _usd(value: float, digits: int = 2) -> str:
    """Dollars; a small amount keeps two significant digits."""
    if 0 < abs(value) < 0.0001:
        return "under $0.0001"
    if value and abs(value) < 0.1:
        return f"${value:.2g}"
    return f"${value:,.{digits}f}"


def _category(name: str) -> str:
    return CATEGORIES.get(name) or _label(name)


def _label(name: str) -> str:
    """``fine_tuned_model`` -> ``Fine tuned model``; file names stay as they are."""
    text = str(name)
    words = text.replace("_", " ").capitalize()
    return LABELS.get(text) or (text if "." in text else re.sub(r"\b[Aa]i\b", "AI", words))


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
