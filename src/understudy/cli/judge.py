"""``understudy judge``: two arms compared blind, pair by pair, by models of other families or by a person."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from understudy.client import Provider
    from understudy.evaluation.row_file import RowFile
    from understudy.folder import CharacterFolder
    from understudy.judging import Judge, JudgingPlan
    from understudy.judging.pair import Pair

__all__ = ["judge_command"]

QUESTION = "Better? 1, 2, t (tie), s (skip), p (persona), q (stop): "


def judge_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="Judge: MODEL, or MODEL@PROVIDER (openai, or a base URL). Two or more, of other families.",
        ),
    ] = None,
    human: Annotated[
        bool, typer.Option("--human", help="Ask a person in this terminal instead, blind.")
    ] = False,
    rater: Annotated[str, typer.Option(help="Name under which a person's answers are kept.")] = "person",
    run: Annotated[str | None, typer.Option(help="Run to judge. Default: the latest with a verdict.")] = None,
    arms: Annotated[
        str | None,
        typer.Option(help="A,B. Default: tuned+short against expensive+long, or cheap+long without a star."),
    ] = None,
    pairs: Annotated[int, typer.Option(min=10, help="Pairs at most, spread over the probes.")] = 324,
    controls: Annotated[
        int, typer.Option(min=8, max=100, help="Planted controls of each of five kinds.")
    ] = 12,
    faults: Annotated[
        bool, typer.Option("--faults/--no-faults", help="Ask for faults in single replies as well.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the pairs' choice, order and labels.")] = 0,
    budget: Annotated[
        float | None, typer.Option(min=0, help="US dollars that are never exceeded, earlier calls included.")
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(help="MODEL=READ/WRITTEN, US dollars per million tokens, where it is not known."),
    ] = None,
    requests_per_minute: Annotated[
        float | None, typer.Option(min=0.1, help="Send no faster to each judge.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Requests in flight.")] = 8,
    lenient: Annotated[
        bool,
        typer.Option(
            "--lenient", help="Judge although the judges break the protocol; the result says what they break."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked and what it costs, and end.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the judgement as JSON.")] = False,
) -> None:
    """Compare two arms blind, in both orders. A judge that cannot tell planted controls is not believed.

    Can be stopped at any time: the same command goes on, and pays for nothing twice.

    Example: understudy judge ophelia --model gpt-4.1@openai --model mistral-large@https://api.mistral.ai/v1
    """
    import json

    from understudy.cli.judgement_table import print_judgement
    from understudy.cost.evidence import find_run
    from understudy.errors import ConfigError
    from understudy.folder import open_folder
    from understudy.judging import plan_judging, save_judgement
    from understudy.judging.asking import ratings_file

    if bool(model) == human:
        raise ConfigError("Name the judges with --model (two or more), or say --human.")
    folder = open_folder(name)
    run_folder = _judged_run(folder, find_run(folder, run), name)
    plan = plan_judging(folder, run_folder, arms=_parse_arms(arms), pairs=pairs, controls=controls, seed=seed)
    ratings = ratings_file(plan)
    if human:
        _ask_person(plan, rater, ratings)
        complete, usd = True, None
    else:
        judges = _resolve(model or [], price or [], budget)
        _check_protocol(plan, [judge.model for judge in judges], lenient)
        if not _agree_to_cost(plan, judges, ratings, faults, dry_run, yes):
            return
        complete, usd = _ask_models(plan, judges, ratings, faults, budget, concurrency, requests_per_minute)
    judgement = _compute(plan, ratings, [] if human else [j.name for j in judges], complete, usd)
    save_judgement(plan, judgement)
    print(f"Saved: {run_folder / 'judgement.json'}", file=sys.stderr)
    if as_json:
        print(json.dumps(judgement, ensure_ascii=False, indent=2))
    else:
        print_judgement(judgement)


def _judged_run(folder: CharacterFolder, run: Path | None, name: str) -> Path:
    from understudy.errors import ConfigError
    from understudy.folder import typed

    if run is None:
        raise ConfigError(f"{folder.runs}: there is no run yet. Train one: understudy train {typed(name)}")
    return run


def _parse_arms(text: str | None) -> tuple[str, str] | None:
    from understudy.errors import ConfigError

    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(parts):
        raise ConfigError(f"--arms {text!r}: write two arms, for example tuned+short,cheap+long")
    return parts[0], parts[1]


def _resolve(models: list[str], prices: list[str], budget: float | None) -> dict[Judge, Provider]:
    """Each judge with its provider.

    Raises:
        ConfigError: A judge is named twice, a price is none, or a budget cannot be kept.
    """
    from understudy.client import resolve_provider
    from understudy.errors import ConfigError
    from understudy.judging import Judge
    from understudy.judging.judge_name import split_judge
    from understudy.teaching.budget import find_rate, parse_rate

    rates = {}
    for text in prices:
        priced, _, figures = text.rpartition("=")
        rates[priced] = parse_rate(figures)
    found: dict[Judge, Provider] = {}
    for text in models:
        model, where = split_judge(text)
        provider = resolve_provider(where, allow_paid=where is not None)
        rate = (rates.get(model) or find_rate(model)) if provider.paid or model in rates else None
        judge = Judge(model, provider.base_url or provider.name, provider.paid, rate)
        if model in {known.model for known in found}:
            raise ConfigError(f"--model {text}: is named twice. A judge has one opinion.")
        found[judge] = provider
    unknown = [judge.model for judge in found if judge.paid and judge.rate is None]
    if budget is not None and unknown:
        raise ConfigError(
            f"--budget needs the price of {', '.join(unknown)}, which is not known here. Give it with "
            f"--price {unknown[0]}=READ/WRITTEN in US dollars per million tokens."
        )
    return found


def _check_protocol(plan: JudgingPlan, models: list[str], lenient: bool) -> None:
    from understudy.errors import ConfigError
    from understudy.judging import protocol_breaches

    breaches = protocol_breaches(models, plan.writers)
    if breaches and not lenient:
        raise ConfigError(
            "These judges break the protocol:\n- "
            + "\n- ".join(breaches)
            + "\nName others, or add --lenient: the result then says what was broken."
        )
    for breach in breaches:
        print(f"Warning: {breach}.", file=sys.stderr)


def _agree_to_cost(
    plan: JudgingPlan,
    judges: dict[Judge, Provider],
    ratings: RowFile,
    faults: bool,
    dry_run: bool,
    yes: bool,
) -> bool:
    """Say what is still to be asked and its price, and ask where it costs money; whether to go on."""
    from understudy.cli.consent import ask_to_spend
    from understudy.judging import foresee_judging

    paid = []
    for judge, provider in judges.items():
        cost = foresee_judging(plan, judge, ratings, with_faults=faults)
        print(f"{judge.model} at {provider.name}: {cost}", file=sys.stdout if dry_run else sys.stderr)
        if provider.paid and cost.requests:
            paid.append(provider.name)
    if dry_run:
        return False
    if paid and not yes:
        ask_to_spend(" and ".join(dict.fromkeys(paid)), "Ask?")
    return True


def _ask_models(
    plan: JudgingPlan,
    judges: dict[Judge, Provider],
    ratings: RowFile,
    faults: bool,
    budget: float | None,
    concurrency: int,
    requests_per_minute: float | None,
) -> tuple[bool, float]:
    """Ask them; whether everything was asked, and what all calls have cost.

    Raises:
        typer.Exit: 130 after Ctrl-C; every answer is kept.
    """
    import asyncio

    from understudy.cli.progress import ProgressLine
    from understudy.client import connect_async
    from understudy.folder import alone
    from understudy.judging import ask_judges
    from understudy.judging.asking import calls_file
    from understudy.teaching.calls import Stopped
    from understudy.teaching.pacing import PatientConnection
    from understudy.teaching.stopping import stopped_politely

    def say_stopping(under_way: int) -> None:
        print(f"\nStopping; {under_way} requests that are paid for come to their end.", file=sys.stderr)

    async def ask(show: Any) -> bool:
        # Connections belong to the loop that they are used in.
        connections = {
            judge: PatientConnection(connect_async(provider), requests_per_minute=requests_per_minute)
            for judge, provider in judges.items()
        }
        return await ask_judges(
            plan, connections, ratings, calls,
            with_faults=faults, budget_usd=budget, concurrency=concurrency, report=show,
            until_stop=lambda desks: stopped_politely(desks, say_stopping),
        )  # fmt: skip

    with ProgressLine(sys.stderr) as line, alone(plan.run):
        calls = calls_file(plan)
        try:
            complete = asyncio.run(ask(line.show))
        except (KeyboardInterrupt, Stopped):
            print("Stopped. Every answer is kept; the same command goes on from there.", file=sys.stderr)
            raise typer.Exit(130) from None
        finally:
            calls.close()
            ratings.close()
        if not complete:
            print("The budget is used up. With a higher --budget the same command goes on.", file=sys.stderr)
        return complete, calls.usd()


def _ask_person(plan: JudgingPlan, rater: str, ratings: RowFile) -> None:
    """Show pair after pair; the first says what there is to do."""
    from understudy.judging import ask_person
    from understudy.judging.person import ANSWERS

    name = plan.briefing.name

    def show(pair: Pair, first: str, second: str, number: int, count: int) -> None:
        print(f"\n{'─' * 60}\n{number} of {count}\n", file=sys.stderr)
        for message in pair.messages:
            speaker = name if message["role"] == "assistant" else "Visitor"
            print(f"{speaker}: {message['content']}", file=sys.stderr)
        if pair.fact:
            print(f"(True in this world: {pair.fact})", file=sys.stderr)
        print(f"\n  1  {first}\n\n  2  {second}\n", file=sys.stderr)

    def answer() -> str:
        while True:
            print(
                "Better? 1, 2, t (tie), s (skip), p (persona), q (stop): ",
                end="",
                file=sys.stderr,
                flush=True,
            )
            try:
                said = input().strip().casefold()
            except (EOFError, KeyboardInterrupt):
                return "q"
            if said in ANSWERS:
                return said

    def show_persona() -> None:
        print(f"\n{plan.briefing.persona}\n{plan.briefing.facts}", file=sys.stderr)

    print(
        f"Which line plays {name} better? Judge whether it answers, is true to the character, sounds like "
        "it, and stays in the role; length is no merit. Answers are kept at once.",
        file=sys.stderr,
    )
    show_persona()
    try:
        asked = ask_person(plan, rater, ratings, show, answer, show_persona)
    finally:
        ratings.close()
    print(f"\n{asked.answered} answered now, {asked.left} left.", file=sys.stderr)


def _compute(
    plan: JudgingPlan, ratings: RowFile, asked: list[str], complete: bool, usd: float | None
) -> dict[str, Any]:
    """The judgement of all who have ever rated these pairs: none is dropped for what it said."""
    from understudy.judging import compute_judgement
    from understudy.judging.asking import calls_file
    from understudy.judging.judgement import raters_of

    judges, persons = raters_of(plan, ratings)
    everybody = list(dict.fromkeys([*asked, *judges]))
    spent = calls_file(plan).usd() if usd is None else usd
    return compute_judgement(plan, everybody, persons, ratings, complete=complete, usd=spent)
