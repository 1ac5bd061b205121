"""Others: personas and cards that the generator did not write, and questions about what stands in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.miniatures.arms import ask_each
from benchmarks.miniatures.decoder import MOST_TOKENS, Speaker
from benchmarks.miniatures.measure import Figures, say
from benchmarks.miniatures.plan import Asked, load_questions, says
from benchmarks.miniatures.scores import disclaims, row
from understudy.character import Character, read_card, read_prompt_text

__all__ = ["DATA", "Other", "find_others", "load_others", "measure_others"]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CONTEXT_TOKENS = 2048
TEASED = 8


@dataclass(frozen=True)
class Other:
    """A character, the file with its sheet, and pairs of a question with words of right answers."""

    name: str
    file: str
    questions: tuple[tuple[str, tuple[str, ...]], ...]
    is_machine: bool = False

    def character(self, data: Path) -> Character:
        """The character as ``understudy init --prompt`` or ``--card`` reads it."""
        path = data / self.file
        if path.suffix == ".txt":
            return read_prompt_text(path, name=self.name, fallback_name=self.name).character
        return read_card(path).character


def load_others() -> list[Other]:
    """All of ``others.yaml``."""
    rows = yaml.safe_load((Path(__file__).parent / "others.yaml").read_text("utf-8"))
    return [
        Other(
            entry["name"],
            entry["file"],
            tuple((line["ask"], tuple(map(str, line["expected"]))) for line in entry["questions"]),
            entry.get("is_machine", False),
        )
        for entry in rows
    ]


def find_others(data: Path = DATA) -> list[Other]:
    """Those whose file is there; what is missing is said."""
    found = []
    for other in load_others():
        if (data / other.file).is_file():
            found.append(other)
        else:
            say(f"{other.name} is left out: {data / other.file} is missing")
    return found


def measure_others(mini: Speaker, star: Speaker, data: Path = DATA) -> Figures:
    """Per character and arm: facts found and disclaimers in the play, first turns, whatever they are."""
    found: Figures = {}
    for other in find_others(data):
        character = other.character(data)
        prompt = character.long_prompt()
        arms = {
            "mini+identity": (mini, character.identity_prompt),
            "mini+sheet": (mini, prompt),
            "star+sheet": (star, prompt),
        }
        scores = {name: _measure(speaker, system, other) for name, (speaker, system) in arms.items()}
        tokens = len(star.opening(prompt))
        found[other.name] = {"prompt tokens": tokens, "is machine": other.is_machine} | scores
    return found


def _measure(speaker: Speaker, system: str, other: Other) -> Figures:
    """Both shares of one arm, with the unedited replies; a prompt beyond the context is named, not cut."""
    lines = [Asked("fact", question) for question, _ in other.questions]
    lines += [Asked("teasing", text) for text in load_questions()["teasing"][:TEASED]]
    needed = len(speaker.opening(system)) + max(len(speaker.turn(a.user, closes=False)) for a in lines)
    if needed + MOST_TOKENS > CONTEXT_TOKENS:
        return {"left out": f"needs {needed + MOST_TOKENS} tokens of {CONTEXT_TOKENS}"}
    replies = [reply for *_, reply in ask_each(speaker, [system], [lines])]
    hits = sum(_is_right(reply, words) for reply, (_, words) in zip(replies, other.questions, strict=False))
    return {
        "facts": row(hits, len(other.questions)),
        "AI disclaimers": row(sum(map(disclaims, replies)), len(replies)),
        "replies": [{"user": a.user, "reply": reply} for a, reply in zip(lines, replies, strict=True)],
    }


def _is_right(reply: str, words: Sequence[str]) -> bool:
    return any(says(reply, word) for word in words)
