"""Teaching: carry out a plan, keep every answer at once, filter, and write ``dialogues.jsonl`` last.

``calls.jsonl`` grows by every request and answer, so that a stop loses nothing and nothing is paid twice.
``teaching.json`` says who wrote the dialogues, ``review.md`` what was kept, repaired and dropped.
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
from understudy.character.prompt import focused_prompts
from understudy.dialogue import Dialogue, save_dialogues
from understudy.dialogue.dialogue import render_dialogues
from understudy.errors import ConfigError, DialogueError
from understudy.evaluation import Connection
from understudy.evaluation.replies import Progress
from understudy.folder import alone
from understudy.teaching.budget import Budget
from understudy.teaching.calls import Bill, CallStore, Desk, Stopped, calls_path
from understudy.teaching.checks import reply_check
from understudy.teaching.corpus import overused_phrases
from understudy.teaching.filtering import filter_dialogues
from understudy.teaching.record import TaughtRecord, file_hash, load_record, save_record
from understudy.teaching.review import count_review, save_review
from understudy.teaching.simulated_user import SimulatedUser
from understudy.teaching.spending import TeachingCost, foresee_cost, with_judge
from understudy.teaching.stopping import stopped_politely
from understudy.teaching.teacher import Teacher, Written, dialogue_of, write_dialogues
from understudy.teaching.teaching_plan import TeachingPlan

__all__ = ["TeachingReport", "foresee_teaching", "teach"]


@dataclass(frozen=True)
class TeachingReport:
    """What a teaching did. ``reused``: it was done before, and nothing was asked now.

    record: As in ``teaching.json``. kept: Where the dialogues that were there before are now.
    fresh: Dialogues that were written now. fresh_requests: Requests that were made now.
    """

    record: TaughtRecord
    kept: Path | None
    fresh: int
    fresh_requests: int
    seconds: float
    reused: bool

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self.record),
            "fresh": self.fresh,
            "fresh_requests": self.fresh_requests,
            "seconds": round(self.seconds, 1),
            "reused": self.reused,
        }


@dataclass(frozen=True)
class _Outcome:
    """What the asking came to."""

    written: list[Written]
    fresh: int
    bill: Bill
    lost: int
    complete: bool
    seconds: float


def foresee_teaching(plan: TeachingPlan) -> TeachingCost:
    """Requests, tokens and price of what is still to be asked, of the teacher and of the judge."""
    store = CallStore(calls_path(plan.folder))
    pairs = zip(plan.outlines, plan.keys, strict=True)
    missing = [outline for outline, key in pairs if not store.is_finished(key)]
    rates = plan.rates()
    rate = rates.get(plan.model)
    cost = foresee_cost(
        missing,
        plan.model,
        plan.prompt,
        plan.settings,
        paid=plan.provider.paid,
        rate=rate,
        played=plan.played,
    )
    if plan.judge is None or plan.is_current:
        return cost
    # The judge reads when all is written, and so also what was written before a stop.
    paid, length = plan.provider.paid, plan.settings.max_tokens
    return with_judge(cost, plan.judge, plan.outlines, length, rate=rates.get(plan.judge.model), paid=paid)


def teach(
    plan: TeachingPlan,
    connection: Callable[[], Connection],
    report: Callable[[Progress], None] = lambda progress: None,
    *,
    again: bool = False,
    waiting: Callable[[], None] = lambda: None,
    stopping: Callable[[int], None] = lambda under_way: None,
    student_connection: Callable[[], Connection] | None = None,
) -> TeachingReport:
    """Let the star write what ``plan`` says, or find that it did.

    Args:
        connection: Opens the way to the star; called only where something is to be asked.
        again: Write although somebody has edited the star's dialogues since.
        waiting: Called once if another teaching holds the folder.
        stopping: Called on Ctrl-C or a polite kill with the number of requests that are waited for.
        student_connection: The way to the student, where it is another.

    Raises:
        KeyboardInterrupt: It was stopped; every answer is kept.
        ConfigError: The star's dialogues were edited, and ``again`` was not said.
        DialogueError: No reply passed the checks; ``dialogues.jsonl`` stays as it was.
        ProviderError: The provider stopped answering; every answer is kept.
    """
    record = load_record(plan.folder)
    if plan.is_current and record is not None:
        return TeachingReport(record, None, 0, 0, 0.0, reused=True)
    if plan.is_changed and not again:
        raise ConfigError(
            f"{plan.folder.dialogues}: was edited after {record.model if record else 'a model'} wrote it. "
            f"Say --again to write it anew; the edited file is then kept in {plan.folder.sources}."
        )
    plan.folder.sources.mkdir(exist_ok=True)
    # Not the folder itself: importing and training may go on there while the star writes.
    with alone(plan.folder.sources, waiting):
        store = CallStore(calls_path(plan.folder))
        try:
            outcome = asyncio.run(_ask(plan, connection, student_connection, store, report, stopping))
        except Stopped:
            raise KeyboardInterrupt from None
        finally:
            store.close()
        return _finish(plan, outcome)


async def _ask(
    plan: TeachingPlan,
    connection: Callable[[], Connection],
    student_connection: Callable[[], Connection] | None,
    store: CallStore,
    report: Callable[[Progress], None],
    stopping: Callable[[int], None],
) -> _Outcome:
    """Write, filter, write anew what was refused."""
    started = time.monotonic()
    lost = store.lost()
    keys = {outline.id: key for outline, key in zip(plan.outlines, plan.keys, strict=True)}
    finished = {identity for identity, key in keys.items() if store.is_finished(key)}
    budget = Budget(plan.company.budget_usd, store.usd())
    desk = Desk(connection(), store, place=plan.provider.base_url, rates=plan.rates(), budget=budget)
    student = Desk(student_connection(), store, place="student") if student_connection else None
    teacher = _teacher(plan, desk, student)
    progress = Progress("dialogues", len(plan.outlines), report)
    written: dict[str, Written] = {}

    def keep(one: Written) -> None:
        written[one.outline.id] = one
        key = keys[one.outline.id]
        if not store.is_finished(key):
            store.keep(key, {"finished": True})
        progress.note = f"{desk.budget.spent_usd:.2f} USD" if desk.rates else ""
        progress.advance(fresh=one.outline.id not in finished)

    try:
        with stopped_politely([desk], stopping):
            complete = await write_dialogues(teacher, plan.outlines, keep)
            in_order = [written[o.id] for o in plan.outlines if o.id in written]
            filtered, all_filtered = await filter_dialogues(teacher, in_order, plan.character, plan.judge)
    finally:
        for one in filter(None, (desk, student)):
            await one.close()
    return _Outcome(
        filtered, progress.fresh, desk.bill, lost, complete and all_filtered, time.monotonic() - started
    )


def _teacher(plan: TeachingPlan, desk: Desk, student: Desk | None) -> Teacher:
    return Teacher(
        desk,
        plan.model,
        plan.character.name,
        plan.prompt,
        reply_check(plan.character, plan.rules),
        plan.settings,
        plan.rules,
        SimulatedUser(plan.character.name) if plan.played else None,
        plan.student,
        student,
        {fact.id: fact.statement for fact in plan.character.facts},
        {} if plan.character.prompt else focused_prompts(plan.character),
    )


def _finish(plan: TeachingPlan, outcome: _Outcome) -> TeachingReport:
    """Put the dialogues in place; what was there before is copied to ``sources/`` first."""
    found = [dialogue_of(written, plan.model) for written in outcome.written]
    dialogues = [dialogue for dialogue in found if dialogue is not None]
    if not dialogues:
        reasons = ", ".join(f"{n} x {why}" for why, n in _refused(outcome.written).most_common())
        raise DialogueError(
            f"{plan.model}: none of its replies passed the checks ({reasons or 'nothing was asked'}). "
            f"{plan.folder.dialogues} is as it was. Look at the long prompt in {plan.folder.character}, or "
            "choose a stronger model."
        )
    with alone(plan.folder.root):
        before = file_hash(plan.folder.dialogues)
        kept = _keep_previous(plan)
        record = _record(plan, outcome, dialogues, before, kept)
        phrases = overused_phrases(outcome.written, plan.character, plan.rules.overused)
        save_review(plan.folder, outcome.written, plan.model, phrases)
        # The record first: where a crash comes between the two, its `output` does not fit the file.
        save_record(plan.folder, record)
        save_dialogues(plan.folder.dialogues, dialogues)
    return TeachingReport(record, kept, outcome.fresh, outcome.bill.fresh, outcome.seconds, reused=False)


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
    plan: TeachingPlan, outcome: _Outcome, dialogues: list[Dialogue], before: str, kept: Path | None
) -> TaughtRecord:
    origin_file = kept if plan.origin_file == plan.folder.dialogues else plan.origin_file
    ended = Counter(one.ended for one in outcome.written if one.ended)
    counts = count_review(outcome.written)
    bill = outcome.bill
    return TaughtRecord(
        model=plan.model,
        provider=plan.provider.name,
        written_at=datetime.now(UTC).isoformat(timespec="seconds"),
        origin=plan.origin,
        origin_file=_relative(origin_file, plan.folder.root),
        # An unfinished plan is not current: the same command goes on.
        inputs=plan.inputs if outcome.complete else "",
        before=before,
        output=hashlib.sha256(render_dialogues(dialogues).encode()).hexdigest(),
        settings=plan.settings.sampling(),
        prompt_sha256=hashlib.sha256(plan.prompt.encode()).hexdigest(),
        outlines=len(plan.outlines),
        dialogues=len(dialogues),
        replies=counts.kept + counts.repaired,
        requests=bill.requests,
        prompt_tokens=bill.prompt_tokens,
        completion_tokens=bill.completion_tokens,
        refused=dict(_refused(outcome.written).most_common()),
        ended=dict(ended.most_common()),
        kept=_relative(kept, plan.folder.root),
        kept_at_once=counts.kept,
        repaired=counts.repaired,
        dropped=counts.dropped,
        complete=outcome.complete,
        usd=round(bill.usd, 6),
        lost=outcome.lost,
    )


def _refused(written: list[Written]) -> Counter[str]:
    return Counter(refused.fault for w in written for e in w.exchanges for refused in e.refused)


def _relative(path: Path | None, root: Path) -> str:
    if path is None:
        return ""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path.absolute())
