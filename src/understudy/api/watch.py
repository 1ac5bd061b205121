"""Watch: reads what a training process reports, renews its lease, and ends it when it falls silent."""

import asyncio
import contextlib
import logging
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator

from understudy.api.interruption import count_memory_kills
from understudy.api.leases import Lease
from understudy.api.store import Store

__all__ = ["Watch"]

logger = logging.getLogger(__name__)

RENEWALS = 4  # in the time of a lease, at most


class Watch:
    """Follows one attempt at a job.

    Attributes:
        silent_seconds: How long the process was silent when it was killed for that, or ``None``.
    """

    def __init__(self, store: Store, lease: Lease, lease_seconds: float) -> None:
        self._store = store
        self._lease = lease
        self._seconds = lease_seconds
        self._renewed = time.monotonic()
        # At the last renewal but one: what a process wrote before its death may be read after it.
        self._memory_kills = self._newest_memory_kills = count_memory_kills()
        self.silent_seconds: float | None = None

    @property
    def memory_ran_out(self) -> bool:
        """Whether the system has ended a process for want of memory just now."""
        return count_memory_kills() > self._memory_kills

    async def lines(self, process: Process) -> AsyncIterator[bytes]:
        """Lines of the process's output, to its end or to the end of the lease."""
        assert process.stdout is not None
        while True:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), self._seconds)
            except TimeoutError:
                self.silent_seconds = self._seconds
                logger.warning("job %s: silent for %.1f seconds", self._lease.job_id, self._seconds)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                return
            if not line:
                return
            self._renew()
            yield line

    def _renew(self) -> None:
        now = time.monotonic()
        if now - self._renewed < self._seconds / RENEWALS:
            return
        self._renewed = now
        self._memory_kills, self._newest_memory_kills = self._newest_memory_kills, count_memory_kills()
        self._store.renew_lease(self._lease, self._seconds)
