"""``understudy show-mask``: an example as the model sees it, with what it learns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.rendering import RenderedExample

__all__ = ["show_mask_command"]


def show_mask_command(
    file: Annotated[Path, typer.Argument(help="A training file, or a character's folder with a dataset.")],
    model: Annotated[
        str, typer.Option(help="Base model: a name such as understudy/mini, or a model directory.")
    ] = "understudy/mini",
    example: Annotated[int, typer.Option(min=1, help="Number of the example in the file.")] = 1,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Cut the example off as training would.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print ids, labels and spans as JSON.")] = False,
) -> None:
    """Show one example as text, with the learned part in green and underlined.

    Without colours the learned part stands between >>> and <<<.

    Example: understudy show-mask iroh --model understudy/mini --example 3
    """
    from understudy.api.bases import resolve_base
    from understudy.rendering import Renderer

    path = file / "dataset" / "training.jsonl" if file.is_dir() else file
    messages = _read_example(path, example)
    renderer = Renderer.load(resolve_base(model))
    rendered = renderer.examples(messages, max_tokens=max_tokens)
    if as_json:
        print(json.dumps([_as_dict(one) for one in rendered], ensure_ascii=False))
        return
    for number, one in enumerate(rendered, 1):
        _print(
            one, f"example {example}" + (f", part {number} of {len(rendered)}" if len(rendered) > 1 else "")
        )


def _read_example(path: Path, wanted: int) -> list[dict[str, Any]]:
    from understudy.errors import ConfigError, DatasetError

    count = 0
    for line_number, line in _lines(path):
        count += 1
        if count < wanted:
            continue
        try:
            messages = json.loads(line)["messages"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DatasetError(
                f"{path}:{line_number}: is not a JSON object with 'messages'. "
                f"See every problem: understudy check {path}"
            ) from error
        if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
            raise DatasetError(
                f"{path}:{line_number}: 'messages' must be a list of objects. "
                f"See every problem: understudy check {path}"
            )
        return messages
    raise ConfigError(f"{path}: has {count} examples; --example {wanted} is not among them.")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    from understudy.errors import DatasetError
    from understudy.folder import typed

    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())
    except FileNotFoundError as error:
        name = typed(path.parent.parent) if path.parent.name == "dataset" else "NAME"
        raise DatasetError(f"{path}: no such file. Build a dataset: understudy build {name}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: is not UTF-8 text. See every problem: understudy check {typed(path)}"
        ) from error


def _as_dict(example: RenderedExample) -> dict[str, Any]:
    return {
        "ids": example.ids,
        "labels": example.labels,
        "text": example.text,
        "learned": example.learned,
        "truncated": example.truncated,
    }


def _print(example: RenderedExample, title: str) -> None:
    from rich.console import Console
    from rich.text import Text

    from understudy.rendering import IGNORE_INDEX

    console = Console(highlight=False, soft_wrap=True)
    coloured = console.color_system is not None
    text = Text(example.text)
    for start, end in reversed(example.learned):
        if coloured:
            text.stylize("green underline", start, end)
        else:
            text = text[:start] + Text(">>>") + text[start:end] + Text("<<<") + text[end:]
    console.print(text)
    learned = sum(label != IGNORE_INDEX for label in example.labels)
    notes = [f"{len(example.ids)} tokens, {learned} learned"]
    notes += ["cut off at the end"] if example.truncated else []
    notes += ["LEARNS NOTHING: training refuses it"] if not learned else []
    console.print(Text(f"\n{title}: {', '.join(notes)}", style="dim"))
