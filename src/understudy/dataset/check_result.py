"""Check result: what a training file holds, and what is wrong with it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.dataset.problem import Problem

__all__ = ["CheckResult"]

NAMES = (
    "method", "model", "examples", "errors", "warnings", "hidden", "counts", "tokens", "longest_tokens",
    "max_tokens", "held_out",
)  # fmt: skip


@dataclass(frozen=True)
class CheckResult:
    """What a file holds and what is wrong with it.

    counts: messages by role, learned replies. tokens: of all examples, each at most ``max_tokens``,
    as ``model`` counts them. hidden: problems found beyond those that are listed. held_out: the files
    whose lines were looked for.
    """

    path: Path
    method: str
    model: str
    examples: int
    problems: list[Problem]
    errors: int
    warnings: int
    counts: dict[str, int] = field(default_factory=dict)
    tokens: int = 0
    longest_tokens: int = 0
    max_tokens: int = 0
    hidden: int = 0
    held_out: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the service would take the file."""
        return self.errors == 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "path": str(self.path),
            "ok": self.ok,
            **{name: getattr(self, name) for name in NAMES},
            "problems": [problem.as_dict() for problem in self.problems],
        }
