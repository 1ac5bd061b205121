"""Picture: what a dataset is made of and how long its examples are, as one SVG that needs nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

__all__ = ["LENGTH_BOUNDS", "draw_dataset", "length_histogram"]

# Upper ends of the bars, in tokens; the last is open.
LENGTH_BOUNDS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
COLOURS = {"character": "#4477aa", "identity": "#66ccee", "protective": "#228833", "general": "#ccbb44"}
WIDTH, ROW, LEFT, BAR = 640, 26, 150, 400


def length_histogram(lengths: Iterable[int]) -> list[int]:
    """How many examples end in each of the bars, one more than there are bounds."""
    counts = [0] * (len(LENGTH_BOUNDS) + 1)
    for length in lengths:
        counts[next((i for i, bound in enumerate(LENGTH_BOUNDS) if length <= bound), len(LENGTH_BOUNDS))] += 1
    return counts


def draw_dataset(title: str, kinds: Mapping[str, Mapping[str, int]], histogram: Sequence[int]) -> str:
    """Draw the kinds of dialogues in each split, and the lengths of the training examples.

    Args:
        title: Stands above; usually the character's name.
        kinds: Dialogues by kind, for each split.
        histogram: Of ``length_histogram``.
    """
    parts: list[str] = []
    top = 40
    parts.append(_text(10, 24, title, size=16))
    for split, counts in kinds.items():
        parts += _stack(top, split, counts)
        top += ROW
    parts += _legend(top + 6)
    top += 2 * ROW
    parts.append(_text(10, top, "Tokens of a training example (o200k)", size=13))
    labels = [f"to {bound:,}" for bound in LENGTH_BOUNDS] + [f"over {LENGTH_BOUNDS[-1]:,}"]
    used = [i for i, count in enumerate(histogram) if count]
    shown = range(used[0], used[-1] + 1) if used else range(0)
    for i in shown:
        top += ROW
        parts += _bar(top - 16, labels[i], histogram[i], max(histogram))
    height = top + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" role="img" aria-label="{escape(title)}">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "start") -> str:
    place = f'x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="#222">{escape(words)}</text>'


def _rect(x: float, y: float, width: float, colour: str, title: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:g}" width="{max(width, 0.5):.1f}" height="{ROW - 8}" fill="{colour}">'
        f"<title>{escape(title)}</title></rect>"
    )


def _stack(top: int, split: str, counts: Mapping[str, int]) -> list[str]:
    """One bar of a split, as long for ten dialogues as for a thousand: shares are compared."""
    total = sum(counts.values())
    parts = [_text(LEFT - 10, top + 13, split, anchor="end"), _text(LEFT + BAR + 10, top + 13, f"{total:,}")]
    x = float(LEFT)
    for kind, count in counts.items():
        width = BAR * count / total if total else 0.0
        parts.append(_rect(x, top, width, COLOURS.get(kind, "#bbbbbb"), f"{kind}: {count:,} dialogues"))
        x += width
    return parts


def _bar(top: int, label: str, count: int, most: int) -> list[str]:
    width = BAR * count / most if most else 0.0
    return [
        _text(LEFT - 10, top + 13, label, anchor="end"),
        _rect(LEFT, top, width, "#4477aa", f"{count:,} examples"),
        _text(LEFT + BAR + 10, top + 13, f"{count:,}"),
    ]


def _legend(top: int) -> list[str]:
    parts = []
    for number, (kind, colour) in enumerate(COLOURS.items()):
        x = LEFT + number * 100
        parts += [_rect(x, top, 12, colour, kind), _text(x + 17, top + 13, kind)]
    return parts
