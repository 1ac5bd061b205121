"""Teaching: carry out a plan, keep every finished dialogue at once, and write ``dialogues.jsonl`` last.

``taught.jsonl`` grows by a row for each finished dialogue, found again by everything it depends on, so
that a stop loses nothing and nothing is asked twice. ``teaching.json`` says who wrote the dialogues.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from understudy.atomic import write_bytes
from understudy.dialogue import Dialogue, save_dialogues
from understudy.dialogue.dialogue import render_dialogues
from understudy.errors import ConfigError, DialogueError
from understudy.evaluation import Connection
from understudy.evaluation.replies import Progress, RowFile
from understudy.folder import CharacterFolder, alone
from understudy.teaching.checks import reply_check
from understudy.teaching.outline import Outline
from understudy.teaching.plan import TeachingPlan
from understudy.teaching.record import TaughtRecord, file_hash, load_record, save_record
from understudy.teaching.spending import TeachingCost, foresee_cost
from understudy.teaching.teacher import Row, Teacher, dialogue_of, write_dialogues

__all__ = ["TeachingReport", "foresee_teaching", "teach"]


@dataclass(frozen=True)
class TeachingReport:
    """What a teaching did. ``reused``: it was done before, and nothing was asked now.

    record: As in ``teaching.json``. kept: Where the dialogues that were there before are now.
    fresh: Dialogues that were written now, and not found in ``taught.jsonl``.
    """

    record: TaughtRecord
    kept: Path | None
    fresh: int
    seconds: float
    reused: bool

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self.record),
            "fresh": self.fresh,
            "seconds": round(self.seconds, 1),
            "reused": self.reused,
        }


def foresee_teaching(plan: TeachingPlan) -> TeachingCost:
    """Requests, tokens and price of what is still to be asked."""
    rows = RowFile(_taught(plan.folder)).rows
    missing = [o for o, key in zip(plan.outlines, plan.keys, strict=True) if key not in rows]
    return foresee_cost(missing, plan.model, plan.prompt, plan.settings, paid=plan.provider.paid)


def teach(
    plan: TeachingPlan,
    connection: Callable[[], Connection],
    report: Callable[[Progress], None] = lambda progress: None,
    *,
    again: bool = False,
    waiting: Callable[[], None] = lambda: None,
) -> TeachingReport:
    """Let the star write what ``plan`` says, or find that it did.

    Args:
        connection: Opens the way to the star; called only where something is to be asked.
        again: Write although somebody has edited the star's dialogues since.
        waiting: Called once if another teaching holds the folder.

    Raises:
        ConfigError: The star's dialogues were edited, and ``again`` was not said.
        DialogueError: No reply passed the checks; ``dialogues.jsonl`` stays as it was.
        ProviderError: The provider stopped answering; finished dialogues are kept.
    """
    record = load_record(plan.folder)
    if plan.is_current and record is not None:
        return TeachingReport(record, None, 0, 0.0, reused=True)
    if plan.is_changed and not again:
        raise ConfigError(
            f"{plan.folder.dialogues}: was edited after {record.model if record else 'a model'} wrote it. "
            f"Say --again to write it anew; the edited file is then kept in {plan.folder.sources}."
        )
    plan.folder.sources.mkdir(exist_ok=True)
    # Not the folder itself: importing and training may go on there while the star writes.
    with alone(plan.folder.sources, waiting):
        file = RowFile(_taught(plan.folder))
        progress = Progress("dialogues", len(plan.outlines), report)
        started = time.monotonic()
        try:
            asyncio.run(_write_missing(plan, connection, file, progress))
        finally:
            file.close()
        rows = [file.rows[key] for key in plan.keys]
        return _finish(plan, rows, progress.fresh, time.monotonic() - started)


def _taught(folder: CharacterFolder) -> Path:
    return folder.root / "taught.jsonl"


async def _write_missing(
    plan: TeachingPlan, connection: Callable[[], Connection], file: RowFile, progress: Progress
) -> None:
    keys = {outline.id: key for outline, key in zip(plan.outlines, plan.keys, strict=True)}
    missing = [outline for outline in plan.outlines if keys[outline.id] not in file.rows]
    for _ in range(len(plan.outlines) - len(missing)):
        progress.advance(fresh=False)
    if not missing:
        return

    def keep(outline: Outline, row: Row) -> None:
        file.append({"key": keys[outline.id], **row})
        progress.advance(fresh=True)

    teacher = Teacher(connection(), plan.model, plan.prompt, reply_check(plan.character), plan.settings)
    await write_dialogues(teacher, missing, keep)


def _finish(plan: TeachingPlan, rows: list[Row], fresh: int, seconds: float) -> TeachingReport:
    """Put the dialogues in place; what was there before is copied to ``sources/`` first."""
    pairs = zip(plan.outlines, rows, strict=True)
    dialogues = [d for outline, row in pairs if (d := dialogue_of(outline, row, plan.model)) is not None]
    if not dialogues:
        reasons = ", ".join(f"{n} x {why}" for why, n in _total(rows, "refused").most_common())
        raise DialogueError(
            f"{plan.model}: none of its replies passed the checks ({reasons}). {plan.folder.dialogues} is as "
            f"it was. Look at the long prompt in {plan.folder.character}, or choose a stronger model."
        )
    with alone(plan.folder.root):
        before = file_hash(plan.folder.dialogues)
        kept = _keep_previous(plan)
        record = _record(plan, rows, dialogues, before, kept)
        # The record first: where a crash comes between the two, its `output` does not fit the file.
        save_record(plan.folder, record)
        save_dialogues(plan.folder.dialogues, dialogues)
    return TeachingReport(record, kept, fresh, seconds, reused=False)


def _keep_previous(plan: TeachingPlan) -> Path | None:
    """Copy ``dialogues.jsonl`` to a name that says when; ``None`` where there was nothing in it."""
    try:
        data = plan.folder.dialogues.read_bytes()
    except FileNotFoundError:
        return None
    if not data.strip():
        return None
    now = datetime.now(UTC)
    target = (
        plan.folder.sources / f"dialogues-before-teaching-{now:%Y%m%dT%H%M%S}{now.microsecond:06d}Z.jsonl"
    )
    write_bytes(target, data)
    return target


def _record(
    plan: TeachingPlan, rows: list[Row], dialogues: list[Dialogue], before: str, kept: Path | None
) -> TaughtRecord:
    origin_file = kept if plan.origin_file == plan.folder.dialogues else plan.origin_file
    ended = Counter(str(row["ended"]) for row in rows if row["ended"])
    return TaughtRecord(
        model=plan.model,
        provider=plan.provider.name,
        written_at=datetime.now(UTC).isoformat(timespec="seconds"),
        origin=plan.origin,
        origin_file=_relative(origin_file, plan.folder.root),
        inputs=plan.inputs,
        before=before,
        output=hashlib.sha256(render_dialogues(dialogues).encode()).hexdigest(),
        settings=plan.settings.sampling(),
        prompt_sha256=hashlib.sha256(plan.prompt.encode()).hexdigest(),
        outlines=len(plan.outlines),
        dialogues=len(dialogues),
        replies=sum(reply is not None for row in rows for reply in row["replies"]),
        requests=sum(row["requests"] for row in rows),
        prompt_tokens=sum(row["prompt_tokens"] for row in rows),
        completion_tokens=sum(row["completion_tokens"] for row in rows),
        refused=dict(_total(rows, "refused").most_common()),
        ended=dict(ended.most_common()),
        kept=_relative(kept, plan.folder.root),
    )


def _total(rows: list[Row], name: str) -> Counter[str]:
    return sum((Counter(row[name]) for row in rows), Counter())


def _relative(path: Path | None, root: Path) -> str:
    if path is None:
        return ""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path.absolute())
