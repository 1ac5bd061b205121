"""Situations: what people say to any character, shipped with the program."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

__all__ = ["Family", "connectives", "families", "premises", "situation_lines"]

LONG = "long"


@dataclass(frozen=True)
class Family:
    """Lines about one subject, in their order. All conversations made of them share ``group``.

    ``leading``: A conversation begins with the first line; otherwise any line can stand alone.
    ``returning``: A last line that goes back to what the first one told.
    """

    group: str
    category: str
    lines: tuple[str, ...]
    leading: bool = True
    returning: str = ""


@lru_cache
def _load() -> Mapping[str, Any]:
    text = (files("understudy.teaching") / "data" / "situations.yaml").read_text(encoding="utf-8")
    table: Mapping[str, Any] = yaml.safe_load(text)
    return table


def connectives(name: str) -> dict[str, list[str]]:
    """Lines that join questions into a conversation: greeting, follow_up, chat, goodbye."""
    return {kind: [_named(line, name) for line in lines] for kind, lines in _load()["connectives"].items()}


def premises() -> list[str]:
    """Wordings that take something wrong for granted; ``{claim}`` is the wrong statement."""
    return list(_load()["premises"])


def families(name: str) -> list[Family]:
    """All families, in the order of the file."""
    returns = _load()["returns"]
    return [
        Family(
            f"{category}/{subject}",
            category,
            tuple(_named(line, name) for line in lines),
            returning=_named(returns.get(subject, ""), name) if category == LONG else "",
        )
        for category, subjects in _load()["families"].items()
        for subject, lines in subjects.items()
    ]


def situation_lines(name: str) -> list[str]:
    """Every shipped line once."""
    joined = [line for lines in connectives(name).values() for line in lines]
    found = families(name)
    return (
        joined
        + [line for family in found for line in family.lines]
        + [family.returning for family in found if family.returning]
    )


def _named(line: str, name: str) -> str:
    return line.replace("{name}", name)
