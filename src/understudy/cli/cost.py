"""``understudy cost``: what every arm costs, and when the training has paid for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from understudy.cost import CostTable

__all__ = ["cost_command", "print_claims", "print_costs"]


def cost_command(
    name: Annotated[str | None, typer.Argument(help="The character's folder.")] = None,
    turns: Annotated[int, typer.Option(min=1, help="Turns of a conversation.")] = 10,
    conversations_per_day: Annotated[
        float, typer.Option(min=0.0, help="Your traffic: for cache hits, months and days to break even.")
    ] = 100.0,
    horizon_days: Annotated[
        int, typer.Option(min=1, help="Days over which a training is spread, where no shutdown comes first.")
    ] = 365,
    cheap: Annotated[
        str | None,
        typer.Option(
            help="Hosted cheap model, also tuned if it can be. Default: the run's, or gpt-4.1-mini."
        ),
    ] = None,
    expensive: Annotated[str, typer.Option(help="Hosted expensive model.")] = "gpt-4.1",
    history: Annotated[
        str, typer.Option(help="History sent each turn: all, last-6 or halve-12 (turns), tokens-1000.")
    ] = "all",
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs of training. Default: the run's, else the provider's rule."),
    ] = None,
    gpu: Annotated[str, typer.Option(help="Rented GPU: NAME or NAME@HOST.")] = "A100 80GB@RunPod",
    gpu_tokens_per_second: Annotated[
        float, typer.Option(min=1.0, help="Reply tokens a second of that GPU, all requests together.")
    ] = 1500.0,
    utilisation: Annotated[float, typer.Option(help="Share of paid hours in which the GPU works.")] = 0.3,
    watts: Annotated[float, typer.Option(min=0.0, help="Power of your own machine at work.")] = 65.0,
    usd_per_kwh: Annotated[float, typer.Option(min=0.0, help="Your electricity price.")] = 0.30,
    machine_usd_per_hour: Annotated[
        float,
        typer.Option(min=0.0, help="Hire of the machine on which the run was measured; 0: it is bought."),
    ] = 0.0,
    claims: Annotated[
        bool,
        typer.Option("--claims", help="Print how many times its base a tuned model costs, 2023 and now."),
    ] = False,
    run: Annotated[str | None, typer.Option(help="Run whose replies were measured. Default: latest.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole table as JSON.")] = False,
) -> None:
    """Price every arm, with history re-sent and prompt caching. Works before anything is trained.

    For example: understudy cost ophelia --turns 20 --conversations-per-day 500
    """
    import json
    import sys
    from dataclasses import asdict

    from understudy.cost import OwnMachine, compute_costs, parse_trimming, read_inputs, save_costs
    from understudy.cost.evidence import find_run
    from understudy.errors import ConfigError
    from understudy.folder import open_folder

    if claims:
        print_claims(as_json)
        return
    if name is None:
        raise ConfigError("Name the character's folder: understudy cost NAME (or: understudy cost --claims).")
    folder = open_folder(name)
    run_folder = find_run(folder, run)
    inputs = read_inputs(
        folder,
        run_folder,
        turns=turns,
        conversations_per_day=conversations_per_day,
        horizon_days=horizon_days,
        cheap=cheap,
        expensive=expensive,
        trimming=parse_trimming(history),
        epochs=epochs,
        gpu=gpu,
        gpu_reply_tokens_per_second=gpu_tokens_per_second,
        utilisation=utilisation,
        machine=OwnMachine(
            watts, usd_per_kwh, machine_usd_per_hour, utilisation if machine_usd_per_hour else 1.0
        ),
    )
    table = compute_costs(inputs)
    if run_folder is not None:
        print(f"Saved: {save_costs(table, run_folder)}", file=sys.stderr)
    if as_json:
        print(json.dumps(asdict(table), ensure_ascii=False, indent=2))
    else:
        print_costs(table)


def print_claims(as_json: bool) -> None:
    """The price of tuned use over base use, then and now, each with its source and date."""
    import json
    from dataclasses import asdict

    from understudy.cost import list_claims

    claims = list_claims()
    if as_json:
        print(json.dumps([asdict(claim) for claim in claims], ensure_ascii=False, indent=2))
        return
    for claim in claims:
        print(f"{claim.sentence[:1].upper()}{claim.sentence[1:]}\n  {claim.source}")


def print_costs(table: CostTable) -> None:
    """The answers, then the arms, then what they rest on."""
    from rich.console import Console

    console = Console(highlight=False)
    for answer in table.answers:
        console.print(f"• {answer}", markup=False)
    console.print()
    console.print(_arm_rows(table))
    console.print()
    console.print(_history_rows(table))
    console.print()
    for training in table.training:
        console.print(
            f"Training, {training.place} ({training.model}): ${training.usd:,.4f} · {training.note} · "
            f"{training.source}, {training.as_of}",
            markup=False,
        )
    tokens = table.tokens
    console.print(
        f"Tokens: {tokens['user']:g} a message, {tokens['reply']:g} a reply, {tokens['source']}.",
        markup=False,
    )
    for note in table.notes:
        console.print(f"Note: {note}", markup=False)


def _arm_rows(table: CostTable) -> Table:
    """Every arm: per 1,000 messages, per 1,000 conversations, with the training, and waiting times."""
    from rich.table import Table

    turns = table.settings["turns"]
    title = f"USD per 1,000 messages (msg) and per 1,000 conversations of {turns} turns (conv)"
    rows = Table(title=title, title_justify="left", box=None, pad_edge=False)
    rows.add_column("arm", no_wrap=True)
    rows.add_column("model", overflow="fold")
    for column in ("prompt", "msg", "conv", "uncached", "+training", "p50/p95 s"):
        rows.add_column(column, justify="right", no_wrap=True)
    rows.add_column("price of", no_wrap=True)
    place = ""
    for arm in table.arms:
        if arm.place != place:
            place = arm.place
            rows.add_row(f"[bold]{place}[/bold]", _how(table, place))
        usd = [_thousand(value) for value in (arm.message_usd, arm.usd, arm.uncached_usd, arm.amortised_usd)]
        waiting = f"{arm.latency.p50_seconds:.2f}/{arm.latency.p95_seconds:.2f}" if arm.latency else "–"
        rows.add_row(f"  {arm.arm}", arm.model, f"{arm.prompt_tokens:,.0f}", *usd, waiting, arm.as_of)
    return rows


def _history_rows(table: CostTable) -> Table:
    """What the ways of trimming cost."""
    from rich.table import Table

    title = "The same under other histories, USD per 1,000 conversations (hosted)"
    rows = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("arm", "history"):
        rows.add_column(column, no_wrap=True)
    for column in ("conv", "saved", "from cache", "turns that break the cache"):
        rows.add_column(column, justify="right")
    for row in table.history:
        usd, saved = _thousand(row.usd), f"{1000 * row.saved_usd:+,.2f}"
        rows.add_row(row.arm, row.policy, usd, saved, f"{row.cached_share:.0%}", str(row.broken_turns))
    return rows


def _thousand(usd: float | None) -> str:
    """Dollars for a thousand; small amounts keep four digits."""
    if usd is None:
        return "–"
    return f"{1000 * usd:,.4g}" if usd < 1e-4 else f"{1000 * usd:,.2f}"


def _how(table: CostTable, place: str) -> str:
    """How the figures of a place came about."""
    if place == "own machine":
        return "measured"
    measured = any(arm.measured for arm in table.arms if arm.place == place)
    return "priced, tokens partly measured" if measured else "priced, not measured"
