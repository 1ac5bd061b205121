"""Build: write a run's report as page, Markdown or JSON, and only when its inputs have changed."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from understudy.atomic import write_text
from understudy.cost.evidence import find_run, read_evidence, read_object
from understudy.errors import EvaluationError
from understudy.folder import CharacterFolder, typed
from understudy.report.content import Attachments, read_content

__all__ = ["FORMATS", "BuiltReport", "Format", "build_report"]

Format = Literal["html", "md", "json"]
FORMATS: dict[Format, str] = {"html": "report.html", "md": "report.md", "json": "report.json"}
INPUTS = ["verdict.json", "replies.jsonl", "cost.json", "job.json", "events.jsonl", "config.json"]
INPUTS += ["judgement.json"]
FINDINGS = ("study/study.json", "curve/curve.json")
CODE = (".py", ".jinja", ".css", ".js", ".yaml")


@dataclass(frozen=True)
class BuiltReport:
    """Where the report lies, and whether it was written now (``reason`` says why or why not)."""

    path: Path
    run: Path
    rebuilt: bool
    reason: str


def build_report(folder: CharacterFolder, run_id: str | None = None, form: Format = "html") -> BuiltReport:
    """Write the report into a run's folder; the cost table is computed where it is missing or old.

    Raises:
        EvaluationError: There is no run yet, or one of its files is damaged or of a later version.
        ConfigError: There is no run of that name.
    """
    run = find_run(folder, run_id)
    if run is None:
        raise EvaluationError(
            f"{folder.runs}: there is no run to report. Make one: understudy run {typed(folder.root)}"
        )
    cost = _costs(folder, run)
    path, fingerprint = run / FORMATS[form], _fingerprint(folder, run)
    existed = path.is_file()
    if existed and fingerprint in path.read_text(encoding="utf-8", errors="replace")[:2000]:
        return BuiltReport(path, run, False, "nothing that it shows has changed")
    name = folder.root.resolve().name
    content = read_content(read_evidence(run), cost, _attachments(folder, run), name=name, folder=name)
    write_text(path, _writer(form)(content, fingerprint=fingerprint))
    return BuiltReport(path, run, True, "its inputs have changed" if existed else "there was none")


def _writer(form: Format) -> Callable[..., str]:
    if form == "html":
        from understudy.report.page import render_page

        return render_page
    from understudy.report.plain import render_json, render_markdown

    return render_markdown if form == "md" else render_json


def _attachments(folder: CharacterFolder, run: Path) -> Attachments:
    study, curve = (read_object(folder.root / name) for name in FINDINGS)
    return Attachments(read_object(run / "judgement.json"), study, curve)


def _costs(folder: CharacterFolder, run: Path) -> dict[str, Any]:
    """``cost.json``, computed where it is missing, of an earlier layout, or older than what was measured.

    Settings that the user chose before are kept.
    """
    from understudy.cost.table import SCHEMA

    path = run / "cost.json"
    measured = [run / "verdict.json", run / "replies.jsonl"]
    newest = max((file.stat().st_mtime_ns for file in measured if file.is_file()), default=0)
    old = read_object(path)
    if old.get("schema") == SCHEMA and path.stat().st_mtime_ns >= newest:
        return old
    from understudy.cost import OwnMachine, compute_costs, parse_trimming, read_inputs, save_costs

    settings = old.get("settings") or {}
    names = ["turns", "conversations_per_day", "horizon_days", "cheap", "expensive", "gpu"]
    names += ["gpu_reply_tokens_per_second", "utilisation"]
    kept = {key: settings[key] for key in names if key in settings}
    if settings.get("history"):
        kept["trimming"] = parse_trimming(settings["history"])
    if settings.get("machine"):
        kept["machine"] = OwnMachine(**settings["machine"])
    table = compute_costs(read_inputs(folder, run, **kept))
    save_costs(table, run)
    written: dict[str, Any] = json.loads(json.dumps(asdict(table)))
    return written


def _fingerprint(folder: CharacterFolder, run: Path) -> str:
    """Hash of everything the report shows and of the code that shows it."""
    digest = sha256()
    for path in (*(run / name for name in INPUTS), *(folder.root / name for name in FINDINGS)):
        digest.update(path.name.encode())
        digest.update(path.read_bytes() if path.is_file() else b"-")
    for part in _code(files("understudy.report")):
        digest.update(part.read_bytes())
    return digest.hexdigest()


def _code(folder: Traversable) -> list[Traversable]:
    found: list[Traversable] = []
    for part in sorted(folder.iterdir(), key=lambda part: part.name):
        if part.is_dir():
            found += _code(part)
        elif part.name.endswith(CODE):
            found.append(part)
    return found
