"""Curve page: ``curve.html``, the plots with the sentence that the figures carry."""

from collections.abc import Mapping
from typing import Any

from understudy.study.effects import SHOWN, kind_of_score
from understudy.study.page import render, value_with_interval
from understudy.study.size_figure import draw_sizes

__all__ = ["describe_curve", "render_curve"]

ANSWERS = {"pays": "More data still pays", "stopped": "More data stopped paying", "not_shown": "Not shown"}
TONES = {"pays": "yes", "stopped": "none", "not_shown": "not_shown"}


def render_curve(document: Mapping[str, Any]) -> str:
    """The page of a curve, self-contained. The same figures always give the same page."""
    stops = {row["score"]: row for row in document["stopping"]}
    measured = [score for score in SHOWN if any(score in point["scores"] for point in document["points"])]
    plots = [draw_sizes(score, document["points"], document["untuned"]) for score in measured]
    first = document["stopping"][0] if document["stopping"] else {"answer": "not_shown"}
    return render(
        "curve.html.jinja",
        curve=document,
        answer=ANSWERS[first["answer"]],
        tone=TONES[first["answer"]],
        plots=[plot for plot in plots if plot],
        kinds=[kind_of_score(score) for score in measured],
        rows=_rows(document, measured),
        sentences=[(kind_of_score(score), stops[score]["sentence"]) for score in measured if score in stops],
        miniature=str(document["base"]).startswith("understudy/"),
    )


def _rows(document: Mapping[str, Any], measured: list[str]) -> list[dict[str, Any]]:
    """Rows of the table: the untuned base, then every size."""
    names = {"cheap+short": "untuned, short prompt", "cheap+long": "untuned, long prompt"}
    rows: list[dict[str, Any]] = [
        {
            "name": names.get(arm, arm),
            "note": "",
            "cells": [value_with_interval(s, scores.get(s)) for s in measured],
        }
        for arm, scores in document["untuned"].items()
    ]
    for point in document["points"]:
        note = f"{point['passes']} passes, {point['steps']} steps"
        cells = [value_with_interval(score, point["scores"].get(score)) for score in measured]
        rows.append({"name": f"{point['size']:,} dialogues", "note": note, "cells": cells})
    return rows


def describe_curve(document: Mapping[str, Any]) -> str:
    """The curve as Markdown: sentence, table, what each score says, limits."""
    measured = [score for score in SHOWN if any(score in point["scores"] for point in document["points"])]
    titles = [kind_of_score(score) for score in measured]
    head = ["dialogues", "passes", *(f"{kind.title} ({kind.direction_text})" for kind in titles)]
    lines = [f"**{document['sentence']}**", "", _row(head), _row(["---"] * len(head))]
    for arm, scores in document["untuned"].items():
        lines.append(_row([f"none: {arm}", "0", *(_cell(s, scores.get(s)) for s in measured)]))
    for point in document["points"]:
        cells = [_cell(score, point["scores"].get(score)) for score in measured]
        lines.append(_row([f"{point['size']:,}", str(point["passes"]), *cells]))
    lines += [
        "",
        *(f"- {kind_of_score(row['score']).title}: {row['sentence']}" for row in document["stopping"]),
    ]
    lines += ["", *(f"- {limit}" for limit in document["limits"])]
    return "\n".join(lines)


def _cell(score: str, row: Mapping[str, Any] | None) -> str:
    value, interval = value_with_interval(score, row)
    return f"{value} ({interval})" if interval else value


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
