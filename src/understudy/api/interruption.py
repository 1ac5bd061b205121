"""Interruption: why a training process ended without a word, and whether its job may go on."""

import errno
import os
import signal
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from understudy.api.workers import log_tail
from understudy.errors import UnderstudyError

__all__ = [
    "MAX_FRUITLESS_ATTEMPTS",
    "STOPPED",
    "Interruption",
    "count_memory_kills",
    "describe_end",
    "describe_fault",
]

# In a row, each cut off before it got further than the ones before.
MAX_FRUITLESS_ATTEMPTS = 4
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_SMALLER = "Use a smaller batch_size, a smaller max_tokens, or a smaller base model."
_SQLITE_FULL = "database or disk is full"


@dataclass(frozen=True)
class Interruption:
    """How an attempt at a job was cut off.

    Attributes:
        message: What happened, for an event while the job goes on.
        code: The job's error code if it does not.
        may_go_on: Whether another attempt from the last checkpoint may succeed.
        final: What happened and what to do, for the error of a job that does not go on.
    """

    message: str
    code: str
    may_go_on: bool
    final: str


STOPPED = Interruption(
    "The training process was stopped from outside.",
    "server_error",
    True,
    f"The training process was stopped from outside {MAX_FRUITLESS_ATTEMPTS} times in a row without getting "
    "further. Find out what stops it, then create the job again.",
)


def describe_end(
    return_code: int | None, *, silent_seconds: float | None, memory_ran_out: bool, log: Path
) -> Interruption:
    """Explain the end of a process that did not say why.

    Args:
        return_code: The negative number of the signal that ended it, or its exit code.
        silent_seconds: How long it had been silent when it was ended for that; ``None`` if it was not.
        memory_ran_out: Whether the system ended a process for want of memory meanwhile.
        log: Of the process.
    """
    if memory_ran_out:
        text = "The training process was killed because memory ran out."
        return Interruption(text, "out_of_memory", False, f"{text} {_SMALLER}")
    if silent_seconds is not None:
        text = f"The training process gave no sign of life for {silent_seconds:.0f} seconds and was ended."
        final = f"{text} That happened {MAX_FRUITLESS_ATTEMPTS} times in a row. {log_tail(log, 400)}".strip()
        return Interruption(text, "server_error", True, final)
    if return_code is not None and -return_code in _FROM_OUTSIDE:
        text = "The training process was killed from outside."
        final = (
            f"The training process was killed {MAX_FRUITLESS_ATTEMPTS} times in a row without getting "
            f"further, most likely because memory ran out. {_SMALLER}"
        )
        return Interruption(text, "out_of_memory", True, final)
    text = f"The training process ended unexpectedly (exit {return_code}). {log_tail(log, 400)}".strip()
    return Interruption(text, "server_error", False, text)


def describe_fault(error: Exception) -> tuple[str, str]:
    """Message and code for a fault that the server itself met while a job ran."""
    cause = error.__cause__ if isinstance(error, UnderstudyError) else error
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or (isinstance(cause, sqlite3.OperationalError) and _SQLITE_FULL in str(cause)):
        return (
            "The disk is full, so the server could not write the job's files. Free some space.",
            "disk_full",
        )
    if isinstance(cause, OSError) and cause.errno is not None:
        reason = os.strerror(cause.errno)
        return f"The server could not write the job's files ({reason}). Check the disk.", "server_error"
    return f"The server met an unexpected fault ({error}). Its log says more.", "server_error"


def count_memory_kills() -> int:
    """How many processes the kernel has ended for want of memory; 0 where the system does not tell.

    Counted in this process's own control group where there is one, which its workers share, else on
    the whole machine. Sources: ``memory.events`` of control groups version 2, ``memory.oom_control``
    of version 1, ``/proc/vmstat``.
    """
    counts = (_read_count(path) for path in [*_group_files(), Path("/proc/vmstat")])
    return next((count for count in counts if count is not None), 0)


def _group_files() -> list[Path]:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    files = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            files.append(Path(f"/sys/fs/cgroup{group}/memory.events"))
        elif "memory" in controllers.split(","):
            files.append(Path(f"/sys/fs/cgroup/memory{group}/memory.oom_control"))
    return files


def _read_count(path: Path) -> int | None:
    try:
        words = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return None
    return next((int(line[1]) for line in words if len(line) == 2 and line[0] == "oom_kill"), None)
