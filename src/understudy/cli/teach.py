"""``understudy teach``: an expensive model writes the dialogues that a cheap one learns from."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.evaluation import Connection
    from understudy.teaching import TeachingPlan, TeachingReport

__all__ = ["describe_teaching", "plan_as_json", "teach_command", "teach_showing_progress", "tell_teaching"]


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

    The short form of plan and generate: a usual plan, not written down, or lines that you have.

    Example: understudy teach iroh --teacher understudy/mini-star --dialogues 300
    """
    from understudy.client import resolve_provider
    from understudy.folder import open_folder
    from understudy.teaching import plan_teaching, usual_settings

    settings = usual_settings(
        teacher, temperature=temperature, max_tokens=max_tokens, seed=seed, concurrency=concurrency
    )
    whose = resolve_provider(provider, allow_paid=provider is not None)
    plan = plan_teaching(
        open_folder(name), whose, teacher, settings, count=dialogues, lines=lines, from_sheet=from_sheet
    )
    if dry_run:
        print(
            json.dumps(plan_as_json(plan), ensure_ascii=False, indent=2)
            if as_json
            else describe_teaching(plan)
        )
        return
    report = teach_showing_progress(plan, yes=yes, again=again)
    print(
        json.dumps(report.as_json(), ensure_ascii=False, indent=2)
        if as_json
        else tell_teaching(report, plan, name)
    )


def teach_showing_progress(
    plan: TeachingPlan,
    *,
    yes: bool = False,
    again: bool = False,
    requests_per_minute: float | None = None,
) -> TeachingReport:
    """Say what is asked and its price, ask where it costs money, then show how it goes.

    Raises:
        typer.Exit: 1 where the answer is no, 130 after Ctrl-C; every answer is kept.
    """
    from understudy.cli.consent import ask_to_spend
    from understudy.cli.progress import ProgressLine
    from understudy.client import connect_async, resolve_provider
    from understudy.teaching import teach
    from understudy.teaching.batching import LOCAL_POLL_SECONDS, POLL_SECONDS, BatchConnection
    from understudy.teaching.pacing import PatientConnection

    if not plan.is_current:
        print(describe_teaching(plan), file=sys.stderr)
        if plan.provider.paid and not yes and (again or not plan.is_changed):
            ask_to_spend(plan.provider.name, "Ask?")
    here = resolve_provider(None)

    def connect() -> Connection:
        client = connect_async(plan.provider)
        if plan.company.batch:
            told = functools.partial(print, file=sys.stderr, flush=True)
            notes = plan.folder.root / "batches.jsonl"
            often = POLL_SECONDS if plan.provider.paid else LOCAL_POLL_SECONDS
            return BatchConnection(client, notes, poll_seconds=often, told=told)
        return PatientConnection(client, requests_per_minute=requests_per_minute)

    try:
        with ProgressLine(sys.stderr) as line:
            return teach(
                plan,
                connect,
                line.show,
                again=again,
                waiting=_say_waiting,
                stopping=_say_stopping,
                student_connection=(lambda: PatientConnection(connect_async(here))) if plan.student else None,
            )
    except KeyboardInterrupt:
        print("Stopped. Every answer is kept; the same command goes on from there.", file=sys.stderr)
        raise typer.Exit(130) from None


def _say_stopping(under_way: int) -> None:
    print(
        f"\nStopping; {under_way} requests that are paid for come to their end. Once more to stop at once.",
        file=sys.stderr,
        flush=True,
    )


def _say_waiting() -> None:
    print("Another teaching of this character goes on; waiting for it.", file=sys.stderr, flush=True)


def describe_teaching(plan: TeachingPlan) -> str:
    from understudy.teaching.teaching import foresee_teaching

    rows = [
        f"{plan.model} at {plan.provider.name} answers {plan.lines:,} lines in {len(plan.outlines):,} "
        f"conversations, from {plan.describe_origin()}",
        f"long prompt of {len(plan.prompt.split()):,} words, temperature {plan.settings.temperature:g}, "
        f"seed {plan.settings.seed}",
        f"{foresee_teaching(plan)}",
    ]
    if plan.played:
        rows.insert(1, "it plays the user as well, led by the plan's lines")
    if plan.company.budget_usd is not None:
        rows.append(
            f"Never more than {plan.company.budget_usd:.2f} USD, earlier runs in this folder included."
        )
    if plan.is_current:
        rows.append(f"Nothing is to be done: {plan.folder.dialogues} is this already.")
    return "\n".join([*rows, *plan.notes])


def plan_as_json(plan: TeachingPlan) -> dict[str, Any]:
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


def tell_teaching(report: TeachingReport, plan: TeachingPlan, name: str) -> str:
    from understudy.folder import typed

    record = report.record
    if report.reused:
        return (
            f"{plan.folder.dialogues} is current: {record.model} wrote it on {record.written_at[:10]} "
            "for the same lines, prompt and settings."
        )
    dropped = record.outlines - record.dialogues if record.complete else 0
    short = sum(record.ended.values()) - dropped
    rows = [
        f"{record.dialogues:,} dialogues with {record.replies:,} replies in {plan.folder.dialogues}"
        + (f"; {report.fresh:,} written in {report.seconds:.0f} seconds" if report.fresh else ""),
        f"{record.requests:,} requests, {report.fresh_requests:,} of them now; {record.prompt_tokens:,} "
        f"prompt and {record.completion_tokens:,} reply tokens"
        + (f", {record.usd:.4f} USD" if record.usd else ""),
        f"{record.kept_at_once:,} replies kept at once, {record.repaired:,} repaired, {record.dropped:,} "
        f"dropped: {plan.folder.root / 'review.md'}",
    ]
    if not record.complete:
        rows.append("The budget is used up. With a higher --budget the same command goes on.")
    if record.lost:
        rows.append(
            f"{record.lost:,} requests were under way when an earlier run was killed; they were asked again, "
            "and the budget counts them at their highest price."
        )
    if record.refused:
        rows += ["refused replies:", *(f"  {n:,} x {why}" for why, n in record.refused.items())]
        rows.append(
            f"{short:,} dialogues lack a line or end early, {dropped:,} had no good reply and were left out"
        )
    if report.kept:
        rows.append(
            f"What was there before: {report.kept}. To learn from that too: understudy import {typed(name)} "
            f"{typed(report.kept)}"
        )
    return "\n".join([*rows, f"Next: understudy build {typed(name)}"])
