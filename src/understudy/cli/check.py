"""``understudy check``: every problem of a training file, its tokens, and what training on it costs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from understudy.cost.training_quote import Quote
    from understudy.dataset import CheckResult
    from understudy.dataset.mending import Mending
    from understudy.rendering import Renderer

__all__ = ["check_command"]

SHOWN = 100
# Names that OpenAI's token counts are for; everything else is a local base model.
OPENAI_MODEL = re.compile(r"(ft:|gpt-|o\d|babbage-002|davinci-002).*")


def check_command(
    file: Annotated[Path, typer.Argument(help="A training file in JSONL.")],
    method: Annotated[str, typer.Option(help="supervised, dpo or reinforcement.")] = "supervised",
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Whose tokens count: an OpenAI model, or a local base such as understudy/mini. May be given "
            "again to count for others too. Default: gpt-4o-mini."
        ),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest example. Default: what the model reads in training.")
    ] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(
            help="A test file whose lines must not be learned. Default: those beside training.jsonl."
        ),
    ] = None,
    fix: Annotated[
        Path | None, typer.Option(help="Write what can be mended safely to this new file, and check that.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for warnings too.")] = False,
    billions: Annotated[float, typer.Option(min=0.1, help="Size of an open model, for its price.")] = 8.0,
    tokens_per_second: Annotated[
        float | None, typer.Option(min=0.001, help="Training speed of this machine, for its price.")
    ] = None,
    price: Annotated[
        list[str] | None, typer.Option(help="A host's dollars per million tokens, such as Nebius=0.40.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find every problem of a training file before it costs anything. Exit code 1 if there are errors.

    Example: understudy check chats.jsonl --fix mended.jsonl
    """
    from understudy.dataset import check_file

    models = model or ["gpt-4o-mini"]
    prices = _prices(price or [])
    mending = None
    if fix is not None:
        from understudy.dataset.mending import mend_file

        mending = mend_file(file, fix, method)
    checked = fix or file
    result = check_file(
        checked,
        method=method,
        model=models[0],
        renderer=None if OPENAI_MODEL.fullmatch(models[0]) else _load_renderer(models[0]),
        max_tokens=max_tokens,
        held_out=_beside(file) if held_out is None else held_out,
        processes=os.cpu_count() or 1,
    )
    tokens = {models[0]: result.tokens, **_other_tokens(checked, method, models[1:])}
    epochs, quotes = _quote(result, models[0], billions, tokens_per_second, prices)
    if as_json:
        values = result.as_dict() | {
            "tokens_by_model": tokens,
            "auto_epochs": epochs,
            "quotes": [quote.as_dict() for quote in quotes],
            "mending": mending.as_dict() if mending else None,
        }
        print(json.dumps(values, ensure_ascii=False, indent=2))
    else:
        if mending:
            _print_mending(mending, file, checked)
        _print(result, tokens)
        _print_quotes(result, epochs, quotes)
        _print_verdict(result)
    raise typer.Exit(0 if result.ok and not (strict and result.warnings) else 1)


def _load_renderer(model: str) -> Renderer:
    from understudy.api.bases import resolve_base
    from understudy.rendering import Renderer

    return Renderer.load(resolve_base(model))


def _beside(file: Path) -> list[Path]:
    """The held-out files of a dataset that ``understudy build`` has made."""
    if file.name != "training.jsonl":
        return []
    names = ("test.jsonl", "development.jsonl", "validation.jsonl")
    return [path for name in names if (path := file.parent / name).is_file()]


def _prices(texts: list[str]) -> dict[str, float]:
    from understudy.errors import ConfigError

    prices = {}
    for text in texts:
        host, _, value = text.partition("=")
        try:
            prices[host.strip()] = float(value)
        except ValueError:
            raise ConfigError(f"--price {text!r}: write it as HOST=DOLLARS, such as Nebius=0.40.") from None
    return prices


def _other_tokens(path: Path, method: str, models: list[str]) -> dict[str, int]:
    """Tokens of the same file for other families of models."""
    from understudy.dataset import check_file

    counts = {}
    for model in models:
        renderer = None if OPENAI_MODEL.fullmatch(model) else _load_renderer(model)
        processes = os.cpu_count() or 1
        counts[model] = check_file(
            path, method=method, model=model, renderer=renderer, processes=processes
        ).tokens
    return counts


def _quote(
    result: CheckResult,
    model: str,
    billions: float,
    tokens_per_second: float | None,
    prices: dict[str, float],
) -> tuple[int, list[Quote]]:
    """Epochs that the service would choose, and what they cost at each place."""
    from understudy.cost.inputs import auto_epochs
    from understudy.cost.training_quote import quote_training

    if not result.examples or result.method != "supervised":
        return 0, []
    epochs = auto_epochs(result.examples)
    return epochs, quote_training(
        result.tokens * epochs,
        model=model,
        billions=billions,
        tokens_per_second=tokens_per_second,
        own_prices=prices,
    )


def _print_mending(mending: Mending, source: Path, target: Path) -> None:
    print(f"{target}: {_plural(mending.examples, 'example')} of {source}")
    for what, count in mending.mends.most_common():
        print(f"  mended: {what} ({count:,} x)")
    for line, reason in mending.left_out[:SHOWN]:
        print(f"  left out: {source}:{line}: {reason}")
    more = mending.left_out_count - min(SHOWN, len(mending.left_out))
    if more > 0:
        print(f"  left out: {more:,} lines more; --json lists up to 1,000.")
    print()


def _print(result: CheckResult, tokens: dict[str, int]) -> None:
    for problem in result.problems[:SHOWN]:
        where = f"{result.path}:{problem.line}" if problem.line else str(result.path)
        print(f"{where}: {problem.severity}: {problem.message} {problem.remedy} [{problem.code}]")
    more = len(result.problems) + result.hidden - SHOWN
    if more > 0:
        print(f"... and {more:,} more problems; --json lists up to 5,000.")
    if result.held_out:
        print(f"looked for lines of {', '.join(result.held_out)}")
    if not result.examples:
        return
    counts = ", ".join(f"{count:,} {what}" for what, count in result.counts.items() if count)
    print(f"{_plural(result.examples, 'example')} ({counts or 'nothing readable'})")
    longest = f"longest {result.longest_tokens:,} of at most {result.max_tokens:,}"
    print(f"{_plural(result.tokens, 'token')} as {result.model} counts them, {longest}")
    for model, count in tokens.items():
        if model != result.model:
            print(f"{_plural(count, 'token')} as {model} counts them")


def _print_quotes(result: CheckResult, epochs: int, quotes: list[Quote]) -> None:
    if not quotes:
        return
    print(
        f"{_plural(epochs, 'epoch')} if the service chooses ('auto'): {result.tokens * epochs:,} tokens are "
        "trained. Training costs about"
    )
    for quote in quotes:
        usd = (
            "not told" if quote.usd is None else f"${quote.usd:,.2f}" if quote.usd >= 0.01 else "under $0.01"
        )
        print(f"  {usd:>11}  {quote.place}: {quote.detail} ({quote.source}, {quote.as_of})")


def _print_verdict(result: CheckResult) -> None:
    verdict = "can be trained on" if result.ok else "cannot be trained on"
    print(f"{_plural(result.errors, 'error')}, {_plural(result.warnings, 'warning')}: the file {verdict}.")


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
