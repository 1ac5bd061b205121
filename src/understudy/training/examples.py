"""Examples: conversations of a training file as token ids with the learned positions."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from understudy.errors import DatasetError, RenderingError

if TYPE_CHECKING:
    from understudy.rendering import Renderer

__all__ = ["IGNORE_INDEX", "Example", "ExampleSet", "Learnable", "load_examples", "load_rows"]

IGNORE_INDEX = -100  # what PyTorch's cross_entropy skips
_SHOWN = 10


@dataclass(frozen=True)
class Example:
    """One sequence: ``ids`` and ``labels`` of equal length; ``number`` counts conversations from 1."""

    number: int
    ids: list[int]
    labels: list[int]

    @property
    def learned(self) -> int:
        """Count of tokens that the loss sees. The first position predicts nothing, so it never counts."""
        return sum(label != IGNORE_INDEX for label in self.labels[1:])


class Learnable(Protocol):
    """What a batch holds: the ids that are read for it, and how many of its tokens are learned."""

    @property
    def ids(self) -> list[int]: ...

    @property
    def learned(self) -> int: ...


One = TypeVar("One", bound=Learnable)


@dataclass(frozen=True)
class ExampleSet(Generic[One]):
    """All examples of a file, with the numbers of those conversations that had to be cut."""

    examples: list[One]
    conversations: int
    truncated: list[int]

    @property
    def tokens(self) -> int:
        return sum(len(example.ids) for example in self.examples)

    @property
    def learned_tokens(self) -> int:
        return sum(example.learned for example in self.examples)


def load_examples(path: Path, renderer: "Renderer", max_tokens: int) -> ExampleSet[Example]:
    """Render a file in the OpenAI chat format.

    Raises:
        DatasetError: Lines that cannot be read, and conversations of which nothing is learned,
            all named with their number and the reason.
    """

    def read(number: int, row: Any) -> tuple[list[Example], bool]:
        rendered = _render(row, renderer, max_tokens)
        return [Example(number, ids, labels) for ids, labels, _ in rendered], any(r[2] for r in rendered)

    return load_rows(path, read)


def load_rows(path: Path, read: Callable[[int, Any], tuple[list[One], bool]]) -> ExampleSet[One]:
    """Read every line of a file and collect what is wrong with any of them.

    Args:
        path: A JSONL file.
        read: Takes a line's number and its value (``None`` where it is no JSON); gives examples and
            whether they were cut, or raises ``DatasetError`` without the number.

    Raises:
        DatasetError: All faulty lines with their numbers, or that there are no lines.
    """
    examples: list[One] = []
    truncated: list[int] = []
    problems: list[str] = []
    count = 0
    for number, row in _rows(path):
        count += 1
        try:
            found, cut = read(number, row)
        except (DatasetError, RenderingError) as error:
            problems.append(f"Example {number} {error}")
            continue
        examples += found
        if cut:
            truncated.append(number)
    if problems:
        raise DatasetError(_summary(problems, count))
    if not examples:
        raise DatasetError(f"{path.name}: holds no examples. Give at least ten conversations, one a line.")
    return ExampleSet(examples, count, truncated)


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path.name}: cannot be read as UTF-8 text ({error}).") from error
    lines = [line for line in text.split("\n") if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            yield number, json.loads(line)
        except ValueError:
            yield number, None


def _render(row: Any, renderer: "Renderer", max_tokens: int) -> list[tuple[list[int], list[int], bool]]:
    """One conversation as sequences (ids, labels, truncated); those that learn nothing are left out."""
    if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
        raise DatasetError("is not a JSON object with a list 'messages'.")
    messages = row["messages"]
    rendered = renderer.examples(messages, max_tokens=max_tokens)
    kept = [
        (list(example.ids), list(example.labels), example.truncated)
        for example in rendered
        if any(label != IGNORE_INDEX for label in example.labels[1:])
    ]
    if not kept:
        raise DatasetError(_why_nothing(messages, any(example.truncated for example in rendered), max_tokens))
    return kept


def _why_nothing(messages: list[Any], truncated: bool, max_tokens: int) -> str:
    replies = [m for m in messages if isinstance(m, dict) and m.get("role") == "assistant"]
    if not replies:
        return "learns nothing: it has no assistant message. Add the character's reply, or delete the line."
    if all(message.get("weight") == 0 for message in replies):
        return (
            "learns nothing: every assistant message has weight 0. Give at least one weight 1, or delete "
            "the line."
        )
    if truncated:
        return (
            f"learns nothing: its first learned reply begins after max_tokens ({max_tokens}). Raise "
            "max_tokens, or shorten what comes before the reply."
        )
    return "learns nothing: its assistant messages are empty. Write the replies, or delete the line."


def _summary(problems: list[str], count: int) -> str:
    more = len(problems) - _SHOWN
    tail = f"\n… and {more} more of {count} examples." if more > 0 else ""
    return "\n".join(problems[:_SHOWN]) + tail
