"""Workers: the processes that hold torch, and the environment they get."""

import asyncio
import contextlib
import json
import logging
import secrets
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from understudy.api.arbiter import Arbiter
from understudy.api.settings import ServerSettings, usable_cores
from understudy.errors import InferenceError
from understudy.secret import redact, without_secrets

__all__ = ["LINE_BYTES", "InferenceWorker", "log_tail", "stop_process", "worker_environment"]

logger = logging.getLogger(__name__)

LINE_BYTES = 64 * 1024 * 1024
ENDINGS = ("done", "scored", "error")


def worker_environment(threads: int | None) -> dict[str, str]:
    """Environment of a worker: no secrets, no network, and threads that do not spin while they wait.

    Args:
        threads: Threads of the numerical libraries; ``None`` takes all cores.
    """
    return without_secrets() | {
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": str(threads or usable_cores()),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
    }


async def stop_process(process: Process, grace_seconds: float) -> None:
    """Ask a process to end, wait, and end it if it does not."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), grace_seconds)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def log_tail(path: Path, characters: int = 600) -> str:
    """The end of a worker's log, for an error message."""
    try:
        return redact(path.read_text(encoding="utf-8", errors="replace").strip()[-characters:])
    except OSError:
        return ""


class InferenceWorker:
    """One inference process, started at the first request, shared by all, ended after an idle time.

    Requests and replies are JSON lines; each carries the id of its request, so many run at once.
    A process that dies ends its requests with an error, and the next request starts a new one.

    Args:
        command: Of the process; the settings' own where absent.
        log: Name of the file that takes its standard error.
    """

    def __init__(
        self,
        settings: ServerSettings,
        arbiter: Arbiter,
        command: tuple[str, ...] | None = None,
        log: str = "inference.log",
    ) -> None:
        self._settings = settings
        self._arbiter = arbiter
        self._command = command or settings.inference_command
        self._process: Process | None = None
        self._queues: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._starting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_used = 0.0
        self._log = settings.logs / log
        self._asking = 0
        self._answered = False
        self.threads = settings.inference_threads or usable_cores()

    @property
    def requests_in_flight(self) -> int:
        """How many requests wait for the process, or for its start."""
        return self._asking

    @property
    def answered(self) -> bool:
        """Whether the process runs and has answered before, so that it is no longer starting."""
        running = self._process is not None and self._process.returncode is None
        return running and self._answered

    def tell(self, line: dict[str, Any]) -> None:
        """Send something whose answer nobody waits for; a process that has ended is not told."""
        with contextlib.suppress(InferenceError):
            self._send({**line, "id": secrets.token_hex(8)})

    async def ask(self, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Send one request and yield its events up to the last one.

        Closing the iterator early cancels the request in the process.

        Raises:
            InferenceError: The process cannot be started or has ended.
        """
        identity = secrets.token_hex(8)
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        finished = False
        self._asking += 1
        try:
            await self._ensure_started()
            self._queues[identity] = queue
            with self._arbiter.answering():
                self._send({**request, "id": identity})
                await self._drain()
                while not finished:
                    event = await queue.get()
                    finished = event.get("event") in ENDINGS
                    if event.get("code") == "worker_ended":
                        raise InferenceError(str(event["message"]))
                    yield event
        finally:
            self._asking -= 1
            self._queues.pop(identity, None)
            self._last_used = asyncio.get_running_loop().time()
            if not finished:
                # Without awaiting: the task that runs this may itself be cancelled.
                with contextlib.suppress(InferenceError):
                    self._send({"op": "cancel", "id": identity})

    async def stop(self) -> None:
        """End the process; a later request starts a new one."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(InferenceError):
            self._send({"op": "shutdown"})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 2.0)
        await stop_process(process, 5.0)

    async def _ensure_started(self) -> None:
        async with self._starting:
            self._last_used = asyncio.get_running_loop().time()
            if self._process is not None and self._process.returncode is None:
                return
            self._log.parent.mkdir(parents=True, exist_ok=True)
            threads = self._settings.inference_threads
            arguments = ["--threads", str(threads)] if threads else []
            try:
                with open(self._log, "wb") as log:
                    self._process = await asyncio.create_subprocess_exec(
                        *self._command, *arguments, stdin=PIPE, stdout=PIPE, stderr=log,
                        limit=LINE_BYTES, env=worker_environment(threads), start_new_session=True,
                    )  # fmt: skip
            except OSError as error:
                raise InferenceError(f"The inference process could not be started ({error}).") from error
            self._answered, self.threads = False, threads or usable_cores()
            self._arbiter.place(self._process.pid, "chat")
            for work in (self._read(self._process), self._end_when_idle(self._process)):
                task = asyncio.create_task(work)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _send(self, line: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None or process.returncode is not None:
            raise InferenceError("The inference process has ended. Try again.")
        process.stdin.write(json.dumps(line).encode() + b"\n")

    async def _drain(self) -> None:
        """Wait while the process is behind with reading."""
        process = self._process
        if process is None or process.stdin is None:
            return
        try:
            await process.stdin.drain()
        except OSError as error:
            raise InferenceError("The inference process has ended. Try again.") from error

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                self._dispatch(line)
        except ValueError:
            logger.error("The inference process sent a line longer than %d bytes.", LINE_BYTES)
            process.kill()
        await process.wait()
        if self._process is process:
            self._fail_all(process)

    def _dispatch(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            queue = self._queues.get(event["id"])
        except (ValueError, KeyError, TypeError):
            logger.warning("The inference process sent a line that is no event: %.200r", line)
            return
        self._answered = True
        if queue is not None:
            queue.put_nowait(event)

    def _fail_all(self, process: Process) -> None:
        """Tell every waiting request that its process has gone, and why as far as is known."""
        if self._queues:
            logger.error("The inference process ended (%s): %s", process.returncode, log_tail(self._log))
        reason = "was killed, most likely because memory ran out" if process.returncode == -9 else "ended"
        message = (
            f"The inference process {reason} (exit {process.returncode}). Try again; its log is {self._log}."
        )
        for queue in self._queues.values():
            queue.put_nowait({"event": "error", "code": "worker_ended", "message": message})

    async def _end_when_idle(self, process: Process) -> None:
        idle_after = self._settings.worker_idle_seconds
        while process.returncode is None:
            await asyncio.sleep(min(30.0, max(0.05, idle_after / 4)))
            idle = asyncio.get_running_loop().time() - self._last_used
            if not self._queues and idle > idle_after and not self._starting.locked():
                self._process = None  # A request that comes now starts a new one.
                await stop_process(process, 10.0)
