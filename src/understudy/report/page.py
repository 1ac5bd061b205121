"""Page: a run's evidence as one self-contained HTML page."""

import re
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING

from understudy.report.content import ANSWERS, Content
from understudy.report.drift import draw_drift, draw_survival
from understudy.report.figures import DEPLOYED, draw_forest, draw_score
from understudy.report.formats import CATEGORIES, category, label, number, percent, points, share, usd
from understudy.report.judged import draw_win_rates, read_raters
from understudy.report.loss import draw_loss
from understudy.report.money import draw_cost, draw_pareto
from understudy.report.plot import Plot, colour_name
from understudy.report.primary import draw_categories, draw_primary, draw_superiority
from understudy.report.replies import collect_replies
from understudy.report.verdicts import ScoreRow, Sheet

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["render_page"]


def render_page(content: Content, *, fingerprint: str) -> str:
    """The page. The same evidence always gives the same page.

    Args:
        fingerprint: Hash of the inputs, kept in the page.
    """
    secondary = (content.verdict.get("headline") or {}).get("secondary") or {}
    # Told in a paragraph of its own.
    sentence, more = _headline(content.sentence.replace(str(secondary.get("sentence") or ""), "").strip())
    book = collect_replies(content.evidence.replies, content.sheet.names)
    values = {
        "content": content,
        "character": content.name,
        "run_id": content.run_id,
        "created_at": content.created_at,
        "fingerprint": fingerprint,
        "answer_kind": content.answer,
        "answer": ANSWERS.get(content.answer, "No verdict yet"),
        "sentence": sentence,
        "more": more,
        "primary": content.primary,
        "rule": (content.verdict.get("headline") or {}).get("rule"),
        "secondary": secondary,
        "margin": content.sheet.margin,
        "figures": content.figures,
        "cost_line": next(iter(content.cost.get("answers") or []), ""),
        "sheet": content.sheet,
        "families": _families(content.scores),
        "margin_points": f"{100 * (content.primary.get('margin') or content.sheet.margin or 0):g}",
        "shown_arms": [(name, colour_name(name)) for name in _shown_arms(content.sheet)],
        "own_history": any(arm.get("drift") for arm in content.sheet.arms),
        "drifts": {
            arm["name"]: arm["drift"]
            for arm in content.sheet.arms
            if (arm.get("drift") or {}).get("survival")
        },
        "waiting": next(
            (arm["latency"] for arm in content.cost.get("arms") or [] if arm.get("latency")), None
        ),
        "rival": str(content.primary.get("b") or _rival(content.sheet)),
        "miniature": content.miniature,
        "deployed": DEPLOYED,
        "comparisons": content.comparisons,
        "answers": content.answers,
        "book": book,
        "judgement": content.attachments.judgement,
        "raters": read_raters(content.attachments.judgement),
        "cost": content.cost,
        "places": [
            (place, list(arms))
            for place, arms in groupby(content.cost.get("arms") or [], lambda arm: arm["place"])
        ],
        "training": content.verdict.get("training") or {},
        "evidence": content.evidence,
        "verdict": content.verdict,
        "folder": content.folder,
        "plots": _plots(content),
        "style": _asset("style.css"),
        "script": _asset("replies.js"),
    }
    return _template().render(values)


def _shown_arms(sheet: Sheet) -> list[str]:
    """The deployed arm and those that it replaces, as far as they were measured."""
    return [name for name in (DEPLOYED, "expensive+long", "cheap+long", "cheap+short") if sheet.arm(name)]


def _rival(sheet: Sheet) -> str:
    return next((name for name in _shown_arms(sheet) if name != DEPLOYED), "")


def _families(rows: list[ScoreRow]) -> list[tuple[str, list[ScoreRow]]]:
    """The scores under the headings of the table."""
    return [(family, list(found)) for family, found in groupby(rows, lambda row: row.kind.family)]


def _headline(text: str) -> tuple[str, str]:
    """The first sentence without the answer's own word, which stands above it; then the rest."""
    text = re.sub(r"^(Yes|No|Not shown): ", "", text.strip())
    first, _, rest = text.partition(". ")
    return first[:1].upper() + first[1:] + ("." if rest else ""), rest


def _plots(content: Content) -> dict[str, list[Plot]]:
    sheet, primary = content.sheet, content.primary
    by_score = []
    for row in content.scores:
        scores = {arm["name"]: (arm.get("scores") or {}).get(row.kind.name) or {} for arm in sheet.arms}
        by_score.append(draw_score(row.kind, scores))
    drawn: dict[str, list[Plot | None]] = {
        "primary": [draw_primary(primary)],
        "superiority": [draw_superiority(primary)],
        "categories": [draw_categories(primary, CATEGORIES, _shown_arms(sheet))],
        "forest": [*draw_forest(list(sheet.pairs.values()), sheet.margin)],
        "scores": [*by_score],
        "loss": [draw_loss(content.evidence.events)],
        "drift": [draw_drift(sheet.arms, "style"), draw_drift(sheet.arms, "leak"), draw_survival(sheet.arms)],
        "judges": [draw_win_rates(content.attachments.judgement)],
        "cost": [draw_cost(content.cost)],
        "pareto": [draw_pareto(content.pareto)],
    }
    return {name: [plot for plot in plots if plot] for name, plots in drawn.items()}


def _asset(name: str) -> str:
    return files("understudy.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _template() -> "Template":
    from jinja2 import ChainableUndefined, Environment, FunctionLoader

    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        usd=usd, category=category, number=number, label=label, points=points, percent=percent, share=share
    )
    return environment.get_template("pages/report.html.jinja")
