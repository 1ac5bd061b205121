"""``understudy curve``: how much more dialogues would bring, measured on the cheap local model."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.study.curve import CurvePlan
    from understudy.study.site import Site

__all__ = ["curve_command"]


def curve_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    sizes: Annotated[
        str | None, typer.Option(help="Numbers of dialogues, such as 25,50,100. Default: doubling from 25.")
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Optimiser steps of every point, the same for all.")
    ] = 200,
    batch_size: Annotated[int, typer.Option(min=1, max=256, help="Examples in a step.")] = 8,
    base: Annotated[
        str, typer.Option(help="Base model: understudy/mini, a directory, a hub name.")
    ] = "understudy/mini",
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Repetitions with other draws of dialogues.")] = 1,
    provider: Annotated[
        str | None, typer.Option(help="openai, azure, nebius, or a base URL. Default: this machine.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Points that train at the same time, with Ray (extra 'ray').")
    ] = 1,
    full: Annotated[bool, typer.Option("--full", help="Ask as much as a verdict asks, not half.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be done and what it takes, and end.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend without asking.")] = False,
    format_: Annotated[
        str, typer.Option("--format", help="How the result is printed: text, md or json.")
    ] = "text",
) -> None:
    """Train on 25, 50, 100 … of the dialogues for equally long, and plot where more data stops paying.

    Can be stopped and goes on: every point is kept. Writes NAME/curve/curve.json and curve.html.

    Example: understudy curve ophelia --sizes 50,100,200 --steps 120
    """
    from understudy.cli.cell_progress import CellProgress, refuse_format
    from understudy.client import resolve_provider
    from understudy.folder import open_folder
    from understudy.study.cell_plan import Terms
    from understudy.study.curve import plan_curve, save_curve
    from understudy.study.run_cells import run_cells
    from understudy.study.site import Site

    refuse_format(format_)
    folder = open_folder(name)
    whose = resolve_provider(provider, allow_paid=provider is not None)
    site = Site(folder, folder.root / "curve", whose, base, quick=not full)
    planned = plan_curve(
        site.material, Terms(steps, batch_size), base, tuple(range(1, seeds + 1)), _numbers(sizes)
    )
    _show(site, planned, workers)
    if plan:
        return
    from understudy.cli.cell_progress import consent

    consent(whose, yes)
    with CellProgress(sys.stderr, name, "curve") as progress:
        measured = run_cells(site, planned.cells, progress, workers=workers)
    document = save_curve(site, planned, measured)
    _print(document, site, format_)
    if measured.failed:
        raise typer.Exit(1)


def _numbers(sizes: str | None) -> list[int] | None:
    from understudy.errors import ConfigError

    if sizes is None:
        return None
    try:
        found = [int(part) for part in sizes.replace(" ", "").split(",")]
    except ValueError:
        found = [0]
    if min(found) < 1:
        raise ConfigError(f"--sizes {sizes!r}: write numbers of dialogues with commas, such as 25,50,100.")
    return found


def _show(site: Site, planned: CurvePlan, workers: int) -> None:
    """What will be done, on standard error."""
    from understudy.study.forecast import forecast
    from understudy.study.measurement import load_measurement
    from understudy.study.pace import Pace

    known = [(plan, load_measurement(site.place / plan.cell.name)) for plan in planned.cells]
    missing = [plan for plan, found in known if found is None]
    seeds = f", {len(planned.seeds)} seeds each" if len(planned.seeds) > 1 else ""
    shown = ", ".join(f"{size:,}" for size in planned.sizes)
    material = site.material
    print(
        f"{shown} of {len(material.pool):,} dialogues{seeds}, on {planned.base} at {site.provider.name}; "
        f"{len(material.held_out):,} held-out dialogues measure them",
        file=sys.stderr,
    )
    for plan in planned.cells:
        stage = plan.stages[0].schedule
        print(
            f"  {plan.cell.examples:>6} dialogues, seed {plan.cell.seed}: {len(plan.examples.rows):,} "
            f"examples, {stage.epochs} passes, {stage.steps} steps, {plan.learned_tokens:,} learned tokens",
            file=sys.stderr,
        )
    for reason in planned.left_out:
        print(f"left out  {reason}", file=sys.stderr)
    print(forecast(site.provider, missing, Pace.of(known), workers), file=sys.stderr)


def _print(document: dict[str, Any], site: Site, format_: str) -> None:
    from understudy.study.curve_page import describe_curve

    if format_ == "json":
        print(json.dumps(document, ensure_ascii=False, indent=2))
    elif format_ == "md":
        print(describe_curve(document))
    else:
        print(document["sentence"])
        for row in document["stopping"][1:]:
            print(f"{row['score']}: {row['sentence']}")
        print(f"This holds for {document['base']}.\n\n{site.place / 'curve.html'}")
