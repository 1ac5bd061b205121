"""``understudy teach``: an expensive model writes the dialogues that a cheap one learns from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.teaching import TeachingPlan, TeachingReport

__all__ = ["teach_command", "teach_showing_progress"]


def teach_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    teacher: Annotated[str, typer.Option(help="Model that writes, under the long prompt: the star.")],
    dialogues: Annotated[
        int | None, typer.Option(min=1, help="Dialogues at most. Default: all given lines, or 300 composed.")
    ] = None,
    lines: Annotated[
        Path | None,
        typer.Option(help="User lines: a text file, empty lines between conversations, or chat JSONL."),
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="openai, or base URL of another server. Default: this machine.")
    ] = None,
    from_sheet: Annotated[
        bool,
        typer.Option("--from-sheet", help="Compose the lines from the sheet, although there are dialogues."),
    ] = False,
    temperature: Annotated[
        float | None,
        typer.Option(min=0, max=2, help="More gives more variety. Default: 0.7; 0.3 for a miniature."),
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longer replies are refused.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the lines' choice and of sampling.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Conversations in flight.")] = 16,
    again: Annotated[
        bool, typer.Option("--again", help="Write although the star's dialogues were edited since.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked and what it costs, and end.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Let an expensive model play the part, and keep what it says to learn from. Can be stopped and goes on.

    Example: understudy teach iroh --teacher understudy/mini-star --dialogues 300
    """
    from understudy.client import resolve_provider
    from understudy.folder import open_folder
    from understudy.teaching import TeachingSettings, plan_teaching, usual_temperature

    warmth = usual_temperature(teacher) if temperature is None else temperature
    settings = TeachingSettings(warmth, max_tokens, seed, concurrency=concurrency)
    whose = resolve_provider(provider, allow_paid=provider is not None)
    plan = plan_teaching(
        open_folder(name), whose, teacher, settings, count=dialogues, lines=lines, from_sheet=from_sheet
    )
    if dry_run:
        print(json.dumps(_plan_as_json(plan), ensure_ascii=False, indent=2) if as_json else _describe(plan))
        return
    report = teach_showing_progress(plan, yes=yes, again=again)
    print(
        json.dumps(report.as_json(), ensure_ascii=False, indent=2) if as_json else _told(report, plan, name)
    )


def teach_showing_progress(plan: TeachingPlan, *, yes: bool = False, again: bool = False) -> TeachingReport:
    """Say what is asked and its price, ask where it costs money, then show how it goes.

    Raises:
        typer.Exit: 1 where the answer is no, 130 after Ctrl-C; finished dialogues are kept.
    """
    from understudy.cli.consent import ask_to_spend
    from understudy.cli.progress import ProgressLine
    from understudy.client import connect_async
    from understudy.evaluation import OpenAIConnection
    from understudy.teaching import teach

    if not plan.is_current:
        print(_describe(plan), file=sys.stderr)
        if plan.provider.paid and not yes and (again or not plan.is_changed):
            ask_to_spend(plan.provider.name, "Ask?")
    try:
        with ProgressLine(sys.stderr) as line:
            return teach(
                plan,
                lambda: OpenAIConnection(connect_async(plan.provider)),
                line.show,
                again=again,
                waiting=_say_waiting,
            )
    except KeyboardInterrupt:
        print(
            "Stopped. Every finished dialogue is kept; the same command goes on from there.", file=sys.stderr
        )
        raise typer.Exit(130) from None


def _say_waiting() -> None:
    print("Another teaching of this character goes on; waiting for it.", file=sys.stderr, flush=True)


def _describe(plan: TeachingPlan) -> str:
    from understudy.teaching.teaching import foresee_teaching

    rows = [
        f"{plan.model} at {plan.provider.name} answers {plan.lines:,} lines in {len(plan.outlines):,} "
        f"conversations, from {plan.describe_origin()}",
        f"long prompt of {len(plan.prompt.split()):,} words, temperature {plan.settings.temperature:g}, "
        f"seed {plan.settings.seed}",
        f"{foresee_teaching(plan)}",
    ]
    if plan.is_current:
        rows.append(f"Nothing is to be done: {plan.folder.dialogues} is this already.")
    return "\n".join([*rows, *plan.notes])


def _plan_as_json(plan: TeachingPlan) -> dict[str, Any]:
    from dataclasses import asdict

    from understudy.teaching.teaching import foresee_teaching

    return {
        "model": plan.model,
        "provider": plan.provider.name,
        "origin": plan.origin,
        "origin_file": str(plan.origin_file or ""),
        "dialogues": len(plan.outlines),
        "lines": plan.lines,
        "settings": plan.settings.sampling(),
        "cost": asdict(foresee_teaching(plan)),
        "is_current": plan.is_current,
        "notes": list(plan.notes),
    }


def _told(report: TeachingReport, plan: TeachingPlan, name: str) -> str:
    from understudy.folder import typed

    record = report.record
    if report.reused:
        return (
            f"{plan.folder.dialogues} is current: {record.model} wrote it on {record.written_at[:10]} "
            "for the same lines, prompt and settings."
        )
    dropped = record.outlines - record.dialogues
    short = sum(record.ended.values()) - dropped
    rows = [
        f"{record.dialogues:,} dialogues with {record.replies:,} replies in {plan.folder.dialogues}"
        + (f"; {report.fresh:,} written in {report.seconds:.0f} seconds" if report.fresh else ""),
        f"{record.requests:,} requests, {record.prompt_tokens:,} prompt and {record.completion_tokens:,} "
        "reply tokens",
    ]
    if record.refused:
        rows += ["refused replies:", *(f"  {n:,} x {why}" for why, n in record.refused.items())]
        rows.append(
            f"{short:,} dialogues lack a line or end early, {dropped:,} had no good reply and were left out"
        )
    if report.kept:
        rows.append(f"What was there before: {report.kept}")
    return "\n".join([*rows, f"Next: understudy build {typed(name)}"])
