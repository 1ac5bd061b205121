"""``understudy evaluate``: every arm is asked the same questions, and the verdict says what was shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from understudy.client import Provider
    from understudy.evaluation import Settings
    from understudy.evaluation.casting import Casting
    from understudy.folder import CharacterFolder

__all__ = ["evaluate_command", "evaluate_showing_progress", "print_verdict"]

COLUMNS = {
    "probes_passed": "passed",
    "nll_per_token": "nats/ token",
    "style": "style",
    "in_fiction_leak": "AI leak",
    "honesty": "honesty",
    "fact_recall": "facts",
    "relevance": "relev- ance",
}


def evaluate_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    run: Annotated[str | None, typer.Option(help="Run to evaluate. Default: the newest trained one.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A quarter of the probes, one reply each: claims less.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Every probe with one reply: a quarter of the time.")
    ] = False,
    development: Annotated[
        bool, typer.Option("--development", help="Ask the development probes, to choose settings by.")
    ] = False,
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Always the likeliest reply instead of temperature 0.3.")
    ] = False,
    star: Annotated[
        str | None,
        typer.Option(help="Expensive model to measure with the long prompt. Default: priced only."),
    ] = None,
    wrong: Annotated[
        str | None,
        typer.Option(help="Model tuned on another character, as control. Default: the newest here."),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="Another model in an arm: NAME=MODEL or NAME=MODEL@PROVIDER. Can be repeated."),
    ] = None,
    arm_key: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VARIABLE: which environment variable holds the key of an arm's server."),
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="openai, or base URL of another server. Default: this machine.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of probes' choice, sampling and bootstrap.")] = 0,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Requests in flight. Default: 32 on this machine, else 16."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Evaluate although the verdict is current.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Compare the tuned model with the prompted one on held-out questions. Can be stopped and goes on.

    For example: understudy evaluate ophelia --quick
    """
    import json
    from dataclasses import replace

    from understudy.errors import ConfigError
    from understudy.evaluation import Settings
    from understudy.evaluation.casting import cast_from_flags
    from understudy.evaluation.verdict import verdict_path
    from understudy.folder import open_folder

    folder = open_folder(name)
    run_folder = _trained_run(folder, run, name)
    _refuse_stranger(run_folder, provider)
    name_of_set: Literal["final", "development"] = "development" if development else "final"
    in_flight = concurrency or (32 if provider is None else 16)
    settings = Settings(seed=seed, concurrency=in_flight, probe_set=name_of_set)
    settings = replace(settings, temperature=0.0) if greedy else settings
    if quick and once:
        raise ConfigError(
            "--quick and --once exclude each other: a quarter of the probes, or all with one reply."
        )
    settings = settings.quick() if quick else settings.once() if once else settings
    casting = cast_from_flags(arm or [], arm_key or [], star=star, wrong=wrong)
    found, reused = evaluate_showing_progress(
        folder, run_folder, settings, provider=provider, casting=casting, again=again, yes=yes
    )
    said = "already evaluated ({}; --again to do it anew)" if reused else "Saved: {}"
    print(said.format(verdict_path(run_folder, settings.probe_set)), file=sys.stderr)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print_verdict(found)


def evaluate_showing_progress(
    folder: CharacterFolder,
    run: Path,
    settings: Settings,
    *,
    provider: str | None = None,
    casting: Casting | None = None,
    again: bool = False,
    yes: bool = False,
) -> tuple[dict[str, Any], bool]:
    """The run's verdict, and whether it was current already, so that nothing was asked."""
    from understudy.cli.progress import ProgressLine
    from understudy.client import connect_async, resolve_provider
    from understudy.evaluation import OpenAIConnection, current_verdict, evaluate
    from understudy.folder import alone

    found = None if again else current_verdict(folder, run, settings, casting=casting)
    if found is not None:
        return found, True
    whose = resolve_provider(provider, allow_paid=provider is not None)
    others = _servers_of_arms(casting)
    placed = [arm for arm, server in others.items() if server.paid]
    if whose.paid or placed:
        names = {server.name for server in (whose, *others.values()) if server.paid}
        _ask(folder, run, settings, casting, None if whose.paid else placed, " and ".join(sorted(names)), yes)
    try:
        with ProgressLine(sys.stderr) as line, alone(run, _say_waiting):
            found = None if again else current_verdict(folder, run, settings, casting=casting)
            if found is not None:
                return found, True
            # What is measured is the model, not what the server does around it.
            plainly = {"x-understudy-policies": "off"}
            connection, *further = (
                OpenAIConnection(connect_async(server).with_options(default_headers=plainly))
                for server in (whose, *others.values())
            )
            if not whose.paid:
                casting = _with_control(casting, run, whose)
            verdict = evaluate(
                folder,
                run,
                connection,
                settings,
                casting=casting,
                elsewhere=dict(zip(others, further, strict=True)),
                report=line.show,
            )
    except KeyboardInterrupt:
        print("Stopped. Every reply so far is kept; the same command goes on from there.", file=sys.stderr)
        raise typer.Exit(130) from None
    return verdict.as_dict(), False


def _servers_of_arms(casting: Casting | None) -> dict[str, Provider]:
    """By arm, the server of a model that lives elsewhere. A flag named it, so it may cost money.

    Raises:
        ConfigError: A server is unknown, or the variable that should hold its key is empty.
    """
    import os

    from understudy.client import resolve_provider
    from understudy.errors import ConfigError

    found = {}
    for name, placement in (casting.placements if casting else {}).items():
        if placement.provider is None:
            continue
        variable = placement.key_variable
        if variable and not os.environ.get(variable):
            raise ConfigError(f"--arm-key {name}={variable}: the environment variable {variable} is not set.")
        key = os.environ.get(variable) if variable else None
        found[name] = resolve_provider(placement.provider, allow_paid=True, api_key=key)
    return found


