"""Replies: every arm asked every probe, and every conversation played, nothing asked twice."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from understudy.errors import EvaluationError, ProviderError
from understudy.evaluation.arms import Arm
from understudy.evaluation.connection import Connection, RequestRefused
from understudy.evaluation.probe import Probe
from understudy.evaluation.row_file import Progress, Row, RowFile, bounded, row_key
from understudy.evaluation.scripts import Script
from understudy.evaluation.settings import Settings

__all__ = ["Asker", "Progress", "Request", "RowFile", "ask", "play_scripts"]

SAID = ("reply", "finish_reason", "error", "prompt_tokens", "completion_tokens", "seconds")


@dataclass(frozen=True)
class Request:
    """One reply that one arm is asked for. ``key`` finds its row again; ``request`` is the same for any arm
    that sends the same messages to the same model, so that a reply is never asked twice."""

    arm: Arm
    probe: Probe
    sample: int
    settings: Settings

    @cached_property
    def messages(self) -> list[dict[str, str]]:
        return self.arm.messages(self.probe.messages)

    @property
    def seed(self) -> int:
        return self.settings.seed_for(self.probe.id, self.sample)

    @cached_property
    def request(self) -> str:
        sampling = {**self.settings.sampling(), "seed": self.seed}
        return row_key(self.arm.model, self.arm.provider, self.messages, sampling)

    @property
    def key(self) -> str:
        return row_key(self.arm.name, self.probe.id, self.sample, self.request)


class Asker:
    """Asks, keeps every row at once, and takes rows that are kept already: here, or in another run's file."""

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        file: RowFile,
        known: Mapping[str, Row] | None = None,
        elsewhere: Mapping[str, Connection] | None = None,
    ) -> None:
        assert settings.max_tokens is not None, "settings must be resolved"
        self.connection, self.settings, self.file = connection, settings, file
        self.elsewhere = dict(elsewhere or {})
        self.known = dict(known or {})
        self.known.update({row["request"]: row for row in file.rows.values() if "request" in row})
        self._asking: dict[str, asyncio.Future[Row]] = {}

    def connection_of(self, arm: Arm) -> Connection:
        """Where the arm's model answers.

        Raises:
            EvaluationError: It lives on another server, and no connection to that was given.
        """
        if arm.provider and arm.name not in self.elsewhere:
            raise EvaluationError(
                f"{arm.name}: {arm.model} lives at {arm.provider}, and nothing is connected to that server."
            )
        return self.elsewhere.get(arm.name, self.connection)

    async def row(self, arm: Arm, probe: Probe, sample: int = 0) -> tuple[Row, bool]:
        """The row of one reply, and whether it was asked for now.

        A request that the provider refuses (a conversation that is too long for it) becomes a row with
        ``finish_reason`` ``"refused"`` and no reply; it counts as missing, never as a bad reply.
        """
        wanted = Request(arm, probe, sample, self.settings)
        kept = self.file.rows.get(wanted.key)
        if kept is not None:
            return kept, False
        said, fresh = await self._said(wanted)
        row = {**_description(wanted), **{name: said.get(name) for name in SAID}}
        self.file.append({name: value for name, value in row.items() if name != "error" or value})
        return self.file.rows[wanted.key], fresh

    async def _said(self, wanted: Request) -> tuple[Row, bool]:
        """What the model said: found, on its way for another arm, or asked now."""
        found = self.known.get(wanted.request)
        if found is not None:
            return found, False
        if wanted.request in self._asking:
            return await asyncio.shield(self._asking[wanted.request]), False
        future = self._asking[wanted.request] = asyncio.get_running_loop().create_future()
        try:
            said = await _reply(self.connection_of(wanted.arm), wanted)
        except BaseException as fault:
            del self._asking[wanted.request]
            future.set_exception(fault if isinstance(fault, Exception) else ProviderError("Stopped."))
            future.exception()  # Seen here, so that nobody warns of it.
            raise
        future.set_result(said)
        self.known[wanted.request] = said
        return said, True


