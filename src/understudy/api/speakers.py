"""Speakers: the processes that speak and score, and which of them each request goes to."""

import asyncio
import contextlib
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

from understudy.api.arbiter import Arbiter
from understudy.api.settings import ServerSettings, usable_cores
from understudy.api.workers import InferenceWorker
from understudy.errors import InferenceError

__all__ = ["SMALL_BASE_BYTES", "Speakers"]

logger = logging.getLogger(__name__)

SMALL_BASE_BYTES = 100 * 2**20
"""Bases of at most so many bytes of weights may be loaded by several processes at once."""
_CROWD = 8  # requests in flight from which a process has company
_LOYAL = 6  # by how many requests the process that knows a conversation may be busier than another
_CONVERSATIONS = 4096  # whose process is remembered


class Speakers:
    """The processes that speak in a model's own numbers, and the one that speaks in int8.

    A step of a small model is mostly Python and matrices too narrow for several cores: one process
    leaves a second core idle. So where many requests for a small base are in flight, a second process
    is started beside the first, and conversations are divided between them; each conversation stays
    where its history is kept. A request never waits for a process that is only starting.
    """

    def __init__(self, settings: ServerSettings, arbiter: Arbiter) -> None:
        self._settings = settings
        most = settings.inference_processes or min(2, usable_cores())
        self._plain = [
            InferenceWorker(settings, arbiter, log="inference.log" if n == 1 else f"inference-{n}.log")
            for n in range(1, most + 1)
        ]
        self._int8 = InferenceWorker(settings, arbiter, settings.int8_command, "int8.log")
        self._homes: OrderedDict[str, InferenceWorker] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._starting: asyncio.Task[None] | None = None

    @property
    def requests_in_flight(self) -> int:
        """How many requests wait for any process."""
        return sum(worker.requests_in_flight for worker in (*self._plain, self._int8))

    async def ask(self, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Send one request to a process and yield its events; see ``InferenceWorker.ask``.

        ``engine`` of the request names the int8 process; it is not sent.
        """
        request = dict(request)
        if request.pop("engine", None) == "int8":
            worker = self._int8
        else:
            worker = self._choose(request)
            self._divide_threads()
        answer = cast(AsyncGenerator[dict[str, Any]], worker.ask(request))
        async with aclosing(answer) as events:
            async for event in events:
                yield event

    async def stop(self) -> None:
        """End all processes."""
        if self._starting is not None:
            self._starting.cancel()
        for worker in (*self._plain, self._int8):
            await worker.stop()

    def _choose(self, request: dict[str, Any]) -> InferenceWorker:
        """The process that knows the conversation, else the first that is not crowded, else the idlest."""
        first = self._plain[0]
        if len(self._plain) == 1 or not self._is_small(str(request.get("base"))):
            return first
        ready = [worker for worker in self._plain if worker is first or worker.answered]
        if len(ready) < len(self._plain) and all(w.requests_in_flight >= _CROWD for w in ready):
            self._start_another()
        key = _conversation(request)
        home = self._homes.get(key)
        idlest = min(ready, key=lambda worker: worker.requests_in_flight)
        if home in ready and home.requests_in_flight - idlest.requests_in_flight <= _LOYAL:
            chosen = home
        else:
            chosen = next((worker for worker in ready if worker.requests_in_flight < _CROWD), idlest)
        self._homes[key] = chosen
        self._homes.move_to_end(key)
        while len(self._homes) > _CONVERSATIONS:
            self._homes.popitem(last=False)
        return chosen

    def _is_small(self, base: str) -> bool:
        if base not in self._sizes:
            with contextlib.suppress(OSError):
                weights = Path(base).glob("*.safetensors")
                self._sizes[base] = sum(path.stat().st_size for path in weights)
        return 0 < self._sizes.get(base, 0) <= SMALL_BASE_BYTES

    def _start_another(self) -> None:
        """Start the next process beside those that answer; requests come to it once it has answered."""
        if self._starting is not None and not self._starting.done():
            return
        worker = next(worker for worker in self._plain[1:] if not worker.answered)
        self._starting = asyncio.create_task(self._wake(worker))

    async def _wake(self, worker: InferenceWorker) -> None:
        try:
            async for _ in worker.ask(_threads_request(self._share(of=len(self._plain)))):
                pass
        except InferenceError as error:
            logger.warning("A further inference process could not be started (%s).", error)

    def _share(self, of: int) -> int:
        """Threads of each of ``of`` processes."""
        return self._settings.inference_threads or max(1, usable_cores() // of)

    def _divide_threads(self) -> None:
        """Tell each process how many threads it has now that others run, or have ended."""
        running = [worker for worker in self._plain if worker.answered]
        share = self._share(of=max(1, len(running)))
        for worker in running:
            if worker.threads != share:
                worker.tell(_threads_request(share))
                worker.threads = share


def _threads_request(threads: int) -> dict[str, Any]:
    return {"op": "threads", "threads": threads}


def _conversation(request: dict[str, Any]) -> str:
    """What stays the same while a conversation goes on: the model, and the messages up to the first turn."""
    messages = list(request.get("messages") or ())
    first = next((n for n, m in enumerate(messages) if m.get("role") == "user"), len(messages))
    beginning = [request.get("base"), request.get("adapter"), messages[: first + 1]]
    return hashlib.sha256(json.dumps(beginning, default=str).encode()).hexdigest()