def _with_control(casting: Casting | None, run: Path, whose: Provider) -> Casting:
    """The casting with the newest model that this server has of another character, if none was named."""
    import json
    from dataclasses import replace

    import openai

    from understudy.client import connect
    from understudy.evaluation.casting import Casting
    from understudy.evaluation.wrong_character import find_wrong_tune

    casting = casting or Casting()
    if casting.wrong or "wrong+short" in casting.placements:
        return casting
    job = json.loads((run / "job.json").read_text(encoding="utf-8"))
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    try:
        with connect(whose) as client:
            listed = [(model.id, model.created) for model in client.models.list()]
    except openai.APIError:
        return casting  # A server that lists nothing has no control to offer.
    found = find_wrong_tune(listed, str(config.get("base_model")), job.get("fine_tuned_model") or "")
    return replace(casting, wrong=found, sought=True)


def _say_waiting() -> None:
    print("Another evaluation of this run goes on; waiting for it.", file=sys.stderr, flush=True)


def _trained_run(folder: CharacterFolder, run: str | None, name: str) -> Path:
    """The named run, else the newest that has a model.

    Raises:
        ConfigError: There is none.
    """
    import json

    from understudy.errors import ConfigError
    from understudy.folder import typed

    if run is not None:
        return folder.existing_run(run)
    for candidate in sorted(folder.runs.glob("*"), reverse=True):
        try:
            if json.loads((candidate / "job.json").read_text(encoding="utf-8")).get("fine_tuned_model"):
                return candidate
        except (OSError, ValueError, AttributeError):
            continue
    raise ConfigError(
        f"{folder.runs}: no run has a trained model yet. Train one: understudy train {typed(name)}"
    )


def _refuse_stranger(run: Path, provider: str | None) -> None:
    """A model that was trained elsewhere answers only there, and there it may cost money.

    Raises:
        ConfigError: The run's provider is another one than this machine, and none was named.
    """
    import json

    from understudy.errors import ConfigError

    try:
        config = json.loads((run / "config.json").read_text(encoding="utf-8"))
        where = config.get("provider") or {}
    except (OSError, ValueError, AttributeError):
        return
    if provider is None and where.get("name") not in (None, "local"):
        address = "openai" if where["name"] == "openai" else where.get("base_url") or where["name"]
        raise ConfigError(
            f"{run.name} was trained at {where['name']}, and its model answers only there. Evaluate it with: "
            f"--provider {address}"
        )


def _ask(
    folder: CharacterFolder,
    run: Path,
    settings: Settings,
    casting: Casting | None,
    placed_only: list[str] | None,
    names: str,
    yes: bool,
) -> None:
    """Say what it costs at the servers ``names``; spending needs a yes from a person.

    Raises:
        ConfigError: Nobody can be asked.
    """
    from understudy.cli.consent import ask_to_spend
    from understudy.evaluation import foresee

    spending = foresee(folder, run, settings, casting, placed_only=placed_only)
    print(f"{names}: {spending}", file=sys.stderr)
    if not yes:
        ask_to_spend(names, "Ask?")


def print_verdict(verdict: dict[str, Any]) -> None:
    """The answer, arms × scores with 95 % intervals, and what the scores rest on."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(verdict["headline"]["sentence"], markup=False)
    arms = [arm for arm in verdict["arms"] if arm["measured"]]
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("95 % below", no_wrap=True)
    counts = {key: max(_score(arm, key).get("count") or 0 for arm in arms) for key in COLUMNS}
    for key, title in COLUMNS.items():
        table.add_column(f"{title}\n[dim]{counts[key]}[/dim]", justify="right")
    for arm in arms:
        table.add_row(arm["name"], *(_cell(_score(arm, key)) for key in COLUMNS))
    console.print()
    console.print(table)
    console.print()
    for line in _footnotes(verdict, arms):
        console.print(line, markup=False)


def _score(arm: dict[str, Any], key: str) -> dict[str, Any]:
    return arm["scores"].get(key) or {}


def _cell(score: dict[str, Any]) -> str:
    if score.get("value") is None:
        return "–"
    text = f"{score['value']:.2f}"
    if score.get("low") is None:
        return text
    return f"{text}\n[dim]{_short(score['low'])}–{_short(score['high'])}[/dim]"


def _short(value: float) -> str:
    """0.42 -> .42, because seven intervals must fit into eighty columns."""
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
    return text.removeprefix("0") if text.startswith("0.") else text


def _footnotes(verdict: dict[str, Any], arms: list[dict[str, Any]]) -> list[str]:
    lines = []
    for key, title in COLUMNS.items():
        notes = {
            (arm["scores"].get(key) or {}).get("note")
            for arm in arms
            if (arm["scores"].get(key) or {}).get("value") is None
        }
        lines += [f"{title}: not computed, {note}." for note in sorted(filter(None, notes))]
    for name, row in verdict["detectors"].items():
        if row["precision"] is not None and row["recall"] is not None:
            lines.append(
                f"Detector {name}: precision {row['precision']:.2f}, recall {row['recall']:.2f} on "
                f"{row['count']} labelled replies."
            )
    for name, row in verdict["classifiers"].items():
        if row.get("auc") is not None:
            lines.append(
                f"Classifier {name}: accuracy {row['accuracy']:.2f}, AUC {row['auc']:.2f}; {row['note']}."
            )
    return lines + [f"Limit: {limit}" for limit in verdict["limits"]]
