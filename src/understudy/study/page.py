"""Page: what the pages of a curve and of a study share."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from understudy.report.scores import format_interval, format_value
from understudy.study.effects import kind_of_score, unit_of

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["amount", "render", "value_with_interval"]


def render(template: str, **values: Any) -> str:
    """Fill a template of this folder; the style is the report's, so that pages look alike."""
    style = files("understudy.report").joinpath("style.css").read_text(encoding="utf-8")
    return _environment().get_template(template).render(style=style, **values)


def value_with_interval(score: str, row: Mapping[str, Any] | None) -> tuple[str, str]:
    """``("61.0%", "52.1 to 69.3")``; a dash where nothing was measured."""
    kind = kind_of_score(score)
    if not row or row.get("value") is None:
        return "–", ""
    return format_value(kind, row["value"]), format_interval(kind, row.get("low"), row.get("high"))


def amount(score: str, row: Mapping[str, Any]) -> str:
    """A gain in words: ``+4.2 points (+1.0 to +7.5)``."""
    scale, digits = (100, 1) if kind_of_score(score).share else (1, 2)
    unit = unit_of(score)
    if row.get("value") is None:
        return "not known"
    text = f"{scale * row['value']:+.{digits}f}{' ' if unit else ''}{unit}"
    if row.get("low") is None or row.get("high") is None:
        return f"{text}, without an interval"
    return f"{text} ({scale * row['low']:+.{digits}f} to {scale * row['high']:+.{digits}f})"


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("understudy.study", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
