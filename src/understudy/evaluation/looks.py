"""Looks: how often a set of probes was looked at. The final set should be looked at once."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from understudy.evaluation.row_file import RowFile, row_key

__all__ = ["count_looks", "record_look"]

FILE = "looks.jsonl"


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


def count_looks(probes: Path, sha256: str) -> int:
    """Looks at the set with this hash."""
    try:
        lines = (probes / FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return 0
    keys = set()
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue  # Torn by a crash: the look that follows is written whole.
        if isinstance(row, dict) and row.get("sha256") == sha256:
            keys.add(row.get("key"))
    return len(keys)
