"""``understudy serve``: the OpenAI-compatible server by itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.api.settings import ServerSettings
    from understudy.client.embedded import Announcement

__all__ = ["serve_command"]

DEFAULT_PORT = 8321


def serve_command(
    port: Annotated[int, typer.Option(help="Port; 0 takes any free one.")] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="Interface. Others need understudy keys.")] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Further name under which clients reach it, as through a proxy. May be repeated."),
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="What clients send as API key. Default: a random one.")
    ] = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Let in every program on this machine without a key.")
    ] = False,
    base: Annotated[
        str, typer.Option(help="Base model that stands in for OpenAI's names.")
    ] = "understudy/mini",
    training_threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of a training job. Default: all cores.")
    ] = None,
    inference_threads: Annotated[
        int | None, typer.Option(min=1, help="Threads for replies. Default: all cores.")
    ] = None,
    inference_processes: Annotated[
        int | None,
        typer.Option(min=1, help="Most processes that speak, for small models in a crowd. Default: two."),
    ] = None,
    yields: Annotated[
        str,
        typer.Option(
            "--yield",
            help="Who gives way while a job trains: training, chat or none.",
        ),
    ] = "training",
    int8: Annotated[
        list[Path] | None,
        typer.Option(help="Speak with an int8 export of a model through CTranslate2. May be repeated."),
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the server that runs here, and end.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Say whether a server runs here, and end.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --status: print JSON.")] = False,
) -> None:
    """Serve files, fine-tuning jobs and chat in the shape of OpenAI's API. Ctrl-C ends it.

    Example: understudy serve --port 8321
    """
    if stop:
        _stop()
    elif status:
        _print_status(as_json)
    else:
        if no_token and token:
            from understudy.errors import ConfigError

            raise ConfigError("Give --token or --no-token, not both.")
        from understudy.secret import Secret

        secret = None if no_token else Secret(token or _random_token())
        values: dict[str, Any] = {"port": port, "host": host, "token": secret, "default_base": base}
        values |= {"allowed_hosts": tuple(allow_host or ()), "yields": yields, "int8": tuple(int8 or ())}
        values |= {"training_threads": training_threads, "inference_threads": inference_threads}
        _serve(values | {"inference_processes": inference_processes})


def _serve(options: dict[str, Any]) -> None:
    import logging

    from understudy.api.settings import ServerSettings
    from understudy.client.embedded import require_extra
    from understudy.secret import log_without_secrets

    require_extra()
    from understudy.api.server import serve

    log_without_secrets(logging.WARNING)
    settings = ServerSettings(**options)
    _take_over()
    serve(settings, lambda url: _print_ready(url, settings))
    print("The server has ended; its workers are stopped.", file=sys.stderr)


def _random_token() -> str:
    import secrets

    return secrets.token_urlsafe(24)


def _take_over() -> None:
    """End a server that a command started and that does nothing now; another keeps running."""
    from understudy.client.embedded import find_server, is_unused, stop_server

    found = find_server()
    if found is not None and found.embedded and is_unused(found):
        stop_server()
        print("The server that ran in the background has ended; this one takes its place.", file=sys.stderr)


def _print_ready(url: str, settings: ServerSettings) -> None:
    from understudy.api.settings import is_loopback
    from understudy.int8.parity import read_parity

    key = settings.token.reveal() if settings.token else "none"
    header = f' -H "Authorization: Bearer {key}"' if settings.token else ""
    message = {"role": "user", "content": "Hello!"}
    body = json.dumps({"model": settings.default_base, "messages": [message]})
    print(f"Understudy serves at {url}")
    print(f"State: {settings.home}")
    for folder in settings.int8:
        print(f"{read_parity(folder).summary()}.")
    if settings.token is None:
        print(
            "No token: every program and every user of this machine can read and delete files, train, "
            "and talk to every model here. Web pages and other machines still cannot."
        )
    if not is_loopback(settings.host):
        print(
            "Other machines need an API key (understudy keys); it travels unencrypted, so put a TLS proxy or "
            "an SSH tunnel between. The key below works on this machine only."
        )
    print()
    print(f"curl {url}/chat/completions{header} -H 'Content-Type: application/json' -d '{body}'")
    print(f'client = openai.OpenAI(base_url="{url}", api_key="{key}")')
    print()
    print("Ctrl-C ends it.", flush=True)


def _stop() -> None:
    from understudy.client.embedded import stop_server

    print("The server has ended." if stop_server() else "No server runs here.")


def _print_status(as_json: bool) -> None:
    from understudy.client.embedded import find_server

    found = find_server()
    if as_json:
        print(json.dumps(_as_json(found), indent=2))
    elif found is None:
        print("No server runs here. Commands start one when they need it.")
    else:
        kind = "started by a command" if found.embedded else "started by understudy serve"
        print(f"A server runs at {found.base_url} (process {found.pid}, version {found.version}, {kind}).")


def _as_json(found: Announcement | None) -> dict[str, Any]:
    if found is None:
        return {"running": False}
    shown = ("base_url", "pid", "version", "embedded", "default_base", "started_at")
    return {"running": True, **{name: getattr(found, name) for name in shown}}
