"""``understudy check``: every problem of a training file, with line and remedy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from understudy.dataset import CheckResult
    from understudy.rendering import Renderer

__all__ = ["check_command"]

SHOWN = 100
# Names that OpenAI's token counts are for; everything else is a local base model.
OPENAI_MODEL = re.compile(r"(ft:|gpt-|o\d|babbage-002|davinci-002).*")


def check_command(
    file: Annotated[Path, typer.Argument(help="A training file in JSONL.")],
    method: Annotated[str, typer.Option(help="supervised, dpo or reinforcement.")] = "supervised",
    model: Annotated[
        str,
        typer.Option(help="Whose tokens count: an OpenAI model, or a local base such as understudy/mini."),
    ] = "gpt-4o-mini",
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest example. Default: what the model reads in training.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find every problem of a training file before it costs anything. Exit code 1 if there are errors.

    Example: understudy check iroh/dataset/training.jsonl --model gpt-4.1-mini
    """
    from understudy.dataset import check_file

    renderer = None if OPENAI_MODEL.fullmatch(model) else _load_renderer(model)
    result = check_file(file, method=method, model=model, renderer=renderer, max_tokens=max_tokens)
    if as_json:
        print(json.dumps(result.as_dict(), ensure_ascii=False, indent=2))
    else:
        _print(result)
    raise typer.Exit(0 if result.ok else 1)


def _load_renderer(model: str) -> Renderer:
    from understudy.api.bases import resolve_base
    from understudy.rendering import Renderer

    return Renderer.load(resolve_base(model))


def _print(result: CheckResult) -> None:
    for problem in result.problems[:SHOWN]:
        where = f"{result.path}:{problem.line}" if problem.line else str(result.path)
        print(f"{where}: {problem.severity}: {problem.message} {problem.remedy}")
    more = len(result.problems) + result.hidden - SHOWN
    if more > 0:
        print(f"... and {more} more problems; --json lists up to 5,000.")
    if result.examples:
        counts = ", ".join(f"{count:,} {what}" for what, count in result.counts.items() if count)
        print(f"{_plural(result.examples, 'example')} ({counts or 'nothing readable'})")
        longest = f"longest {result.longest_tokens:,} of at most {result.max_tokens:,}"
        print(f"{_plural(result.tokens, 'token')} as {result.model} counts them, {longest}")
    verdict = "can be trained on" if result.ok else "cannot be trained on"
    print(f"{_plural(result.errors, 'error')}, {_plural(result.warnings, 'warning')}: the file {verdict}.")


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