async def ask(
    asker: Asker,
    arms: Sequence[Arm],
    probes: Sequence[Probe],
    report: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, list[Row]]:
    """Ask every arm every probe, as many replies as the probe's part gets.

    Arm by arm, because a server keeps the beginning that an arm's requests share.

    Returns:
        Rows by arm name, in the order of the probes, replies to one probe together.

    Raises:
        ProviderError: The provider stopped answering. What came before is kept.
    """
    wanted = [(probe, n) for probe in probes for n in range(asker.settings.samples(probe.part))]
    progress = Progress("replies", len(arms) * len(wanted), report)
    rows: dict[str, list[Row | None]] = {arm.name: [None] * len(wanted) for arm in arms}

    def job(arm: Arm, place: int) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            rows[arm.name][place], fresh = await asker.row(arm, *wanted[place])
            progress.advance(fresh=fresh)

        return run

    jobs = [job(arm, place) for arm in arms for place in range(len(wanted))]
    await bounded(jobs, asker.settings.concurrency)
    return {name: [row for row in found if row is not None] for name, found in rows.items()}


async def play_scripts(
    asker: Asker,
    arms: Sequence[Arm],
    scripts: Sequence[Script],
    report: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, list[Row]]:
    """Play every script with every arm: its own replies are the history, and branches stand beside it.

    A conversation ends where a request is refused, because no history goes on from there.

    Returns:
        Rows by arm name: scripted turns and branches, script by script.
    """
    steps = sum(len(script.lines) + len(script.branches) for script in scripts)
    progress = Progress("conversation turns", len(arms) * steps, report)
    found: dict[tuple[str, str], list[Row]] = {}

    def job(arm: Arm, script: Script) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            mine = found.setdefault((arm.name, script.id), [])
            async for row, fresh in _play(asker, arm, script):
                mine.append(row)
                progress.advance(fresh=fresh)

        return run

    jobs = [job(arm, script) for arm in arms for script in scripts]
    await bounded(jobs, asker.settings.concurrency)
    return {arm.name: [row for s in scripts for row in found[arm.name, s.id]] for arm in arms}


async def _play(asker: Asker, arm: Arm, script: Script) -> AsyncIterator[tuple[Row, bool]]:
    history: list[Mapping[str, str]] = []
    for turn, line in enumerate(script.lines, start=1):
        row, fresh = await asker.row(arm, script.turn_probe(turn, history))
        yield row, fresh
        if row["finish_reason"] == "refused":
            return
        history += [{"role": "user", "content": line}, {"role": "assistant", "content": row["reply"]}]
        if turn in script.branches:
            yield await asker.row(arm, script.branch_probe(turn, history))


def _description(wanted: Request) -> Row:
    probe = wanted.probe
    return {
        "key": wanted.key,
        "request": wanted.request,
        "arm": wanted.arm.name,
        "model": wanted.arm.model,
        "probe_id": probe.id,
        "part": probe.part,
        "category": probe.category,
        "kind": probe.kind,
        "group": probe.group,
        "turn": probe.turn,
        "sample": wanted.sample,
        "messages": wanted.messages,
        "reference": probe.reference,
    }


async def _reply(connection: Connection, wanted: Request) -> Row:
    started = time.monotonic()
    try:
        answer = await connection.reply(
            wanted.arm.model,
            wanted.messages,
            temperature=wanted.settings.temperature,
            max_tokens=wanted.settings.max_tokens or 0,
            seed=wanted.seed,
        )
    except RequestRefused as error:
        refused = {"reply": "", "finish_reason": "refused", "error": str(error)[:300]}
        return refused | _usage(None, None, 0.0)
    seconds = round(time.monotonic() - started, 3)
    usage = _usage(answer.prompt_tokens, answer.completion_tokens, seconds)
    return {"reply": answer.text.strip(), "finish_reason": answer.finish_reason} | usage


def _usage(prompt_tokens: int | None, completion_tokens: int | None, seconds: float) -> Row:
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "seconds": seconds}
