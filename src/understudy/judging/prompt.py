"""Prompt: what a judge is told, a text file with a version, so that a score names the words it rests on."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

__all__ = ["JudgePrompt", "load_prompt"]

_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class JudgePrompt:
    """``version`` is the file's first line, ``sha256`` the hash of the whole file."""

    version: str
    text: str
    sha256: str

    def filled(self, values: Mapping[str, str]) -> str:
        """The text with its fields filled in, each once: braces in a value are left alone."""
        return _FIELD.sub(lambda field: values.get(field[1], field[0]), self.text)

    def as_row(self) -> dict[str, str]:
        return {"version": self.version, "sha256": self.sha256}


@lru_cache
def load_prompt(name: str) -> JudgePrompt:
    """The shipped prompt ``data/<name>.txt``."""
    content = (files("understudy.judging") / "data" / f"{name}.txt").read_text(encoding="utf-8")
    first, _, text = content.partition("\n")
    assert first.startswith("version: "), f"{name}.txt has no version line"
    return JudgePrompt(
        first.removeprefix("version: "), text.strip(), hashlib.sha256(content.encode()).hexdigest()
    )
