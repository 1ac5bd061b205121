"""Layout: how a script tells who speaks, and which of the known ways a file follows."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from understudy.dialogue.speaker import normalize_label

__all__ = ["LAYOUTS", "STAMP", "Block", "Layout", "best_layout", "count_labels", "split_blocks"]

_WORD = r"(?:[^\W\d_a-z][\w'’.-]*|#?\d+)"
_PLAIN_WORD = r"(?:[^\W\d_a-z][\w'’-]*|#?\d+)"
_SMALL = r"(?:and|und|et|y|of|the|de|von|van|in|at|with|&|\+|to)"
_NAME = rf"{_WORD}(?:[ /,]+(?:{_WORD}|{_SMALL})){{0,5}}"
_ASIDE = r"(?:\s*[\(\[][^)\]\n]{0,60}[\)\]])?"
_DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4}"
# "[12/01/2024, 10:01:22]", "12.01.24, 10:01 -", "(10:01)": when something was typed or said.
_STAMP = (
    rf"[\u200e\u200f]?[\[\(]?(?:(?P<date>{_DATE})[,T]?\s*)?\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?:[.,]\d+)?"
    r"(?:[\s\u202f][AaPp]\.?[Mm]\.?)?[\]\)]?\s*[-–]?\s*"
)
_CLOCK = rf"(?:{_STAMP})?"
STAMP = re.compile(rf"^\s*{_STAMP}[\u200e\u200f]?")
"""The time in front of a line, with its date, if any."""


@dataclass(frozen=True)
class Layout:
    """A way to tell the speaker.

    pattern: Matches the line in which a speech begins; groups ``label`` and ``text``.
    every_line: Whether a speech can begin in any line, not only in the first of a paragraph.
    alone: Whether the label stands on a line of its own above its speech.
    least: How often a label must come to be believed: a name that is told by a full stop or
        by capitals alone could be a sentence or a heading.
    """

    name: str
    pattern: re.Pattern[str]
    every_line: bool = False
    alone: bool = False
    least: int = 3


# Where two fit equally well, the earlier is the stricter one.
LAYOUTS = (
    Layout(
        "NAME: above its line",
        re.compile(r"^\s*[*_]*(?P<label>[^\W\d_][^\n:]{0,50})[:：][*_]*\s*(?P<text>)$"),
        alone=True,
        least=1,
    ),
    Layout(
        "NAME: line",
        re.compile(
            rf"^\s*{_CLOCK}[-*_#<>]*\s*(?P<label>{_NAME}{_ASIDE})[*_>]*\s*[:：][*_]*(?:\s+(?P<text>.*)|\s*)$"
        ),
        every_line=True,
        least=1,
    ),
    Layout(
        "<NAME> line",
        re.compile(rf"^\s*{_CLOCK}<[@+%~&]?(?P<label>[^<>|\s][^<>|\n]{{0,39}})>(?:\s+(?P<text>.*)|\s*)$"),
        every_line=True,
        least=2,
    ),
    Layout(
        "Name.  line",
        re.compile(
            rf"^_?(?P<label>(?:(?:Dr|Mr|Mrs|Ms|St)\. )?{_PLAIN_WORD}(?: {_PLAIN_WORD}){{0,3}})"
            r"\._?\s+(?P<text>\S.*)$"
        ),
    ),
    Layout(
        "NAME on a line of its own",
        re.compile(
            r"^\s*(?P<label>[A-ZÀ-Þ][A-ZÀ-Þ0-9'’.,&/# -]{1,38}(?:\s*\([^)\n]{1,30}\))?)\.?\s*(?P<text>)$"
        ),
        alone=True,
    ),
    Layout(
        "NAME - line",
        re.compile(rf"^\s*{_CLOCK}(?P<label>{_NAME}{_ASIDE})\s+[-–—]+\s+(?P<text>\S.*)$"),
        every_line=True,
        least=2,
    ),
    Layout(
        "name: line",
        re.compile(
            rf"^\s*{_CLOCK}(?P<label>[^\W\d_][\w'’.-]*(?: [\w'’.-]+)?)\s*[:：](?:\s+(?P<text>\S.*)|\s*)$"
        ),
        every_line=True,
        least=2,
    ),
)
NEARLY = 0.9


@dataclass
class Block:
    """Lines of text between blank lines, with the number of the first."""

    number: int
    lines: list[str]


def split_blocks(text: str, first_number: int = 1) -> Iterator[Block]:
    """Yield the paragraphs of a text whose first line has the given number."""
    block = Block(first_number, [])
    for number, line in enumerate(text.split("\n"), first_number):
        if line.strip():
            block = block if block.lines else Block(number, [])
            block.lines.append(line)
        elif block.lines:
            yield block
            block = Block(number, [])
    if block.lines:
        yield block


def count_labels(text: str, layout: Layout) -> Counter[str]:
    """How many speeches each label, normalized, begins in this layout."""
    counts: Counter[str] = Counter()
    for block in split_blocks(text):
        if layout.alone and len(block.lines) < 2:
            continue
        for line in block.lines if layout.every_line else block.lines[:1]:
            if match := layout.pattern.match(line):
                counts[normalize_label(match["label"])] += 1
    del counts[""]
    return counts


def best_layout(text: str) -> tuple[Layout, int]:
    """The layout under which most speeches have a speaker who comes again, and their number."""
    counts = [(_repeated(count_labels(text, layout), layout), layout) for layout in LAYOUTS]
    most = max(count for count, _ in counts)
    return next((layout, count) for count, layout in counts if count >= NEARLY * most)


def _repeated(counts: Counter[str], layout: Layout) -> int:
    """Speeches of labels that come often enough; in a short exchange nobody may speak twice."""
    repeated = sum(n for n in counts.values() if n >= max(2, layout.least))
    return repeated or (counts.total() if layout.every_line and len(counts) > 1 else 0)
