"""Replies: every arm asked every probe, each reply kept as it comes, so that a stop loses nothing."""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from understudy.atomic import write_jsonl
from understudy.dialogue import Dialogue
from understudy.errors import EvaluationError
from understudy.evaluation.arms import Arm
from understudy.evaluation.connection import Connection, RequestRefused
from understudy.evaluation.gap_closed import Likelihood
from understudy.evaluation.probe import Probe
from understudy.evaluation.probes import history
from understudy.evaluation.settings import Settings

__all__ = ["Progress", "RowFile", "ask", "score_conversations"]

Row = dict[str, Any]
CONVERSATION_TURNS = 8


@dataclass
class Progress:
    """How far the asking is. ``fresh`` are the requests made now, not found in the file.

    ``note`` is what else a person wants to see, for example what was spent.
    """

    what: str
    total: int
    report: Callable[["Progress"], None] = lambda progress: None
    done: int = 0
    fresh: int = 0
    started: float = field(default_factory=time.monotonic)
    note: str = ""

    def advance(self, *, fresh: bool) -> None:
        self.done += 1
        self.fresh += fresh
        self.report(self)

    @property
    def per_second(self) -> float:
        """Requests a second since the first; 0 before anything was asked."""
        elapsed = time.monotonic() - self.started
        return self.fresh / elapsed if self.fresh and elapsed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.done) / self.per_second if self.per_second else None


class RowFile:
    """JSON lines that are appended as they come and found again by their key.

    A torn last line, left by a crash, is skipped and asked again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        for line in self._lines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and isinstance(row.get("key"), str):
                self.rows[row["key"]] = row
        self._file: TextIO | None = None

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return []

    def append(self, row: Row) -> None:
        """Keep a row at once."""
        self.rows[row["key"]] = row
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = self.path.is_file() and not self.path.read_bytes().endswith(b"\n")
            self._file = self.path.open("a", encoding="utf-8")
            self._file.write("\n" if torn else "")
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self, keep: Iterable[str] | None = None) -> None:
        """Close the file; with ``keep``, leave just these rows, in this order."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if keep is not None:
            write_jsonl(self.path, [self.rows[key] for key in keep if key in self.rows])


def _key(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


async def _bounded(jobs: Sequence[Callable[[], Awaitable[None]]], concurrency: int) -> None:
    """Run the jobs, a few at a time, in order; the first fault stops the rest."""
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            await job()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(jobs))):
                group.create_task(work())
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None


async def ask(
    connection: Connection,
    arms: Sequence[Arm],
    probes: Sequence[Probe],
    settings: Settings,
    file: RowFile,
    report: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, list[Row]]:
    """Ask every arm every probe, and keep the rows in ``file``.

    A reply is found again by arm, model, probe, messages and sampling settings. A request that the
    provider refuses (a conversation that is too long for it) becomes a row with ``finish_reason``
    ``"refused"`` and no reply; it counts as missing, never as a bad reply.

    Returns:
        Rows by arm name, in the order of the probes.

    Raises:
        ProviderError: The provider stopped answering. What came before is kept.
    """
    assert settings.max_tokens is not None, "settings must be resolved"
    progress = Progress("replies", len(arms) * len(probes), report)
    plan: dict[str, list[str]] = {arm.name: [] for arm in arms}
    jobs: list[Callable[[], Awaitable[None]]] = []
    # Probe by probe, so that requests in flight differ in model and a stopped run is balanced over arms.
    for arm in arms:
        for probe in probes:
            messages = arm.messages(probe.messages)
            key = _key(arm.name, arm.model, probe.id, messages, settings.sampling())
            plan[arm.name].append(key)
            jobs.append(_reply_job(connection, arm, probe, messages, key, settings, file, progress))
    await _bounded(jobs, settings.concurrency)
    return {name: [file.rows[key] for key in keys] for name, keys in plan.items()}


def _reply_job(
    connection: Connection,
    arm: Arm,
    probe: Probe,
    messages: list[dict[str, str]],
    key: str,
    settings: Settings,
    file: RowFile,
    progress: Progress,
) -> Callable[[], Awaitable[None]]:
    async def job() -> None:
        if key in file.rows:
            progress.advance(fresh=False)
            return
        row = await _reply(connection, arm, probe, messages, settings)
        file.append({**row, "key": key})
        progress.advance(fresh=True)

    return job


