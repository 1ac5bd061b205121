"""Formats: how a report writes figures and names."""

import re
from typing import Any

__all__ = ["CATEGORIES", "category", "label", "number", "percent", "points", "share", "usd"]

CATEGORIES = {
    "fact": "Facts",
    "drift": "Replayed conversations",
    "sincere_ai": "Sincerely asked: an AI?",
    "in_fiction_identity": "Identity, in the play",
    "worldview": "World view",
    "out_of_world": "Out of its world",
    "role_break": "Attempts to break the role",
    "false_premise": "False premises",
    "small_talk": "Small talk",
    "everyday": "Everyday tasks",
    "comfort": "Comforting",
    "audience_safety": "Safety of the audience",
    "further": "Further identity and attacks",
    "script": "Scripted conversations",
    "scripts": "Scripted conversations",
    "skill": "General skill",
    "skills": "General skill",
    "long": "Long conversations",
}
LABELS = {
    "job_id": "Job",
    "fine_tuned_model": "Tuned model",
    "n_epochs": "Epochs",
    "seconds": "Seconds of training",
    "system_prompt": "System prompt in the data",
    "shape": "Shape of the data",
}


def usd(value: float, digits: int = 2) -> str:
    """Dollars; a small amount keeps two significant digits."""
    if 0 < abs(value) < 0.0001:
        return "under $0.0001"
    if value and abs(value) < 0.1:
        return f"${value:.2g}"
    return f"${value:,.{digits}f}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}%"


def share(found: Any) -> str:
    """``{value, low, high}`` -> ``86.0% (81.0 to 91.0)``."""
    if not found or found.get("value") is None:
        return "–"
    if found.get("low") is None or found.get("high") is None:
        return percent(found["value"])
    return f"{percent(found['value'])} ({100 * found['low']:.1f} to {100 * found['high']:.1f})"


def category(name: str) -> str:
    return CATEGORIES.get(name) or label(name)


def label(name: str) -> str:
    """``fine_tuned_model`` -> ``Fine tuned model``; file names stay as they are."""
    text = str(name)
    words = text.replace("_", " ").capitalize()
    return LABELS.get(text) or (text if "." in text else re.sub(r"\b[Aa]i\b", "AI", words))


def number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def points(share: float | None) -> str:
    """``-0.024`` -> ``−2.4``: percentage points with their sign."""
    return "–" if share is None else f"{100 * share:+.1f}".replace("-", "−")
