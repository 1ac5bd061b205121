"""``understudy keys``: API keys for clients on other machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.api.keys import ApiKey, KeyRing

__all__ = ["keys_app"]

keys_app = typer.Typer(
    help="API keys of this machine's server, for clients on other machines.", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@keys_app.command("create")
def create_command(
    name: Annotated[str, typer.Argument(help="Whose key it is, for example laptop.")],
    expires_days: Annotated[
        float | None, typer.Option(min=0.001, help="Refuse it after so many days. Default: never.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, once: only its hash is kept.

    Example: understudy keys create laptop
    """
    key, secret = _ring().create(name, expires_days)
    if as_json:
        print(json.dumps({**_row(key), "key": secret.reveal()}))
        return
    print(secret.reveal())
    typer.echo(
        f"Key {key.id} ({key.name}), shown this once. It opens everything the server does: files, jobs, "
        f"models, chat. Take it back with: understudy keys revoke {key.id}",
        err=True,
    )


@keys_app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """List the keys; the keys themselves are nowhere.

    Example: understudy keys list
    """
    rows = [_row(key) for key in _ring().all()]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    if not rows:
        print("No keys. Create one: understudy keys create NAME")
    for row in rows:
        print(f"{row['id']}  {row['created']}  {row['state']:<24}  {row['name']}")


@keys_app.command("revoke")
def revoke_command(
    key: Annotated[str, typer.Argument(help="Id or name of the key, as the list shows it.")],
) -> None:
    """Refuse a key from now on; a running server notices at once.

    Example: understudy keys revoke laptop
    """
    revoked = _ring().revoke(key)
    print(f"Revoked {revoked.id} ({revoked.name}).")


def _ring() -> KeyRing:
    from understudy.api.keys import KeyRing
    from understudy.api.settings import home_directory

    return KeyRing(home_directory())


def _row(key: ApiKey) -> dict[str, Any]:
    from datetime import UTC, datetime

    def day(seconds: int) -> str:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")

    state = "valid"
    if key.expires_at is not None:
        state = f"valid until {day(key.expires_at)}" if key.is_valid() else "expired"
    return {"id": key.id, "name": key.name, "created": day(key.created_at), "state": state}
