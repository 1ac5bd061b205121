"""``understudy build``: dialogues become training files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from understudy.dataset import Manifest

__all__ = ["build_command"]

BAR_CHARACTERS = 40


def build_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    system_prompt: Annotated[
        str,
        typer.Option(
            help="System prompt in the data: none, identity, paraphrases, full, or mix of identity and none."
        ),
    ] = "mix",
    mix: Annotated[
        str | None,
        typer.Option(
            help="Shares under mix, such as identity=0.6,paraphrase=0.2,full=0.1; the rest has none."
        ),
    ] = None,
    shape: Annotated[
        str,
        typer.Option(help="conversations (each dialogue whole), windows, or pairs (each reply by itself)."),
    ] = "conversations",
    window: Annotated[int, typer.Option(help="Most messages of a window.")] = 8,
    learn: Annotated[str, typer.Option(help="all replies of an example, or the last.")] = "all",
    most_identity: Annotated[
        float, typer.Option(help="Largest share of dialogues that ask who the character is.")
    ] = 1.0,
    most_protective: Annotated[
        float, typer.Option(help="Largest share of sincere questions, danger and attempts to break the role.")
    ] = 1.0,
    most_general: Annotated[
        float, typer.Option(help="Largest share of anybody's tasks in the character's voice.")
    ] = 0.1,
    protect: Annotated[
        bool,
        typer.Option(help="Add shipped truthful answers to sincere questions where the dialogues hold none."),
    ] = True,
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

    recipe = Recipe(
        system_prompt=system_prompt,  # type: ignore[arg-type]
        shape=shape,  # type: ignore[arg-type]
        seed=seed,
        max_tokens=max_tokens,
        window_messages=window,
        learn=learn,  # type: ignore[arg-type]
        most_identity=most_identity,
        most_protective=most_protective,
        most_general=most_general,
        protect=protect,
        **_shares(mix),
    )
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


def _shares(mix: str | None) -> dict[str, float]:
    """``identity=0.6,full=0.1`` as the recipe's shares; what is not named is nought."""
    from understudy.errors import ConfigError

    if mix is None:
        return {}
    shares = {"identity_share": 0.0, "paraphrase_share": 0.0, "full_share": 0.0}
    for part in mix.split(","):
        kind, _, value = part.partition("=")
        key = f"{kind.strip()}_share"
        try:
            share = float(value)
        except ValueError:
            share = -1.0
        if key not in shares or share < 0:
            raise ConfigError(f"--mix {mix!r}: write it as identity=0.6,paraphrase=0.2,full=0.1.")
        shares[key] = share
    return shares


def _print(where: str, manifest: Manifest, name: str) -> None:
    from understudy.dataset.build import FEWEST_EXAMPLES
    from understudy.folder import typed

    if manifest.reused:
        print(f"Nothing has changed since {manifest.created_at}, so the files were left as they are.")
    _print_counts(manifest)
    _print_picture(manifest)
    recipe, reasons = manifest.recipe, manifest.recipe.reasons()
    prompts = ", ".join(f"{count:,} {kind}" for kind, count in manifest.system_prompts.items())
    print(f"system prompt  {recipe.system_prompt}: {reasons['system_prompt']} ({prompts})")
    print(f"shape          {recipe.shape}: {reasons['shape']}")
    print(f"learned        {recipe.learn}: {reasons['learn']}")
    print(f"balance        {reasons['balance']}")
    print(f"held out       {reasons['split']}")
    for note in manifest.notes:
        print(f"note           {note}")
    enough = manifest.counts["training"].examples >= FEWEST_EXAMPLES
    step = f"train {typed(name)}" if enough else f"import {typed(name)} FILE"
    print(f"\n{where}\nnext: understudy {step}")


def _print_picture(manifest: Manifest) -> None:
    """The training examples by kind and by length, as bars; ``picture.svg`` shows the same."""
    from understudy.dataset.picture import LENGTH_BOUNDS

    labels = [f"to {bound:,}" for bound in LENGTH_BOUNDS] + [f"over {LENGTH_BOUNDS[-1]:,}"]
    kinds = manifest.kinds.get("training", {})
    lengths = {label: n for label, n in zip(labels, manifest.lengths, strict=False) if n}
    for title, counts in (("training dialogues by kind", kinds), ("training examples by tokens", lengths)):
        total = sum(counts.values())
        if not total:
            continue
        print(f"{title} (picture.svg)")
        for label, count in counts.items():
            bar = "█" * max(1, round(BAR_CHARACTERS * count / total))
            print(f"  {label:<12}{count:>7,}  {count / total:>4.0%} {bar}")
    print()


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
