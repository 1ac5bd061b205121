"""Attempt: one process's turn at a job. It tells that it lives, and gives way to a newer turn.

The server numbers the attempts at a job (the *fencing token*) and writes the newest number into
``fencing_token`` beside the checkpoints. A process whose number is older writes nothing more. One
lock makes sure that never two processes write at once; a newer attempt waits until the older one,
which notices within a heartbeat, has left.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from understudy.inference.channel import Channel, ChannelClosed
from understudy.training.failure import JobFailed
from understudy.training.spec import TrainingSpec

__all__ = ["FENCE", "LOCK", "Attempt", "Stopped", "Superseded", "process_rank"]

FENCE = "fencing_token"
LOCK = ".lock"
WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.1
_GIVING_WAY_POLL_SECONDS = 0.01
# Of the time for which replies are asked without a pause, training keeps a fifth.
_WAITS_PER_WORK = 4.0


class Stopped(Exception):
    """The job was asked to stop, and its state is saved."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


class Superseded(Exception):
    """A newer attempt trains this job; nothing may be written any more."""


class Attempt:
    """Holds the output directory's lock and sends heartbeats until it is left.

    Raises:
        JobFailed: On entering: another process trains the job and does not leave.
        Stopped: On entering: asked to stop while waiting for the lock.
        Superseded: On entering: a newer attempt has begun.
    """

    def __init__(self, spec: TrainingSpec, channel: Channel, stopping: Callable[[], bool]) -> None:
        self._directory = spec.output_directory
        self._token = spec.fencing_token
        self._heartbeat_seconds = spec.heartbeat_seconds
        self._channel = channel
        self._asked_to_stop = stopping
        self._gives_way_to = spec.gives_way_to
        self._worked_since: float | None = None
        self._lost = threading.Event()
        self._ended = threading.Event()

    def stopping(self) -> bool:
        """Whether to save and leave: asked to, unheard by now, or superseded."""
        return self._asked_to_stop() or self._lost.is_set()

    def give_way(self) -> None:
        """Wait while the server answers somebody, but at most four times as long as was worked before.

        Called between pieces of work: where replies are asked without a pause, training goes on
        slowly rather than not at all.
        """
        if self._gives_way_to is None:
            return
        began = time.monotonic()
        until = began + _WAITS_PER_WORK * (began - (self._worked_since or began))
        while self._gives_way_to.exists() and time.monotonic() < until and not self.stopping():
            time.sleep(_GIVING_WAY_POLL_SECONDS)
        self._worked_since = time.monotonic()

    def check(self) -> None:
        """Call before anything is written.

        Raises:
            Superseded: A newer attempt has begun.
        """
        if not self._is_newest():
            raise Superseded(f"{self._directory}: a newer attempt trains this job.")

    def __enter__(self) -> "Attempt":
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._heartbeat_seconds is not None:
            threading.Thread(target=self._beat, args=(self._heartbeat_seconds,), daemon=True).start()
        self._file = (self._directory / LOCK).open("a+")
        try:
            if not process_rank():  # one lock for all processes of an attempt
                self._lock()
            self.check()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self._ended.set()
        self._file.close()

    def _lock(self) -> None:
        if os.name != "posix":
            return
        import fcntl

        wait_until = time.monotonic() + (WAIT_SECONDS if self._token is not None else 0.0)
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if self.stopping():
                    raise Stopped(0) from None
                if time.monotonic() >= wait_until:
                    raise JobFailed(
                        f"{self._directory}: another process is training this job. Wait for it, or stop it "
                        "first.",
                        "job_already_running",
                    ) from None
            time.sleep(_POLL_SECONDS)
        self._sign()

    def _sign(self) -> None:
        """Write into the lock who holds it, so that a server can end a process that it did not start."""
        import psutil

        self._file.truncate(0)
        json.dump({"pid": os.getpid(), "started": psutil.Process().create_time()}, self._file)
        self._file.flush()

    def _is_newest(self) -> bool:
        if self._token is None:
            return True
        try:
            return int((self._directory / FENCE).read_text()) <= self._token
        except (OSError, ValueError):
            return True

    def _beat(self, seconds: float) -> None:
        with contextlib.suppress(ChannelClosed):
            while self._is_newest():
                self._channel.send(event="heartbeat", **_memory())
                if self._ended.wait(seconds):
                    return
        self._lost.set()


def process_rank() -> int:
    """Number of this process where several train one job (``accelerate launch``, ``torchrun``), else 0."""
    rank = os.environ.get("RANK", "0")
    return int(rank) if rank.isdigit() else 0


def _memory() -> dict[str, Any]:
    """Bytes of main memory that this process holds."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return {}
    return {"memory_bytes": pages * os.sysconf("SC_PAGE_SIZE")}
