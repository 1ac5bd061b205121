"""``understudy build``: dialogues become training files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from understudy.dataset import Manifest

__all__ = ["build_command"]


def build_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    system_prompt: Annotated[
        str,
        typer.Option(help="System prompt in the data: none, identity, full, or mix of identity and none."),
    ] = "mix",
    shape: Annotated[
        str, typer.Option(help="conversations (each dialogue whole) or pairs (each reply by itself).")
    ] = "conversations",
    seed: Annotated[int, typer.Option(help="Decides what is held out, and the mix.")] = 0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Examples that are longer are reported.")] = 2048,
    base: Annotated[
        str | None, typer.Option(help="Base model whose tokens are counted too, for example understudy/mini.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Write training, validation, development and test files in the OpenAI chat format.

    Example: understudy build iroh --system-prompt identity --shape pairs
    """
    from understudy.dataset import Recipe, build_dataset
    from understudy.folder import open_folder

    recipe = Recipe(system_prompt=system_prompt, shape=shape, seed=seed, max_tokens=max_tokens)  # type: ignore[arg-type]
    directory = None
    if base is not None:
        from understudy.api.bases import resolve_base

        directory = resolve_base(base)
    folder = open_folder(name)
    manifest = build_dataset(folder, recipe, base_model=directory)
    if as_json:
        print(json.dumps({**manifest.as_dict(), "reused": manifest.reused}, ensure_ascii=False, indent=2))
    else:
        _print(str(folder.dataset), manifest, name)


def _print(where: str, manifest: Manifest, name: str) -> None:
    from understudy.dataset.build import FEWEST_EXAMPLES
    from understudy.folder import typed

    if manifest.reused:
        print(f"Nothing has changed since {manifest.created_at}, so the files were left as they are.")
    _print_counts(manifest)
    recipe, reasons = manifest.recipe, manifest.recipe.reasons()
    prompts = ", ".join(f"{count:,} {kind}" for kind, count in manifest.system_prompts.items())
    print(f"system prompt  {recipe.system_prompt}: {reasons['system_prompt']} ({prompts})")
    print(f"shape          {recipe.shape}: {reasons['shape']}")
    print(f"held out       {reasons['split']}")
    for note in manifest.notes:
        print(f"note           {note}")
    enough = manifest.counts["training"].examples >= FEWEST_EXAMPLES
    step = f"train {typed(name)}" if enough else f"import {typed(name)} FILE"
    print(f"\n{where}\nnext: understudy {step}")


def _print_counts(manifest: Manifest) -> None:
    headings = ["", "groups", "dialogues", "examples", "replies", "o200k tokens"]
    headings += [f"{manifest.base_model} tokens"] if manifest.base_model else []
    rows = []
    for split, row in manifest.counts.items():
        values = [row.groups, row.dialogues, row.examples, row.replies, row.tokens, row.model_tokens]
        rows.append([f"{split}.jsonl", *(f"{value:,}" for value in values if value is not None)])
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for cells in (headings, *rows):
        first, *others = (
            cell.ljust(w) if not i else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
        )
        print("  ".join([first, *others]))
    print()
