"""Plot: matplotlib figures as inline SVG whose colours follow the page and whose text stays text."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ARM_COLOURS", "BAD", "DIM", "FAINT", "GOOD", "INK", "Plot", "arm_colour"]
__all__ += ["colour_name", "drawing", "to_plot"]

# Each placeholder colour becomes a variable of the style sheet, so that one drawing serves both modes.
INK, DIM, FAINT = "#010101", "#010102", "#010103"
GOOD, BAD = "#010104", "#010105"
ARM_COLOURS = {
    "tuned+short": "#010110",
    "cheap+long": "#010111",
    "cheap+short": "#010112",
    "tuned+none": "#010113",
    "tuned+long": "#010114",
    "expensive+long": "#010115",
    "cheap+trimmed": "#010117",
    "cheap+few-shot": "#010118",
}
OTHER_ARM = "#010116"
VARIABLES = {INK: "ink", DIM: "dim", FAINT: "faint", GOOD: "good", BAD: "bad", OTHER_ARM: "arm-other"} | {
    colour: f"arm-{number}" for number, colour in enumerate(ARM_COLOURS.values(), 1)
}

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "understudy",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": DIM,
    "axes.titlecolor": INK,
    "axes.titlesize": 12,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": DIM,
    "ytick.labelcolor": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "path.simplify": True,
}
POINTS_PER_INCH = 72


@dataclass(frozen=True)
class Plot:
    """A drawing ready for the page. ``alt`` tells in words what it shows."""

    name: str
    title: str
    svg: str
    alt: str
    caption: str = ""


@contextmanager
def drawing(width: float, height: float) -> Iterator["Figure"]:
    """A figure of that many points under the report's style, without a display or a window."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure


def arm_colour(arm: str) -> str:
    """The colour of an arm, the same in every figure."""
    return ARM_COLOURS.get(arm, OTHER_ARM)


def colour_name(arm: str) -> str:
    """The style sheet's variable for an arm's colour, for keys beside a drawing."""
    return VARIABLES[arm_colour(arm)]


def to_plot(figure: "Figure", name: str, title: str, alt: str, caption: str = "") -> Plot:
    """Write the figure as SVG: the same input always gives the same bytes.

    Ids are prefixed with ``name``, because several drawings share one page.
    """
    # Laid out once here: otherwise the figure is drawn a second time only for its layout.
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    buffer = StringIO()
    figure.savefig(
        buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\1{name}-", svg)
    svg = _colours(svg)
    view = re.search(r'viewBox="[^"]+"', svg)
    assert view is not None
    head = (
        f'<svg class="plot" {view.group()} role="img" aria-labelledby="{name}-title {name}-desc" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(alt)}</desc>'
    )
    body = re.sub(r"^<svg[^>]*>", "", svg, flags=re.DOTALL)
    return Plot(name, title, head + _compact(body), alt, caption)


def _colours(svg: str) -> str:
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg


def _compact(svg: str) -> str:
    """Leave out what the page does not need: comments, long fractions of coordinates, line ends."""
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d+\.\d{2})\d+", r"\1", tag.group()), svg)
    return re.sub(r"\s*\n\s*", " ", svg).strip()
