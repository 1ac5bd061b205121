"""``understudy init``: a new character's folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from understudy.character.start import Started
    from understudy.client.recommend import Recommendation

__all__ = ["init_command"]

MEANINGS = {
    "character.yaml": "the sheet: who plays",
    "character.schema.json": "lets editors complete the sheet",
    "dialogues.jsonl": "dialogues to learn from",
}
WORD_FOR_WORD = ", your own word for word; the policies in the sheet add nothing to it"


def init_command(
    folder: Annotated[str, typer.Argument(help="Folder to make, for example iroh or characters/iroh.")],
    prompt: Annotated[Path | None, typer.Option(help="Text file with an existing system prompt.")] = None,
    card: Annotated[
        Path | None, typer.Option(help="TavernAI/SillyTavern card V1, V2 or V3: PNG, JSON or CHARX.")
    ] = None,
    example: Annotated[str | None, typer.Option(help="Copy a shipped example, for example ophelia.")] = None,
    name: Annotated[
        str | None, typer.Option(help="The character's name, where it is not to be guessed.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Who {{user}} is in a card. Default: nobody in particular.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make a character's folder. An existing character is never overwritten.

    Example: understudy init iroh --prompt prompt.txt
    """
    from understudy.character.start import start_character
    from understudy.client.recommend import recommend_base
    from understudy.errors import ConfigError

    if not folder.strip() or "\0" in folder:
        raise ConfigError("The character's folder needs a name, for example: understudy init iroh")
    started = start_character(Path(folder), prompt=prompt, card=card, example=example, name=name, user=user)
    recommendation = recommend_base()
    for warning in started.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if as_json:
        print(json.dumps(_as_json(started, recommendation), ensure_ascii=False, indent=2))
    else:
        print(_describe(started, recommendation))


def _as_json(started: Started, recommendation: Recommendation) -> dict[str, object]:
    character = started.character
    return {
        "folder": str(started.folder.root),
        "name": character.name,
        "identity_prompt": character.identity_prompt,
        "long_prompt_words": len(character.long_prompt().split()),
        "origin": started.origin,
        "made": [str(path) for path in started.made],
        "warnings": list(started.warnings),
        "recommended_base": recommendation.model,
        "recommended_because": recommendation.reason,
        "offline_base": recommendation.offline_model,
    }


def _describe(started: Started, recommendation: Recommendation) -> str:
    character, root = started.character, started.folder.root
    names = [str(path.relative_to(root)) for path in started.made]
    width = max(map(len, names)) + 2
    words = len(character.long_prompt().split())
    return "\n".join(
        [
            f"Made {root} from {started.origin}:",
            *(f"  {name:<{width}}{MEANINGS.get(name, 'the original, kept')}" for name in names),
            "",
            f"Name: {character.name}",
            f"Short prompt: {character.identity_prompt}",
            f"Long prompt: {words:,} words" + (WORD_FOR_WORD if character.prompt else ""),
            f"Base model for this machine: {recommendation.model} ({recommendation.reason}). "
            f"Without any download: {recommendation.offline_model}.",
            "",
            *_next(started),
        ]
    )


def _next(started: Started) -> list[str]:
    from understudy.folder import typed

    root = started.folder.root
    if started.folder.dialogues.exists() and not started.character.source:
        return [f"Next: understudy run {typed(root)}"]
    return [
        f"Next: look over {started.folder.character}, then bring dialogues, for example:",
        f"  understudy import {typed(root)} transcript.csv --speaker {typed(started.character.name)}",
        "or let a model write them:",
        f"  understudy plan {typed(root)}",
    ]
