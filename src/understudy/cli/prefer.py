"""``understudy prefer``: the untuned model's own replies become the worse ones of preference pairs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from understudy.preference import PreferencePlan, PreferenceReport

__all__ = ["prefer_command"]


def prefer_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    model: Annotated[str, typer.Option(help="The untuned model: what the fine-tune starts from.")],
    pairs: Annotated[int, typer.Option(min=1, help="Lines that it is asked at most.")] = 200,
    provider: Annotated[
        str | None, typer.Option(help="openai, or base URL of another server. Default: this machine.")
    ] = None,
    only_disclaimers: Annotated[
        bool, typer.Option("--only-disclaimers", help="Keep only replies that speak as a machine.")
    ] = False,
    truth_share: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Pairs of a truthful and a playing answer, as a share of the others."
        ),
    ] = 0.25,
    temperature: Annotated[float, typer.Option(min=0, max=2)] = 0.7,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest reply.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of sampling.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Requests in flight.")] = 16,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked, and end.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make preference pairs without a person: the character's line against the untuned model's.

    Example: understudy prefer ophelia --model understudy/mini --pairs 100
    """
    from understudy.client import resolve_provider
    from understudy.folder import open_folder
    from understudy.preference import PreferenceSettings, plan_preferences

    settings = PreferenceSettings(temperature, max_tokens, seed, concurrency, only_disclaimers, truth_share)
    whose = resolve_provider(provider, allow_paid=provider is not None)
    plan = plan_preferences(open_folder(name), whose, model, settings, count=pairs)
    print(plan.describe(), file=sys.stderr)
    for why, count in plan.skipped.items():
        print(f"not asked: {count:,} x {why}", file=sys.stderr)
    if dry_run:
        return
    report = _collect(plan, yes)
    print(json.dumps(report.as_json(), ensure_ascii=False, indent=2) if as_json else _told(report, name))


def _collect(plan: PreferencePlan, yes: bool) -> PreferenceReport:
    from understudy.cli.consent import ask_to_spend
    from understudy.cli.progress import ProgressLine
    from understudy.client import connect_async
    from understudy.evaluation import OpenAIConnection
    from understudy.preference import collect_preferences

    if plan.provider.paid and plan.missing and not yes:
        ask_to_spend(plan.provider.name, "Ask?")
    try:
        with ProgressLine(sys.stderr) as line:
            return collect_preferences(
                plan, lambda: OpenAIConnection(connect_async(plan.provider)), line.show
            )
    except KeyboardInterrupt:
        print("Stopped. Every reply is kept; the same command goes on from there.", file=sys.stderr)
        raise typer.Exit(130) from None


def _told(report: PreferenceReport, name: str) -> str:
    from understudy.folder import typed

    rows = [
        f"Added {report.added:,} pairs to {name}/preferences.jsonl, which now holds {report.total:,}"
        + (f"; {report.known:,} were there already" if report.known else "")
        + f". In {report.disclaimers:,} the untuned model speaks as a machine; in {report.truths:,} "
        "both answers are the character's own, to a sincere question and to a teasing one.",
        *(f"left out: {count:,} x {why}" for why, count in report.left_out.items()),
    ]
    for sample in report.samples:
        rows += ["", f"  {_short(sample['asked'])}"]
        rows += [f"    better: {_short(sample['chosen'])}", f"    worse:  {_short(sample['rejected'])}"]
    return "\n".join([*rows, "", f"Next: understudy build {typed(name)}"])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:99].rstrip() + "…"