async def _reply(
    connection: Connection, arm: Arm, probe: Probe, messages: list[dict[str, str]], settings: Settings
) -> Row:
    row: Row = {
        "arm": arm.name,
        "model": arm.model,
        "probe_id": probe.id,
        "category": probe.category,
        "group": probe.group,
        "turn": probe.turn,
        "messages": messages,
        "reference": probe.reference,
    }
    started = time.monotonic()
    try:
        answer = await connection.reply(
            arm.model,
            messages,
            temperature=settings.temperature,
            max_tokens=settings.max_tokens or 0,
            seed=settings.seed_for(probe.id),
        )
    except RequestRefused as error:
        return {**row, "reply": "", "finish_reason": "refused", "error": str(error)[:300]} | _usage(
            None, None, 0.0
        )
    seconds = round(time.monotonic() - started, 3)
    usage = _usage(answer.prompt_tokens, answer.completion_tokens, seconds)
    return {**row, "reply": answer.text.strip(), "finish_reason": answer.finish_reason} | usage


def _usage(prompt_tokens: int | None, completion_tokens: int | None, seconds: float) -> Row:
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "seconds": seconds}


async def score_conversations(
    connection: Connection,
    arms: Sequence[Arm],
    conversations: Sequence[Dialogue],
    settings: Settings,
    file: RowFile,
    report: Callable[[Progress], None] = lambda progress: None,
) -> tuple[dict[str, list[Likelihood]], str | None]:
    """Likelihood of the real replies of each conversation under each arm.

    The greeting is not scored, because nobody asked for it, and neither are replies with weight 0.
    A conversation that one arm refuses (too long with its prompt) is left out for all, so that
    every arm is judged on the same replies.

    Returns:
        Likelihoods by arm, and a note where something was left out or scoring is not supported.
    """
    progress = Progress("likelihoods", len(arms) * len(conversations), report)
    plan: dict[tuple[str, str], str] = {}
    jobs: list[Callable[[], Awaitable[None]]] = []
    for arm in arms:
        for dialogue in conversations:
            messages = arm.messages(history(_beginning(dialogue)))
            key = _key("score", arm.model, messages)
            plan[arm.name, dialogue.id] = key
            jobs.append(_score_job(connection, arm, messages, key, file, progress))
    await _bounded(jobs, settings.concurrency)
    refused = {d for (_, d), key in plan.items() if file.rows[key].get("error")}
    kept = [d for d in conversations if d.id not in refused]
    likelihoods = {
        arm.name: [x for d in kept for x in _likelihoods(arm, d, file.rows[plan[arm.name, d.id]])]
        for arm in arms
    }
    errors = [str(file.rows[key]["error"]) for key in plan.values() if file.rows[key].get("error")]
    note = (
        f"{len(refused)} of {len(conversations)} conversations could not be scored by every arm: {errors[0]}"
        if errors
        else None
    )
    return likelihoods, note


def _beginning(dialogue: Dialogue) -> Sequence[Any]:
    """The dialogue up to its eighth reply: longer ones would decide the score alone."""
    replies = dialogue.replies()
    end = replies[min(len(replies), CONVERSATION_TURNS) - 1] + 1
    return dialogue.messages[:end]


def _score_job(
    connection: Connection,
    arm: Arm,
    messages: list[dict[str, str]],
    key: str,
    file: RowFile,
    progress: Progress,
) -> Callable[[], Awaitable[None]]:
    async def job() -> None:
        fresh = key not in file.rows
        if fresh:
            file.append(
                {"key": key, "arm": arm.name, "model": arm.model, **await _scores(connection, arm, messages)}
            )
        progress.advance(fresh=fresh)

    return job


async def _scores(connection: Connection, arm: Arm, messages: list[dict[str, str]]) -> Row:
    try:
        scored = await connection.score(arm.model, messages)
    except RequestRefused as error:
        return {"messages": [], "error": str(error)[:300]}
    # Positions count from the first message that is not the system prompt: equal for all arms.
    shift = len(messages) - len([m for m in messages if m["role"] != "system"])
    return {
        "messages": [
            {"index": s.index - shift, "logprob": s.logprob, "tokens": s.tokens, "bytes": s.bytes}
            for s in scored
        ]
    }


def _likelihoods(arm: Arm, dialogue: Dialogue, row: Row) -> list[Likelihood]:
    spoken = [m for m in _beginning(dialogue) if m.role != "system"]
    result = []
    for item in row["messages"]:
        place = int(item["index"])
        if not 0 <= place < len(spoken):
            raise EvaluationError(f"{arm.model}: the provider scored a message that was not sent ({place}).")
        answers = any(m.role == "user" for m in spoken[:place])
        if answers and spoken[place].weight != 0 and item["tokens"] > 0:
            result.append(
                Likelihood(
                    f"{dialogue.id}#{place}",
                    dialogue.group,
                    -float(item["logprob"]),
                    int(item["tokens"]),
                    int(item["bytes"]),
                )
            )
    return result
