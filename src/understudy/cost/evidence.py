"""Evidence: what a run left in its folder, read as far as it is there."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.errors import EvaluationError
from understudy.folder import CharacterFolder

__all__ = ["Evidence", "find_run", "read_evidence", "read_object", "read_rows"]


@dataclass(frozen=True)
class Evidence:
    """A run's files; a missing one is empty. ``notes`` says what could not be read."""

    run: Path
    verdict: dict[str, Any] = field(default_factory=dict)
    replies: list[dict[str, Any]] = field(default_factory=list)
    job: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def find_run(folder: CharacterFolder, run_id: str | None = None) -> Path | None:
    """A run's folder: the named one, else the latest with a verdict, else the latest, else ``None``.

    Raises:
        ConfigError: There is no run of that name.
    """
    if run_id is not None:
        return folder.existing_run(run_id)
    judged = sorted(path.parent for path in folder.runs.glob("*/verdict.json"))
    return judged[-1] if judged else folder.latest_run()


def read_evidence(run: Path) -> Evidence:
    """Read a run's folder.

    Raises:
        EvaluationError: A file that is there is damaged beyond a torn last line.
    """
    notes: list[str] = []
    return Evidence(
        run=run,
        verdict=read_object(run / "verdict.json"),
        replies=read_rows(run / "replies.jsonl", notes),
        job=read_object(run / "job.json"),
        events=read_rows(run / "events.jsonl", notes),
        config=read_object(run / "config.json"),
        notes=tuple(notes),
    )


def read_object(path: Path) -> dict[str, Any]:
    """One JSON object, or an empty one where the file is missing.

    Raises:
        EvaluationError: The file is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EvaluationError(
            f"{path}: cannot be read as JSON ({error}). Delete it and run the stage that writes it again."
        ) from error
    if not isinstance(value, dict):
        raise EvaluationError(f"{path}: must hold one JSON object. Delete it and run its stage again.")
    return value


def read_rows(path: Path, notes: list[str] | None = None) -> list[dict[str, Any]]:
    """The JSON objects of a file that grows line by line.

    A run that was stopped leaves a torn last line: it is left out, and ``notes`` says so.

    Raises:
        EvaluationError: Another line is not a JSON object.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    rows: list[dict[str, Any]] = []
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            if number != last:
                raise EvaluationError(
                    f"{path}:{number}: is not JSON ({error}). Delete the line, or run its stage again."
                ) from error
            if notes is not None:
                notes.append(f"The last line of {path.name} is torn (the run was stopped while writing it).")
            continue
        if not isinstance(row, dict):
            raise EvaluationError(f"{path}:{number}: must be a JSON object. Delete the line.")
        rows.append(row)
    return rows
