"""``understudy plan``: what is to be written for a character, to be read and edited before it is paid for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.character.character import Character
    from understudy.teaching import Plan
    from understudy.teaching.estimate import Estimate

__all__ = ["plan_command"]


def plan_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    dialogues: Annotated[int, typer.Option(min=1, max=1_000_000, help="Dialogues to plan.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the lines' choice.")] = 0,
    teacher: Annotated[
        list[str] | None, typer.Option(help="Models to price, besides the known ones. Can be repeated.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Draft anew; the plan there was is kept beside.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Plan what a teacher shall write: situations, counts, sample lines, tokens and prices, in plan.yaml.

    A plan that is there already is priced and left as it is. Spends nothing and asks no model.

    Example: understudy plan ophelia --dialogues 300
    """
    from understudy.character import load_character
    from understudy.folder import open_folder, typed
    from understudy.teaching import draft_plan, load_plan, plan_path, save_plan
    from understudy.teaching.estimate import estimate_plan, known_teachers

    folder = open_folder(name)
    character = load_character(folder.character)
    path = plan_path(folder)
    teachers = [*(teacher or []), *known_teachers()]
    drafted = again or not path.exists()
    plan = draft_plan(character, dialogues, seed) if drafted else load_plan(folder)
    estimates = estimate_plan(plan, character, teachers)
    kept = _keep_beside(path) if drafted and path.exists() else None
    if drafted:
        save_plan(path, plan, folder=typed(name), estimate=_prices(estimates))
    if as_json:
        print(json.dumps(_as_json(plan, path, drafted, estimates), ensure_ascii=False, indent=2))
        return
    print(_told(plan, character, estimates))
    if kept is not None:
        print(f"The plan there was: {kept}")
    said = "Written" if drafted else "Read, and left as it is (--again drafts anew)"
    print(f"{said}: {path}\nRead and edit it, then: understudy generate {typed(name)} --teacher MODEL")


def _keep_beside(path: Path) -> Path:
    """The old plan under a name that is free."""
    number = 1
    while (target := path.with_name(f"plan-before-{number}.yaml")).exists():
        number += 1
    path.rename(target)
    return target


def _told(plan: Plan, character: Character, estimates: list[Estimate]) -> str:
    rows = [
        f"{plan.dialogues:,} dialogues for {character.name}",
        "",
        f"{'category':<22}{'dialogues':>9}  for example",
    ]
    samples = {category: _sample(plan, category) for category in plan.counts()}
    rows += [f"{category:<22}{count:>9,}  {samples[category]}" for category, count in plan.counts().items()]
    return "\n".join([*rows, "", _prices(estimates), ""])


def _sample(plan: Plan, category: str) -> str:
    from understudy.teaching.outline import SINCERE

    subjects = plan.situations.get(category, {})
    lines = [s.lines[-1] if category == SINCERE else s.lines[0] for s in subjects.values() if s.count]
    if not lines:
        lines = [line for texts in plan.facts.questions.values() for line in texts]
    return lines[0] if lines else ""


def _prices(estimates: list[Estimate]) -> str:
    from understudy.teaching.estimate import describe_assumption

    rows = [
        f"{'teacher':<22}{'requests':>9}{'prompt tokens':>15}{'reply tokens':>14}{'USD':>9}{'in batches':>12}"
    ]
    for e in estimates:
        usd = f"{e.usd:>9.2f}{e.usd / 2:>12.2f}" if e.usd is not None else f"{'unknown':>9}"
        usd = f"{'free':>9}" if e.free else usd
        rows.append(f"{e.model:<22}{e.requests:>9,}{e.prompt_tokens:>15,}{e.reply_tokens:>14,}{usd}")
    return "\n".join([*rows, *describe_assumption(estimates)])


def _as_json(plan: Plan, path: Path, drafted: bool, estimates: list[Estimate]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "plan": str(path),
        "drafted": drafted,
        "dialogues": plan.dialogues,
        "counts": plan.counts(),
        "teachers": [asdict(estimate) for estimate in estimates],
    }
