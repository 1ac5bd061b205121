"""Build: write a run's ``report.html``, and only when its inputs have changed."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from understudy.atomic import write_text
from understudy.cost.evidence import find_run, read_evidence, read_object
from understudy.errors import EvaluationError
from understudy.folder import CharacterFolder, typed

__all__ = ["BuiltReport", "build_report"]

INPUTS = ("verdict.json", "replies.jsonl", "cost.json", "job.json", "events.jsonl", "config.json")
MARK = 'name="understudy-inputs" content="'


@dataclass(frozen=True)
class BuiltReport:
    """Where the page lies, and whether it was written now (``reason`` says why or why not)."""

    path: Path
    run: Path
    rebuilt: bool
    reason: str


def build_report(folder: CharacterFolder, run_id: str | None = None) -> BuiltReport:
    """Write ``report.html`` into a run's folder; the cost table is computed where it is missing or old.

    Raises:
        EvaluationError: There is no run yet, or one of its files is damaged.
        ConfigError: There is no run of that name.
    """
    run = find_run(folder, run_id)
    if run is None:
        raise EvaluationError(
            f"{folder.runs}: there is no run to report. Make one: understudy run {typed(folder.root)}"
        )
    cost = _costs(folder, run)
    path, fingerprint = run / "report.html", _fingerprint(run)
    if path.is_file() and f"{MARK}{fingerprint}" in path.read_text(encoding="utf-8", errors="replace")[:2000]:
        return BuiltReport(path, run, False, "nothing that it shows has changed")
    from understudy.report.page import render_page

    existed = path.is_file()
    page = render_page(
        read_evidence(run),
        cost,
        name=folder.root.resolve().name,
        folder=folder.root.resolve().name,
        fingerprint=fingerprint,
    )
    write_text(path, page)
    return BuiltReport(path, run, True, "its inputs have changed" if existed else "there was none")


def _costs(folder: CharacterFolder, run: Path) -> dict[str, Any]:
    """``cost.json``, computed where it is missing or older than what was measured, under its old settings."""
    path = run / "cost.json"
    measured = [run / "verdict.json", run / "replies.jsonl"]
    newest = max((file.stat().st_mtime_ns for file in measured if file.is_file()), default=0)
    old = read_object(path)
    if old and path.stat().st_mtime_ns >= newest:
        return old
    from understudy.cost import compute_costs, parse_trimming, read_inputs, save_costs

    settings = old.get("settings") or {}
    kept = {
        key: settings[key]
        for key in ("turns", "conversations_per_day", "cheap", "expensive")
        if key in settings
    }
    if settings.get("history"):
        kept["trimming"] = parse_trimming(settings["history"])
    table = compute_costs(read_inputs(folder, run, **kept))
    save_costs(table, run)
    written: dict[str, Any] = json.loads(json.dumps(asdict(table)))
    return written


def _fingerprint(run: Path) -> str:
    """Hash of everything the page shows and of the code that shows it."""
    digest = sha256()
    for name in INPUTS:
        path = run / name
        digest.update(name.encode())
        digest.update(path.read_bytes() if path.is_file() else b"-")
    here = files("understudy.report")
    for part in sorted(here.iterdir(), key=lambda part: part.name):
        if part.name.endswith((".py", ".jinja", ".css", ".js")):
            digest.update(part.read_bytes())
    return digest.hexdigest()
