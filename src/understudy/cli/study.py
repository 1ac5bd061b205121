"""``understudy study``: several ways to train one character, each against a baseline."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.study.design import StudyPlan
    from understudy.study.site import Site
    from understudy.study.study_file import StudyFile

__all__ = ["study_command"]


def study_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    file: Annotated[
        Path | None,
        typer.Option(help="What is compared. Default: NAME/study.yaml, written where it is missing."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the cells with tokens, time and price, and end.")
    ] = False,
    full_factorial: Annotated[
        bool, typer.Option("--full-factorial", help="Every combination of levels, not one factor at a time.")
    ] = False,
    provider: Annotated[
        str | None, typer.Option(help="openai, azure, nebius, or a base URL. Default: this machine.")
    ] = None,
    base: Annotated[
        str, typer.Option(help="Base model of a study.yaml that is written now.")
    ] = "understudy/mini",
    workers: Annotated[
        int, typer.Option(min=1, help="Cells that train at the same time, with Ray (extra 'ray').")
    ] = 1,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend without asking.")] = False,
    format_: Annotated[
        str, typer.Option("--format", help="How the result is printed: text, md or json.")
    ] = "text",
) -> None:
    """Compare system prompts, shapes, protective examples, sizes, methods and bases, one change at a time.

    Can be stopped and goes on: every cell is kept. Writes NAME/study/study.json and study.html.

    Example: understudy study ophelia --plan
    """
    from understudy.cli.cell_progress import CellProgress, consent, refuse_format
    from understudy.client import resolve_provider
    from understudy.folder import open_folder
    from understudy.study.design import plan_study
    from understudy.study.run_cells import run_cells
    from understudy.study.site import Site
    from understudy.study.study import save_study
    from understudy.study.study_file import load_study_file, study_file_path, write_study_file

    refuse_format(format_)
    folder = open_folder(name)
    whose = resolve_provider(provider, allow_paid=provider is not None)
    path = file or study_file_path(folder)
    if file is None and not path.is_file():
        write_study_file(path, base)
        print(f"Wrote {path}. Edit it to compare something else.", file=sys.stderr)
    study = load_study_file(path, folder)
    quick = study.evaluation == "quick"
    site = Site(folder, folder.root / "study", whose, study.baseline.base, quick=quick)
    planned = plan_study(site.material, study, full_factorial=full_factorial)
    document = _plan_document(site, planned, study, workers)
    if plan:
        _print_plan(document, format_)
        return
    _print_plan(document, "text", sys.stderr)
    consent(whose, yes)
    with CellProgress(sys.stderr, name, "study") as progress:
        measured = run_cells(site, planned.cells, progress, workers=workers)
    _print_result(save_study(site, planned, measured), site, format_)
    if measured.failed:
        raise typer.Exit(1)


def _plan_document(site: Site, planned: StudyPlan, study: StudyFile, workers: int) -> dict[str, Any]:
    """The plan as ``--format json`` prints it."""
    from dataclasses import asdict

    from understudy.study.forecast import forecast
    from understudy.study.measurement import load_measurement
    from understudy.study.pace import Pace

    known = [(cell, load_measurement(site.place / cell.cell.name)) for cell in planned.cells]
    missing = [cell for cell, found in known if found is None]
    expected = forecast(site.provider, missing, Pace.of(known), workers)
    return {
        "cells": [
            {
                "cell": row.title,
                "seed": cell.cell.seed,
                "dialogues": len(cell.examples.dialogues),
                "examples": len(cell.examples.rows),
                "passes": cell.stages[0].schedule.epochs,
                "steps": cell.steps,
                "tokens": cell.tokens,
                "learned_tokens": cell.learned_tokens,
                "measured": found is not None,
            }
            for row in planned.rows
            for cell, found in known
            if cell in row.plans
        ],
        "left_out": list(planned.left_out),
        "forecast": {**asdict(expected), "text": str(expected)},
        "provider": site.provider.name,
        "baseline": study.baseline.model_dump(),
    }


def _print_plan(document: dict[str, Any], format_: str, stream: Any = None) -> None:
    out = stream or sys.stdout
    if format_ == "json":
        print(json.dumps(document, ensure_ascii=False, indent=2), file=out)
        return
    heads = ["cell", "seed", "dialogues", "examples", "passes", "steps", "tokens", "learned"]
    rows = [
        [
            row["cell"] + (" (measured)" if row["measured"] else ""),
            *(f"{row[key]:,}" for key in ("seed", "dialogues", "examples", "passes", "steps", "tokens")),
            f"{row['learned_tokens']:,}",
        ]
        for row in document["cells"]
    ]
    if format_ == "md":
        for row in (heads, ["---"] * len(heads), *rows):
            print(f"| {' | '.join(row)} |", file=out)
    else:
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        for row in (heads, *rows):
            cells = [
                row[0].ljust(widths[0]),
                *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)),
            ]
            print("  ".join(cells), file=out)
    for reason in document["left_out"]:
        print(f"not as asked for: {reason}", file=out)
    print(f"\n{document['forecast']['text']}", file=out)


def _print_result(document: dict[str, Any], site: Site, format_: str) -> None:
    from understudy.study.study_page import describe_study

    if format_ == "json":
        print(json.dumps(document, ensure_ascii=False, indent=2))
    elif format_ == "md":
        print(describe_study(document))
    else:
        for answer in document["answers"]:
            print(f"{answer['question']}  ({answer['status']})")
            for sentence in answer["sentences"]:
                print(f"  {sentence}")
            print()
        print(site.place / "study.html")
