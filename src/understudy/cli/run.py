"""``understudy run``: every stage in turn; what is done is skipped, and why is said."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.client.training_run import TrainedRun
    from understudy.evaluation import Settings
    from understudy.folder import CharacterFolder

__all__ = ["run_command"]

Document = dict[str, Any]


def run_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    base_model: Annotated[
        str | None, typer.Option(help="Base model: understudy/mini, a directory, a hub name.")
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="openai, or base URL of another server. Default: this machine.")
    ] = None,
    star: Annotated[
        str | None,
        typer.Option(help="Expensive model to measure with the long prompt. Default: priced only."),
    ] = None,
    teach: Annotated[
        int | None, typer.Option(min=1, help="Dialogues that the star writes first. Default: none.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Ask a quarter of the probes; the verdict claims less.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Ask every probe once, not three times: a quarter of the time.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Teach where asked to, build, train, evaluate and report. Skips what is done; can be interrupted.

    Example: understudy run iroh --base-model Qwen/Qwen3-0.6B
    """
    from understudy.errors import ConfigError
    from understudy.evaluation import Settings
    from understudy.folder import open_folder

    began = time.monotonic()
    folder = open_folder(name)
    if quick and once:
        raise ConfigError("--quick and --once exclude each other.")
    if teach is not None and star is None:
        raise ConfigError("--teach needs the model that writes: --star MODEL")
    if teach is not None and star is not None:
        _teach(folder, star, teach, provider, yes)
    _build(folder)
    run = _train(folder, name, base_model, provider, yes)
    settings = Settings().quick() if quick else Settings().once() if once else Settings()
    verdict = _evaluate(folder, run.folder, provider, star, settings, yes)
    page = _report(folder, run.id)
    if as_json:
        print(json.dumps(_result(run, verdict, page), ensure_ascii=False, indent=2))
        return
    from understudy.cli.evaluate import print_verdict
    from understudy.folder import typed

    _say("done", f"{time.monotonic() - began:.0f} seconds in all")
    print_verdict(verdict)
    print(f"\nreport  {page}\nchat    understudy chat {typed(name)}")


def _say(stage: str, text: str) -> None:
    print(f"{stage:<9} {text}", file=sys.stderr, flush=True)


def _teach(folder: CharacterFolder, star: str, count: int, provider: str | None, yes: bool) -> None:
    """The star's dialogues; edited ones are not written over."""
    from understudy.cli.teach import teach_showing_progress
    from understudy.client import resolve_provider
    from understudy.teaching import plan_teaching

    whose = resolve_provider(provider, allow_paid=provider is not None)
    plan = plan_teaching(folder, whose, star, count=count)
    if plan.is_changed:
        _say("teach", "skipped: the star's dialogues were edited since; teach --again writes them anew")
        return
    report = teach_showing_progress(plan, yes=yes)
    record = report.record
    if report.reused:
        _say("teach", f"skipped: {record.model} wrote these dialogues for the same lines and prompt")
    else:
        refused = f", {sum(record.refused.values()):,} replies refused"
        _say("teach", f"{record.dialogues:,} dialogues, {record.replies:,} replies{refused}")


def _build(folder: CharacterFolder) -> None:
    """The dataset, by the recipe that it was last built with."""
    from understudy.dataset import Recipe, build_dataset, load_manifest

    has_manifest = (folder.dataset / "manifest.json").is_file()
    recipe = load_manifest(folder).recipe if has_manifest else Recipe()
    manifest = build_dataset(folder, recipe)
    counts = ", ".join(f"{split} {row.examples}" for split, row in manifest.counts.items())
    if manifest.reused:
        _say("build", f"skipped: sheet, dialogues and recipe are unchanged ({counts} examples)")
    else:
        _say("build", f"{counts} examples, system prompt {recipe.system_prompt}, {recipe.shape}")
    for note in manifest.notes:
        _say("", note)


def _train(
    folder: CharacterFolder, name: str, base_model: str | None, provider: str | None, yes: bool
) -> TrainedRun:
    from understudy.cli.train import train_showing_progress
    from understudy.client import resolve_provider
    from understudy.client.training_run import TrainingSettings, plan_training

    whose = resolve_provider(provider, allow_paid=provider is not None)
    plan = plan_training(folder, whose, TrainingSettings(base_model=base_model))
    run = train_showing_progress(folder, plan, name, yes)
    if run.reused:
        _say("train", f"skipped: this dataset and these settings already made {run.model}")
    else:
        speed = run.job.get("learned_tokens_per_second")
        rate = f", {speed:,.0f} learned tokens/s" if speed else ""
        _say("train", f"{run.model} in {run.job.get('seconds')} seconds{rate}")
    return run


def _evaluate(
    folder: CharacterFolder, run: Path, provider: str | None, star: str | None, settings: Settings, yes: bool
) -> Document:
    from understudy.cli.evaluate import evaluate_showing_progress
    from understudy.evaluation.casting import Casting

    verdict, reused = evaluate_showing_progress(
        folder, run, settings, provider=provider, casting=Casting(star=star), yes=yes
    )
    if reused:
        _say("evaluate", "skipped: the verdict rests on this model, this data and these settings")
    else:
        _say("evaluate", str(run / "verdict.json"))
    return verdict


def _report(folder: CharacterFolder, run_id: str) -> Path:
    from understudy.report import build_report

    report = build_report(folder, run_id)
    _say("report", str(report.path) if report.rebuilt else f"skipped: {report.reason}")
    return report.path


def _result(run: TrainedRun, verdict: Document, page: Path) -> Document:
    return {
        "model": run.model,
        "run_id": run.id,
        "headline": verdict["headline"],
        "verdict": str(run.folder / "verdict.json"),
        "report": str(page),
    }
