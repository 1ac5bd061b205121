"""Speaker: labels as sources write them, and which of them are the character."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from understudy.dialogue.line import UNSURE, Line
from understudy.errors import DialogueError

__all__ = ["clean_label", "find_speakers", "normalize_label"]

# "IROH (V.O.)", "Iroh [whispering]": what stands in brackets says how, not who.
_ASIDE = re.compile(r"\s*[\(\[\{][^)\]}]*[\)\]\}]?\s*")
MAX_COMPARED = 2000
_EDGES = ' \t\n:.,;*_#>-–—"“”'


def clean_label(label: str) -> str:
    """A label as a name to show: ``"**IROH (whispering):**"`` becomes ``"IROH"``."""
    return " ".join(_ASIDE.sub(" ", label).split()).strip(_EDGES)


def normalize_label(label: str) -> str:
    """A label in the form in which two spellings of one speaker are equal."""
    return clean_label(label).casefold()


def find_speakers(path: Path, lines: Iterable[Line], wanted: Iterable[str]) -> frozenset[str]:
    """The normalized labels that are the character.

    A joint label ("Aang and Zuko") is neither of the two.

    Raises:
        DialogueError: None of the wanted speakers says anything in the file; the closest and
            the most frequent speakers are named with their counts.
    """
    counts: Counter[str] = Counter()
    shown: dict[str, str] = {}
    for line in lines:
        if line.speaker and line.speaker != UNSURE and (key := normalize_label(line.speaker)):
            counts[key] += 1
            shown.setdefault(key, clean_label(line.speaker))
    names = [name for name in wanted if name.strip()]
    found = frozenset(normalize_label(name) for name in names) & counts.keys()
    if found:
        return frozenset(found)
    asked = " or ".join(repr(name) for name in names)
    if not counts:
        raise DialogueError(f"{path}: no speaker was found. Name the column with --speaker-column.")
    raise DialogueError(
        f"{path}: nobody called {asked} speaks in it. {_suggestions(names, counts, shown)} "
        "Choose one with --speaker NAME."
    )


def _suggestions(names: list[str], counts: Counter[str], shown: dict[str, str]) -> str:
    wanted = [normalize_label(name) for name in names]
    labels = [key for key, _ in counts.most_common(MAX_COMPARED) if len(key) <= 60]
    close = {key for name in wanted for key in difflib.get_close_matches(name, labels, n=4, cutoff=0.6)}
    close |= {
        key for name in wanted for key in labels if name and (name in key.split() or key in name.split())
    }
    frequent = [key for key, _ in counts.most_common(8) if key not in close]

    def tell(keys: Iterable[str]) -> str:
        return ", ".join(f"{shown[key]} ({counts[key]})" for key in keys)

    nearest = sorted(close, key=lambda key: -counts[key])[:6]
    parts = [
        f"Closest: {tell(nearest)}." if nearest else "",
        f"Most lines: {tell(frequent)}." if frequent else "",
    ]
    return " ".join(part for part in parts if part)
