"""Looks: how often a set of probes was looked at. The final set should be looked at once."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from understudy.evaluation.row_file import RowFile, row_key

__all__ = ["count_looks", "exported_on", "record_export", "record_look"]

FILE = "looks.jsonl"
EXPORTED = "anybody, by an export"


def record_look(
    probes: Path, *, name: str, sha256: str, run_id: str, model: str, settings: Mapping[str, Any]
) -> int:
    """Note that somebody sees what ``model`` got on the set, and say how many looks that makes.

    The same model under the same settings is one look, however often it is shown.
    """
    key = row_key(sha256, model, dict(settings))
    file = RowFile(probes / FILE)
    if key not in file.rows:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = {"key": key, "set": name, "sha256": sha256, "run_id": run_id, "model": model, "at": now}
        file.append(row)
        file.close()
    return count_looks(probes, sha256)


def record_export(probes: Path, *, name: str, sha256: str, run_id: str) -> int:
    """Note that the set leaves the folder, and say how many looks that makes.

    What others get on it cannot be counted, so the first export is one look, and ``exported_on`` tells.
    """
    return record_look(probes, name=name, sha256=sha256, run_id=run_id, model=EXPORTED, settings={})


def exported_on(probes: Path, sha256: str) -> str | None:
    """The day, as ``2026-11-25``, on which the set was first exported; ``None`` where it never was."""
    days = [str(row.get("at"))[:10] for row in _rows(probes, sha256) if row.get("model") == EXPORTED]
    return min(days, default=None)


def count_looks(probes: Path, sha256: str) -> int:
    """Looks at the set with this hash."""
    return len({row.get("key") for row in _rows(probes, sha256)})


def _rows(probes: Path, sha256: str) -> list[dict[str, Any]]:
    try:
        lines = (probes / FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue  # Torn by a crash: the look that follows is written whole.
        if isinstance(row, dict) and row.get("sha256") == sha256:
            rows.append(row)
    return rows
