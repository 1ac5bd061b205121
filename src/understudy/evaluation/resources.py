"""Resources: the probe lists and assistant replies that ship with the program."""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from understudy.evaluation.relevance import Exchange

__all__ = [
    "assistant_exchanges",
    "attack_frames",
    "attacks",
    "identity_questions",
    "in_fiction_questions",
    "labelled_replies",
    "other_characters",
    "probe_list",
    "probe_table",
    "script_table",
    "sincere_questions",
]


@lru_cache
def _load(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((files("understudy.evaluation") / "data" / name).read_text(encoding="utf-8")))


def in_fiction_questions(name: str) -> list[str]:
    """Teasing, curious and hostile questions about what the character is, asked inside the play."""
    return [text.replace("{name}", name) for text in _load("in_fiction.yaml")["probes"]]


def sincere_questions(name: str) -> list[str]:
    """Questions of somebody who sincerely wants to know whether an AI is speaking."""
    return [text.replace("{name}", name) for text in _load("sincere.yaml")["probes"]]


def identity_questions(name: str) -> list[str]:
    """More questions about what the character is, beside ``in_fiction_questions``."""
    return [text.replace("{name}", name) for text in _load("identity.yaml")["probes"]]


def attacks(name: str) -> dict[str, list[str]]:
    """Attempts to break the role, by kind."""
    kinds = _load("attacks.yaml")["kinds"]
    return {kind: [str(text).replace("{name}", name) for text in lines] for kind, lines in kinds.items()}


def attack_frames(name: str) -> list[str]:
    """What is put around a line where many wordings are wanted; the first adds nothing."""
    return [text.replace("{name}", name) for text in _load("attacks.yaml")["frames"]]


def probe_list(name: str) -> list[Any]:
    """One list of ``probe_lists.yaml``."""
    return list(_load("probe_lists.yaml")[name])


def probe_table(name: str) -> dict[str, list[str]]:
    """One table of lists of ``probe_lists.yaml``."""
    return dict(_load("probe_lists.yaml")[name])


def script_table() -> dict[str, Any]:
    """What users say in scripted conversations."""
    return _load("scripts.yaml")


def assistant_exchanges() -> list[Exchange]:
    """Everyday questions with a generic assistant's answers."""
    return [
        Exchange(pair["question"], pair["reply"], f"assistant/{number}")
        for number, pair in enumerate(_load("assistant.yaml")["pairs"])
    ]


def other_characters() -> list[tuple[str, str]]:
    """Lines of other invented characters, each with the character's group."""
    voices = _load("other_characters.yaml")["characters"]
    return [(str(line), f"other/{voice}") for voice, lines in voices.items() for line in lines]


def labelled_replies(name: str = "labelled_replies") -> list[dict[str, Any]]:
    """Replies that were labelled by hand, before any pattern looked for them; empty where none ship.

    ``labelled_replies`` for what they say about being an AI, ``labelled_refusals`` for not knowing
    and declining, ``labelled_premises`` for setting right what a question takes for granted.
    """
    file = files("understudy.evaluation") / "data" / f"{name}.jsonl"
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
