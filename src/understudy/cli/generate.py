"""``understudy generate``: a teacher carries out the plan, and what it writes is filtered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["generate_command"]

BATCHED = 10_000  # conversations that advance together, a turn with each batch


def generate_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    teacher: Annotated[str, typer.Option(help="Model that writes, under the long prompt: the star.")],
    plan: Annotated[Path | None, typer.Option(help="The plan. Default: plan.yaml in the folder.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="openai, or base URL of another server. Default: this machine.")
    ] = None,
    student: Annotated[
        str | None,
        typer.Option(help="Model whose own replies are the history of some dialogues, on this machine."),
    ] = None,
    judge: Annotated[str | None, typer.Option(help="Model that grades each dialogue, 1 to 5.")] = None,
    judge_prompt: Annotated[
        Path | None, typer.Option(help="Text file with the judge's instruction. Default: a shipped one.")
    ] = None,
    judge_at_least: Annotated[int, typer.Option(min=1, max=5, help="Lower grades refuse a reply.")] = 3,
    budget: Annotated[
        float | None, typer.Option(min=0, help="US dollars that are never exceeded, earlier runs included.")
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(help="Price of an unknown teacher: READ/WRITTEN, US dollars per million tokens."),
    ] = None,
    requests_per_minute: Annotated[
        float | None, typer.Option(min=0.1, help="Send no faster. Default: as fast as the provider lets.")
    ] = None,
    batch: Annotated[
        bool,
        typer.Option("--batch", help="Ask through the provider's Batch API: half the price, hours to wait."),
    ] = False,
    temperature: Annotated[
        float | None,
        typer.Option(min=0, max=2, help="More gives more variety. Default: 0.7; 0.3 for a miniature."),
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longer replies are refused.")] = 300,
    repeats: Annotated[int | None, typer.Option(min=0, help="Repeats of a refused reply.")] = None,
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
    """Let a teacher write the dialogues of plan.yaml, filter them, and say what was kept, repaired, dropped.

    Can be stopped at any time: the same command goes on, and pays for nothing twice.

    Example: understudy generate ophelia --teacher understudy/mini-star
    """
    from understudy.cli.teach import describe_teaching, plan_as_json, teach_showing_progress, tell_teaching
    from understudy.client import resolve_provider
    from understudy.folder import open_folder
    from understudy.teaching import Company, load_plan, plan_teaching, usual_settings
    from understudy.teaching.budget import parse_rate

    folder = open_folder(name)
    written = load_plan(folder, plan)
    settings = usual_settings(
        teacher,
        temperature=temperature,
        max_tokens=max_tokens,
        repeats=repeats,
        concurrency=BATCHED if batch else concurrency,
        seed=written.seed,
    )
    rate = parse_rate(price) if price else None
    company = Company(student, judge, judge_prompt, judge_at_least, budget, rate, batch)
    whose = resolve_provider(provider, allow_paid=provider is not None)
    settled = plan_teaching(folder, whose, teacher, settings, written=written, company=company)
    if dry_run:
        shown = plan_as_json(settled)
        print(json.dumps(shown, ensure_ascii=False, indent=2) if as_json else describe_teaching(settled))
        return
    report = teach_showing_progress(settled, yes=yes, again=again, requests_per_minute=requests_per_minute)
    if as_json:
        print(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        print(tell_teaching(report, settled, name))
