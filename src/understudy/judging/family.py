"""Family: whose models a name belongs to. A judge must not judge its own family's writing."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from understudy.dialogue import Dialogue
from understudy.folder import CharacterFolder

__all__ = ["families_of", "protocol_breaches", "writers_of"]

_WRITTEN_BY = re.compile(r"^written by (?P<model>.+?) under the long prompt$")


@lru_cache
def _patterns() -> dict[str, re.Pattern[str]]:
    text = (files("understudy.judging") / "data" / "families.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)["families"]
    # "o1" must not be found in "llama-pro1", nor "yi" in "yield"; digits may follow, as in "qwen3".
    return {
        family: re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, names))})(?![a-z])")
        for family, names in table.items()
    }


def families_of(model: str) -> frozenset[str]:
    """The makers whose names stand in a model's name; its own name where none is known.

    Source: self-preference of judges, Panickssery et al. 2024, arXiv 2404.13076.
    """
    name = model.removeprefix("ft:").casefold()
    found = frozenset(family for family, pattern in _patterns().items() if pattern.search(name))
    return found or frozenset([re.split(r"[/:@]", name.rstrip("/"))[-1]])


def writers_of(folder: CharacterFolder, dialogues: Sequence[Dialogue]) -> set[str]:
    """Models that wrote the dialogues which were learned."""
    from understudy.teaching.record import load_record

    record = load_record(folder)
    named = (_WRITTEN_BY.match(d.source or "") for d in dialogues)
    return {match["model"] for match in named if match} | ({record.model} if record else set())


def protocol_breaches(judges: Sequence[str], writers: Mapping[str, str]) -> list[str]:
    """What speaks against these judges, in sentences; empty where nothing does.

    Args:
        judges: Models that judge.
        writers: Models whose writing is judged or was learned, each with what it is here.
    """
    breaches = []
    for judge in judges:
        for writer, part in writers.items():
            shared = families_of(judge) & families_of(writer)
            if shared:
                breaches.append(
                    f"{judge} is of the same family ({', '.join(sorted(shared))}) as {writer}, which is "
                    f"{part}; models prefer their own family's writing"
                )
    distinct: list[frozenset[str]] = []
    for judge in dict.fromkeys(judges):
        if not any(families_of(judge) & known for known in distinct):
            distinct.append(families_of(judge))
    if len(distinct) < 2:
        breaches.append(
            f"the judges are of {len(distinct)} family, and two are needed: one has no second opinion"
        )
    return breaches
