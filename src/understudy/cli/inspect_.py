"""``understudy inspect``: the evaluation as a task of Inspect AI, for others to run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from understudy.evaluation.probes import SetName
    from understudy.folder import CharacterFolder

__all__ = ["inspect_command"]


def inspect_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    run: Annotated[
        str | None, typer.Option(help="Run whose evaluation leaves. Default: the latest with a verdict.")
    ] = None,
    final: Annotated[
        bool,
        typer.Option("--final", help="The final probes instead of the development ones: counts as a look."),
    ] = False,
    to: Annotated[
        Path | None, typer.Option(help="Folder to write to. Default: inspect-development in the run.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write the evaluation as a task that Inspect AI runs: probes, pass rules and what they learn from.

    The folder is read back, and must decide the verdict's own replies as the verdict did.

    Example: understudy inspect ophelia --to ophelia-inspect
    """
    import json
    from importlib.util import find_spec

    from understudy.folder import open_folder, typed
    from understudy.inspection import write_inspection

    folder = open_folder(name)
    probe_set: SetName = "final" if final else "development"
    run_folder = _run_of(folder, run, name, probe_set)
    written = write_inspection(folder, run_folder, probe_set=probe_set, output=to)
    print(
        f"{written.probes} {probe_set} probes; {written.replies} replies of the verdict decided again, all "
        "alike",
        file=sys.stderr,
    )
    if final:
        print(
            f"Looks at the final probes: {written.looks}, this export among them. What others run is counted "
            "nowhere.",
            file=sys.stderr,
        )
    if find_spec("inspect_ai") is None:
        print("To run it here: pip install 'understudy[inspect]'", file=sys.stderr)
    # With its name, because Inspect takes a bare path for a pattern, and no absolute one.
    task = typed(f"{written.folder / 'task.py'}@probes")
    print(f"Run it: inspect eval {task} --model MODEL", file=sys.stderr)
    print(json.dumps(written.as_row(), ensure_ascii=False, indent=2) if as_json else written.folder)


def _run_of(folder: CharacterFolder, run: str | None, name: str, probe_set: str) -> Path:
    """The named run, else the latest that was evaluated on the set, else the latest.

    Raises:
        ConfigError: There is none.
    """
    from understudy.errors import ConfigError
    from understudy.evaluation.verdict import verdict_path
    from understudy.folder import typed

    if run is not None:
        return folder.existing_run(run)
    evaluated = [path for path in sorted(folder.runs.glob("*")) if verdict_path(path, probe_set).is_file()]
    found = evaluated[-1] if evaluated else folder.latest_run()
    if found is None:
        raise ConfigError(f"{folder.runs}: there is no run yet. Train one: understudy train {typed(name)}")
    return found
