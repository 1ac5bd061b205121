"""``understudy policies``: see, switch and change what the server does around the character's replies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["policies_command"]


def policies_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    run: Annotated[str | None, typer.Option(help="Run whose model is meant. Default: the latest.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Apply none of them from now on.")] = False,
    on: Annotated[bool, typer.Option("--on", help="Apply them again.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Send what character.yaml says now; nothing is trained.")
    ] = False,
    provider: Annotated[
        str | None, typer.Option(help="Base URL of another understudy server. Default: this machine.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the policies that the server applies to the trained model, or change them.

    Example: understudy policies iroh --update
    """
    from understudy.character.character import load_character
    from understudy.character.deployed import policies_of
    from understudy.cli.chat import trained_model
    from understudy.client import connect, resolve_provider
    from understudy.errors import ConfigError
    from understudy.folder import open_folder

    if on and off:
        raise ConfigError("--on and --off cannot stand together. Choose one.")
    folder = open_folder(name)
    model = trained_model(folder, run, name)
    change: dict[str, Any] = policies_of(load_character(folder.character)).document() if update else {}
    if update:
        change.pop("enabled")
    if on or off:
        change["enabled"] = on
    with connect(resolve_provider(provider, allow_paid=provider is not None)) as client:
        shown = _ask(client, model, change)
    print(json.dumps(shown, ensure_ascii=False, indent=2) if as_json else _sentences(shown))


def _ask(client: OpenAI, model: str, change: dict[str, Any]) -> dict[str, Any]:
    import openai

    from understudy.errors import ProviderError

    path = f"/understudy/policies/{model}"
    try:
        answer: Any = (
            client.post(path, body=change, cast_to=object) if change else client.get(path, cast_to=object)
        )
    except openai.APIError as error:
        raise ProviderError(f"{model}: {error.message}") from error
    return dict(answer)


def _sentences(shown: dict[str, Any]) -> str:
    state = "applied" if shown["enabled"] else "switched off"
    interval = shown["disclosure_interval"]
    reminder = f"in the first reply and every {interval} replies" if interval else "never"
    contacts = shown["crisis_contacts"] or "the emergency number or a crisis line"
    crisis = f"answered by the server with {contacts}" if shown["crisis"] == "refer" else "left to the model"
    return "\n".join(
        [
            f"Policies of {shown['model']}, {state} by the server:",
            f"  reminder that this is an AI   {reminder}",
            f"  audience                      {shown['audience']}",
            f"  cry for help                  {crisis}",
        ]
    )
