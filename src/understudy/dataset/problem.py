"""Problem: one fault of a training file, where it is and how to mend it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

__all__ = ["INVALID_COUNT", "INVALID_FORMAT", "Place", "Problem", "ProblemList", "Severity"]

Severity = Literal["error", "warning"]

# The service's own codes.
INVALID_FORMAT = "invalid_file_format"
INVALID_COUNT = "invalid_n_examples"
KEPT = 5_000


@dataclass(frozen=True)
class Problem:
    """``line`` and ``example`` count from 1; blank lines are no examples. ``None``: the whole file."""

    line: int | None
    example: int | None
    code: str
    message: str
    remedy: str
    severity: Severity

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass
class ProblemList:
    """Problems in the order of the file. Beyond ``KEPT`` they are only counted: memory stays small."""

    kept: list[Problem] = field(default_factory=list)
    errors: int = 0
    warnings: int = 0

    def add(self, problem: Problem) -> None:
        self.errors += problem.severity == "error"
        self.warnings += problem.severity == "warning"
        if len(self.kept) < KEPT:
            self.kept.append(problem)

    def extend(self, other: "ProblemList", lines_before: int = 0, examples_before: int = 0) -> None:
        """Add the problems of a later part of the file."""
        for problem in other.kept[: KEPT - len(self.kept)]:
            self.kept.append(
                replace(
                    problem,
                    line=problem.line and problem.line + lines_before,
                    example=problem.example and problem.example + examples_before,
                )
            )
        self.errors += other.errors
        self.warnings += other.warnings

    def drop(self, problems: Sequence[Problem]) -> None:
        """Forget problems that turn out to be named already; none of them stands twice in the list."""
        self.errors -= sum(problem.severity == "error" for problem in problems)
        self.warnings -= sum(problem.severity == "warning" for problem in problems)
        self.kept = [problem for problem in self.kept if problem not in problems]

    def sort(self) -> None:
        """Bring those that were found afterwards into the order of the file."""
        self.kept.sort(key=lambda problem: problem.line or 0)

    @property
    def hidden(self) -> int:
        """How many were found and not kept."""
        return self.errors + self.warnings - len(self.kept)


@dataclass(frozen=True)
class Place:
    """A spot in the file, with the list that collects what is wrong there."""

    found: ProblemList
    line: int | None = None
    example: int | None = None
    within: str = ""

    def at(self, within: str) -> "Place":
        """The same example, further in: ``message 2``."""
        return Place(
            self.found, self.line, self.example, f"{self.within}, {within}" if self.within else within
        )

    def error(self, message: str, remedy: str, code: str = INVALID_FORMAT) -> None:
        """Something for which the service refuses the file."""
        self._add(message, remedy, code, "error")

    def warning(self, message: str, remedy: str, code: str) -> None:
        """Something that is accepted, and probably not meant."""
        self._add(message, remedy, code, "warning")

    def _add(self, message: str, remedy: str, code: str, severity: Severity) -> None:
        text = f"{self.within}: {message}" if self.within else message
        self.found.add(Problem(self.line, self.example, code, text, remedy, severity))
