"""Scripts: what a user says over sixteen turns, and the probes that are asked beside the conversation."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from understudy.character.character import Character
from understudy.evaluation.probe import DRIFT, IDENTITY, SCRIPT, Probe
from understudy.evaluation.resources import script_table

__all__ = ["BRANCHES", "TURNS", "Script", "write_scripts"]

TURNS = 16
BRANCHES = (1, 4, 8, 12, 16)
EACH = 4  # conversations that every thread begins


@dataclass(frozen=True)
class Script:
    """The user's lines of one conversation; the arm's own replies come between.

    ``branches`` holds, by turn, the question that is asked after the reply of that turn and never
    enters the conversation.
    """

    id: str
    lines: tuple[str, ...]
    branches: Mapping[int, str]

    def first(self, turns: int) -> "Script":
        """The beginning of the script."""
        if turns >= len(self.lines):
            return self
        kept = {turn: text for turn, text in self.branches.items() if turn <= turns}
        return replace(self, lines=self.lines[:turns], branches=kept)

    def turn_probe(self, turn: int, history: Sequence[Mapping[str, str]]) -> Probe:
        """The user's line of a turn, counted from 1, after what was said before."""
        line = {"role": "user", "content": self.lines[turn - 1]}
        return Probe(
            f"{self.id}/{turn}", SCRIPT, self.id, (*history, line), turn=turn, part="script", kind="script"
        )

    def branch_probe(self, turn: int, history: Sequence[Mapping[str, str]]) -> Probe:
        """The question beside the conversation after the reply of ``turn``."""
        line = {"role": "user", "content": self.branches[turn]}
        return Probe(
            f"{self.id}/beside/{turn}",
            DRIFT,
            self.id,
            (*history, line),
            turn=turn,
            part="drift",
            kind=IDENTITY,
        )

    def as_row(self) -> dict[str, Any]:
        """The script as a file holds it."""
        return {
            "id": self.id,
            "part": "script",
            "lines": list(self.lines),
            "branches": {str(turn): text for turn, text in self.branches.items()},
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Script":
        """The script that ``as_row`` gave."""
        branches = {int(turn): text for turn, text in row["branches"].items()}
        return cls(row["id"], tuple(row["lines"]), branches)


def write_scripts(character: Character, asked: Sequence[Probe], side: str) -> tuple[Script, ...]:
    """Conversations for one set of probes; the sets share no thread.

    Each is an opening, a thread, a question of the set, another thread, another question and a close. What
    is asked beside turn t goes round, so that no turn gets easier questions than another.

    Args:
        asked: Single probes of the set without history, whose questions are woven in.
    """
    table = script_table()
    threads = sorted(table["threads"], key=lambda name: _place(name))
    few = len(threads) // 5
    threads = threads[:few] if side == "development" else threads[few:]
    questions = [p.question for p in asked if len(p.messages) == 1 and p.category in ("fact", "worldview")]
    questions = questions or list(table["asides"])
    scripts: list[Script] = []
    for round_ in range(EACH):
        for place, name in enumerate(threads):
            other = threads[(place + 1 + 2 * round_) % len(threads)]
            number = len(scripts)
            scripts.append(_compose(character, table, number, (name, other), questions))
    return tuple(scripts)


def _compose(
    character: Character,
    table: Mapping[str, Any],
    number: int,
    names: tuple[str, str],
    questions: Sequence[str],
) -> Script:
    first, second = (table["threads"][name] for name in names)
    openings, closings, beside = table["openings"], table["closings"], table["branches"]
    lines = [
        openings[number % len(openings)],
        *first,
        questions[2 * number % len(questions)],
        *second,
        questions[(2 * number + 1) % len(questions)],
        closings[number % len(closings)],
    ]
    branches = {
        turn: beside[(number + 2 * place) % len(beside)].replace("{name}", character.name)
        for place, turn in enumerate(BRANCHES)
    }
    spoken = tuple(line.replace("{name}", character.name) for line in lines)
    return Script(f"script/{number}/{names[0]}", spoken, branches)


def _place(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
