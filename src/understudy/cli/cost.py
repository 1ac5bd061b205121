"""``understudy cost``: what every arm costs, and when the training has paid for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from understudy.cost import CostTable

__all__ = ["cost_command", "print_costs"]


def cost_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    turns: Annotated[int, typer.Option(min=1, help="Turns of a conversation.")] = 10,
    conversations_per_day: Annotated[
        float, typer.Option(min=0.0, help="Your traffic: for cache hits, months and days to break even.")
    ] = 100.0,
    cheap: Annotated[
        str | None,
        typer.Option(
            help="Hosted cheap model, also tuned if it can be. Default: the run's, or gpt-4.1-mini."
        ),
    ] = None,
    expensive: Annotated[str, typer.Option(help="Hosted expensive model.")] = "gpt-4.1",
    history: Annotated[
        str, typer.Option(help="History sent each turn: all, last-6 (turns) or tokens-1000.")
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
    from understudy.folder import open_folder

    folder = open_folder(name)
    run_folder = find_run(folder, run)
    inputs = read_inputs(
        folder,
        run_folder,
        turns=turns,
        conversations_per_day=conversations_per_day,
        cheap=cheap,
        expensive=expensive,
        trimming=parse_trimming(history),
        epochs=epochs,
        gpu=gpu,
        gpu_reply_tokens_per_second=gpu_tokens_per_second,
        utilisation=utilisation,
        machine=OwnMachine(watts, usd_per_kwh),
    )
    table = compute_costs(inputs)
    if run_folder is not None:
        print(f"Saved: {save_costs(table, run_folder)}", file=sys.stderr)
    if as_json:
        print(json.dumps(asdict(table), ensure_ascii=False, indent=2))
    else:
        print_costs(table)


def print_costs(table: CostTable) -> None:
    """The answers, then the arms, then what they rest on."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for answer in table.answers:
        console.print(f"• {answer}", markup=False)
    turns = table.settings["turns"]
    title = f"USD per 1,000 conversations of {turns} turns"
    rows = Table(title=title, title_justify="left", box=None, pad_edge=False)
    rows.add_column("arm", no_wrap=True)
    rows.add_column("model", overflow="fold")
    for column in ("prompt", "USD", "uncached"):
        rows.add_column(column, justify="right", no_wrap=True)
    rows.add_column("price of", no_wrap=True)
    place = ""
    for arm in table.arms:
        if arm.place != place:
            place = arm.place
            rows.add_row(f"[bold]{place}[/bold]", _how(table, place))
        usd = [
            f"{1000 * value:,.4g}" if value < 1e-4 else f"{1000 * value:,.2f}"
            for value in (arm.usd, arm.uncached_usd)
        ]
        rows.add_row(f"  {arm.arm}", arm.model, f"{arm.prompt_tokens:,.0f}", *usd, arm.as_of)
    console.print()
    console.print(rows)
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


def _how(table: CostTable, place: str) -> str:
    """How the figures of a place came about."""
    if place == "own machine":
        return "measured"
    measured = any(arm.measured for arm in table.arms if arm.place == place)
    return "priced, tokens partly measured" if measured else "priced, not measured"
