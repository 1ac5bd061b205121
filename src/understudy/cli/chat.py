"""``understudy chat``: talk to the character."""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from understudy.client.conversation import Conversation
    from understudy.folder import CharacterFolder

__all__ = ["chat_command"]

HELP = "/again forgets the conversation, /exit leaves."


def chat_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    run: Annotated[str | None, typer.Option(help="Run whose model answers. Default: the latest.")] = None,
    model: Annotated[str | None, typer.Option(help="Another model, for example understudy/mini.")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="System prompt: short, long or none. Default: short.")
    ] = None,
    say: Annotated[str | None, typer.Option(help="Say one thing, print the reply, and stop.")] = None,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0, help="0 is always the likeliest.")] = 0.3,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest reply, in tokens.")] = 200,
    seed: Annotated[int | None, typer.Option(help="Same seed, same replies.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="Base URL or name of another server. Default: this machine.")
    ] = None,
) -> None:
    """Talk to the character. Replies appear as they are written.

    Example: understudy chat iroh --say "Good morning!"
    """
    from understudy.character.character import load_character
    from understudy.client import connect, resolve_provider
    from understudy.client.conversation import Conversation
    from understudy.errors import ConfigError
    from understudy.folder import open_folder

    if say is not None and not say.strip():
        raise ConfigError('--say is empty. Give it a sentence, for example: --say "Good morning!"')
    folder = open_folder(name)
    character = load_character(folder.character)
    prompts = {"short": character.identity_prompt, "long": character.long_prompt(), "none": ""}
    if (prompt or "short") not in prompts:
        raise ConfigError(f"--prompt {prompt!r} is not one of short, long, none.")
    conversation = Conversation(
        client=connect(resolve_provider(provider, allow_paid=provider is not None)),
        model=model or trained_model(folder, run, name),
        system_prompt=prompts[prompt or "short"],
        temperature=temperature,
        max_tokens=max_tokens,
        seed=seed,
    )
    if say is not None:
        _print_reply(conversation, say)
        return
    _talk(conversation, character.name, character.greeting)


def trained_model(character: CharacterFolder, run: str | None, name: str) -> str:
    """The fine-tuned model of a run, by default the newest that has one.

    Raises:
        ConfigError: There is no such run, or none has finished training.
    """
    import json

    from understudy.errors import ConfigError
    from understudy.folder import typed

    runs = character.runs
    folders = [character.existing_run(run)] if run is not None else sorted(runs.glob("*"), reverse=True)
    for folder in folders:
        try:
            model = json.loads((folder / "job.json").read_text(encoding="utf-8")).get("fine_tuned_model")
        except (OSError, ValueError):
            continue
        if model:
            return str(model)
    if run is not None:
        raise ConfigError(f"{folders[0]}: has no trained model yet. Go on: understudy train {typed(name)}")
    raise ConfigError(
        f"{runs}: no run has a trained model yet. Train one: understudy train {typed(name)}, "
        "or name a model: --model understudy/mini"
    )


def _talk(conversation: Conversation, name: str, greeting: str) -> None:
    typing = sys.stdin.isatty()
    _note(f"{conversation.model} · {HELP}")
    _greet(conversation, name, greeting)
    while True:
        try:
            text = input("\nYou: " if typing else "").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if text in ("/exit", "/quit"):
            return
        if text == "/again":
            conversation.history.clear()
            conversation.forgotten = 0
            _greet(conversation, name, greeting)
        elif text:
            print(f"{name}: ", end="", flush=True)
            _print_reply(conversation, text)


def _greet(conversation: Conversation, name: str, greeting: str) -> None:
    """The greeting is part of the conversation: what the person saw, the model sees."""
    if greeting:
        print(f"{name}: {_printable(greeting)}", flush=True)
        conversation.history.append({"role": "assistant", "content": greeting})


def _print_reply(conversation: Conversation, text: str) -> None:
    forgotten = conversation.forgotten
    try:
        for piece in conversation.reply(text):
            print(_printable(piece), end="", flush=True)
    except KeyboardInterrupt:
        print(" …", end="")
    print(flush=True)
    if conversation.forgotten > forgotten:
        _note("The conversation is longer than the model's context; its oldest turns were left out.")


def _printable(text: str) -> str:
    """Without control characters: a reply must not steer the terminal (colours, title, clipboard)."""
    return "".join(ch for ch in text if ch in "\n\t" or unicodedata.category(ch) != "Cc")


def _note(text: str) -> None:
    print(f"({text})", file=sys.stderr, flush=True)
