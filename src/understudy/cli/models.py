"""``understudy models`` and ``understudy providers``: what answers where, and until when."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

__all__ = ["models_command", "providers_command"]


def models_command(
    provider: Annotated[
        str | None,
        typer.Option(help="openai, azure, nebius, together, or a base URL. Default: this machine."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models of this machine or of a provider, with the day on which each stops.

    Example: understudy models --provider openai
    """
    from understudy.client import connect, resolve_provider
    from understudy.client.lifetime import list_models

    whose = resolve_provider(provider, allow_paid=provider is not None)
    rows = list_models(connect(whose), whose)
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        end = f"   stops on {row['shutdown_date']}" if row["shutdown_date"] else ""
        print(f"{row['id']}{end}")
    print(f"{len(rows)} models at {whose.name}", file=sys.stderr)


def providers_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the providers known here, what each supports, and when and where that was read.

    Example: understudy providers
    """
    from dataclasses import asdict

    from understudy.client.dialect import OTHER, dialects

    rows = [*dialects().values(), OTHER]
    if as_json:
        print(json.dumps([asdict(row) for row in rows], default=str, ensure_ascii=False, indent=2))
        return
    for row in rows:
        training = ", ".join(row.methods) if row.training else "no"
        read = f"{row.source}, {row.as_of}" if row.as_of else "no document"
        chat = "yes" if row.chat else "no"
        print(f"{row.name}: {row.title}\n  chat {chat}; training {training}; key in {row.key}")
        print(f"  {row.note}\n  read in: {read}")
