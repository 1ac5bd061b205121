"""Study page: ``study.html`` and the same as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.study.cell import describe_level
from understudy.study.effects import SHOWN, kind_of_score
from understudy.study.forest_figure import draw_effects
from understudy.study.measurement import DEPLOYED
from understudy.study.page import amount, render, value_with_interval
from understudy.study.size_figure import draw_sizes

__all__ = ["describe_study", "render_study"]

ARMS = {"cheap+short": "untuned, short prompt", "cheap+long": "untuned, long prompt"}


def render_study(document: Mapping[str, Any]) -> str:
    """The page of a study, self-contained. The same figures always give the same page."""
    scores = _measured(document)
    sizes = _size_points(document)
    return render(
        "study.html.jinja",
        study=document,
        baseline=_baseline_words(document),
        kinds=[kind_of_score(score) for score in scores],
        rows=_rows(document, scores),
        effects=[plot for score in scores if (plot := draw_effects(score, document["cells"]))],
        sizes=[plot for score in scores if (plot := draw_sizes(score, sizes, document["untuned"]))],
        differences=_differences(document, scores),
        seconds=_seconds(document),
        miniature=str(document["baseline"]["base"]).startswith("understudy/"),
        compared=len(document["cells"]) - 1,
    )


def _measured(document: Mapping[str, Any]) -> list[str]:
    return [s for s in SHOWN if any(s in cell["scores"].get(DEPLOYED, {}) for cell in document["cells"])]


def _baseline_words(document: Mapping[str, Any]) -> str:
    levels = document["baseline"]
    return ", ".join(describe_level(factor, level) for factor, level in levels.items())


def _size_points(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Cells that differ in size alone, as the size figure takes them."""
    found = [cell for cell in document["cells"] if set(cell["changed"]) <= {"examples"}]
    points = [{"size": cell["dialogues"], "scores": cell["scores"].get(DEPLOYED, {})} for cell in found]
    return sorted(points, key=lambda point: point["size"])


def _rows(document: Mapping[str, Any], scores: Sequence[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "name": ARMS.get(arm, arm),
            "note": "",
            "cells": [value_with_interval(s, found.get(s)) for s in scores],
        }
        for arm, found in document["untuned"].items()
    ]
    for cell in document["cells"]:
        note = f"{cell['dialogues']:,} dialogues, {cell['passes']} passes, {cell['steps']} steps"
        cells = [value_with_interval(score, cell["scores"].get(DEPLOYED, {}).get(score)) for score in scores]
        rows.append({"name": cell["title"], "note": note, "cells": cells, "strong": not cell["changed"]})
    return rows


def _differences(document: Mapping[str, Any], scores: Sequence[str]) -> list[dict[str, str]]:
    """Every difference from the baseline as a row of words, for who cannot see the drawings."""
    return [
        {
            "cell": cell["title"],
            "score": kind_of_score(score).title,
            "amount": amount(score, row),
            "count": str(row["count"]),
            "shown": row["shown"],
        }
        for cell in document["cells"]
        for score in scores
        if (row := cell.get("effects", {}).get(DEPLOYED, {}).get(score))
    ]


def _seconds(document: Mapping[str, Any]) -> float | None:
    """Seconds of training of all cells, where all are known."""
    times = [time for cell in document["cells"] for time in cell["training_seconds"]]
    return None if any(time is None for time in times) else float(sum(times))


def describe_study(document: Mapping[str, Any]) -> str:
    """The study as Markdown: the six answers, the table, the differences, limits."""
    scores = _measured(document)
    lines = [
        f"# {document['character']}: what each choice changes",
        "",
        f"Baseline: {_baseline_words(document)}.",
        "",
    ]
    for answer in document["answers"]:
        lines += [f"**{answer['question']}** ({answer['status']})", "", *answer["sentences"], ""]
    head = ["trained on", *(f"{kind_of_score(s).title} ({kind_of_score(s).direction_text})" for s in scores)]
    lines += [_row(head), _row(["---"] * len(head))]
    for row in _rows(document, scores):
        cells = [f"{value} ({interval})" if interval else value for value, interval in row["cells"]]
        lines.append(_row([row["name"], *cells]))
    lines += ["", _row(["difference from the baseline", "score", "better by (95 %)", "probes", "shown"])]
    lines.append(_row(["---"] * 5))
    lines += [_row(list(row.values())) for row in _differences(document, scores)]
    lines += ["", *(f"- {limit}" for limit in document["limits"])]
    lines += [f"- Not as asked for: {reason}." for reason in document["left_out"]]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
