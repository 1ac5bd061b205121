"""``understudy gate``: the verdict as an exit code, for pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.evaluation.gate import Demand
    from understudy.folder import CharacterFolder

__all__ = ["gate_command"]


def gate_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    run: Annotated[str | None, typer.Option(help="Run to hold. Default: the latest with a verdict.")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="not_shown: let pass what the data could not decide."),
    ] = None,
    minimum: Annotated[
        list[str] | None,
        typer.Option("--min", help="SCORE=VALUE that must be reached, such as honesty=0.9; may be repeated."),
    ] = None,
    maximum: Annotated[
        list[str] | None, typer.Option("--max", help="SCORE=VALUE that must not be passed; may be repeated.")
    ] = None,
    max_leak: Annotated[
        float | None, typer.Option(min=0, max=1, help="The same as --max in_fiction_leak=VALUE.")
    ] = None,
    max_price_usd: Annotated[
        float | None,
        typer.Option(min=0, help="US dollars per 1,000 conversations, from what `understudy cost` saved."),
    ] = None,
    place: Annotated[
        str | None, typer.Option(help="Place of that price, as cost names it. Default: the cheapest.")
    ] = None,
    arm: Annotated[str, typer.Option(help="Arm that the limits are about.")] = "tuned+short",
    by_value: Annotated[
        bool, typer.Option("--by-value", help="Hold limits against values, not against 95 % intervals.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the decision as JSON.")] = False,
) -> None:
    """Say in one line and an exit code whether the understudy may go on stage.

    Exit codes: 0 not inferior and all limits kept; 1 shown to be inferior, or a limit shown to be broken;
    2 wrong usage, or no verdict; 3 not shown either way.

    Example: understudy gate ophelia --max-leak 0.02 --min honesty=0.9
    """
    import json

    from understudy.cost.evidence import find_run
    from understudy.evaluation.gate import decide, parse_limit
    from understudy.folder import open_folder

    folder = open_folder(name)
    run_folder = find_run(folder, run)
    verdict = _read(run_folder, name)
    limits = [parse_limit(text, "min") for text in minimum or ()]
    limits += [parse_limit(text, "max") for text in maximum or ()]
    if max_leak is not None:
        limits.append(parse_limit(f"in_fiction_leak={max_leak}", "max"))
    extra = _stale(folder, verdict)
    if max_price_usd is not None and run_folder is not None:
        extra.append(_price(run_folder, name, arm, place, max_price_usd))
    gate = decide(
        verdict,
        limits,
        arm=arm,
        allow=allow or (),
        by_value=by_value,
        extra=extra,
        more_scores=_judged(run_folder),
    )
    run_id = run_folder.name if run_folder else ""
    if as_json:
        print(json.dumps({"run": run_id, **gate.as_row()}, ensure_ascii=False, indent=2))
    else:
        print(f"{verdict.get('character')}, {run_id}: {gate.why}")
    raise typer.Exit(gate.exit_code)


def _read(run: Path | None, name: str) -> dict[str, Any]:
    """The verdict of any version that is understood.

    Raises:
        ConfigError: There is none, or it cannot be read: exit code 2.
    """
    from understudy.cost.evidence import read_object
    from understudy.errors import ConfigError, EvaluationError
    from understudy.evaluation.gate import SCHEMAS
    from understudy.folder import typed

    advice = f"Evaluate first: understudy evaluate {typed(name)}"
    if run is None:
        raise ConfigError(f"{name}: no run has a verdict. {advice}")
    try:
        verdict = read_object(run / "verdict.json")
    except EvaluationError as error:
        raise ConfigError(str(error)) from error
    if not verdict:
        raise ConfigError(f"{run}: has no verdict. {advice}")
    if verdict.get("schema") not in SCHEMAS:
        raise ConfigError(f"{run / 'verdict.json'}: is not a verdict of a known version. {advice} --again")
    return verdict


def _stale(folder: CharacterFolder, verdict: dict[str, Any]) -> list[Demand]:
    from understudy.evaluation.gate import Demand, is_stale

    if not is_stale(verdict, folder.character.read_bytes()):
        return []
    why = f"{folder.character} was changed after the verdict; evaluate again"
    return [Demand("verdict is about this sheet", "not_shown", why)]


def _price(run: Path, name: str, arm: str, place: str | None, most_usd: float) -> Demand:
    """The price of 1,000 conversations at the cheapest place, or at the named one.

    Raises:
        ConfigError: No price was saved, or not of this arm and place.
    """
    from understudy.cost.evidence import read_object
    from understudy.errors import ConfigError
    from understudy.evaluation.gate import Demand
    from understudy.folder import typed

    rows = read_object(run / "cost.json").get("arms") or []
    prices = {str(row.get("place")): 1000 * float(row["usd"]) for row in rows if row.get("arm") == arm}
    if not prices:
        raise ConfigError(f"{run}: holds no price of {arm}. Compute it first: understudy cost {typed(name)}")
    if place is not None and place not in prices:
        raise ConfigError(f"--place {place}: {arm} has no price there. Priced: {', '.join(prices)}.")
    chosen = place or min(prices, key=lambda where: prices[where])
    state = "kept" if prices[chosen] <= most_usd else "broken"
    told = f"{prices[chosen]:.4g} USD at {chosen}"
    return Demand(f"price of 1,000 conversations ≤ {most_usd:g} USD", state, told)  # type: ignore[arg-type]


def _judged(run: Path | None) -> dict[str, dict[str, Any]]:
    """The win rate that judges gave, where they were asked and believed."""
    from understudy.cost.evidence import read_object

    rate = (read_object(run / "judgement.json") if run else {}).get("win_rate")
    return {"judged_win_rate": rate} if rate else {}
