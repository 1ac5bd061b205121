"""``understudy export``: the tuned model in the forms that other programs read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.folder import CharacterFolder

__all__ = ["export_command"]


def export_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    run: Annotated[str | None, typer.Option(help="Run whose model leaves. Default: the latest.")] = None,
    format: Annotated[
        list[str] | None,
        typer.Option(help="adapter, merged, gguf, ctranslate2 (int8); repeatable. Default: the first two."),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Folder to write to. Default: export in the run.")] = None,
    gguf_type: Annotated[str, typer.Option(help="Numbers of a GGUF file: f16, f32 or q8_0.")] = "f16",
    temperature: Annotated[
        float, typer.Option(min=0.0, max=2.0, help="Written into the generation settings.")
    ] = 0.3,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write the tuned model as adapter, merged model, GGUF with a Modelfile or int8, and check each.

    What was written is loaded again and must say what the trained model says; otherwise it is not kept.

    Example: understudy export ophelia --format adapter --format gguf
    """
    from understudy.client import connect, resolve_provider
    from understudy.client.weights import find_weights
    from understudy.export.plan import plan_export
    from understudy.export.process import run_export
    from understudy.folder import open_folder

    folder = open_folder(name)
    run_folder, model = _run_with_model(folder, run, name)
    with connect(resolve_provider(None)) as client:
        weights = find_weights(client, model)
    spec = plan_export(
        folder, run_folder, vars(weights), formats=tuple(format or ("adapter", "merged")), output=to,
        gguf_type=gguf_type, temperature=temperature,
    )  # fmt: skip
    print(f"{model}, checked with {len(spec.probes)} held-out conversations", file=sys.stderr)
    report = run_export(spec, lambda event: print(_line(event), file=sys.stderr))
    if as_json:
        print(json.dumps({"path": str(spec.output), **report}, ensure_ascii=False, indent=2))
    else:
        print("\n".join(row["path"] for row in report["formats"].values()))


def _run_with_model(folder: CharacterFolder, run: str | None, name: str) -> tuple[Path, str]:
    """The run's folder and its model, by default the newest that has one."""
    from understudy.cli.chat import trained_model

    model = trained_model(folder, run, name)
    if run is not None:
        return folder.existing_run(run), model
    for path in sorted(folder.runs.glob("*"), reverse=True):
        job = path / "job.json"
        if job.is_file() and json.loads(job.read_text(encoding="utf-8")).get("fine_tuned_model") == model:
            return path, model
    raise AssertionError(f"{model} was found in no run")


def _line(event: dict[str, Any]) -> str:
    return (
        f"{event['format']}: {-event['exported']:.3f} nats per token, trained {-event['trained']:.3f}, "
        f"bare base {-event['base']:.3f}; {event['same_replies']} of {event['probes']} greedy replies equal"
    )
