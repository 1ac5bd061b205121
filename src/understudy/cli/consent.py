"""Consent: spending needs a yes from a person, or ``--yes`` beforehand."""

from __future__ import annotations

import sys

import typer

__all__ = ["ask_to_spend"]


def ask_to_spend(provider: str, question: str) -> None:
    """Ask on standard error; the price was shown before.

    Raises:
        ConfigError: Nobody can be asked.
        typer.Exit: 1 where the answer is no.
    """
    from understudy.errors import ConfigError

    if not sys.stdin.isatty():
        raise ConfigError(f"{provider} may charge for this. Add --yes to spend without being asked.")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
