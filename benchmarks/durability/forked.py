"""Forked: real processes that start at once, because torch is imported before they part."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["die_at_operation", "preload", "run_in_child"]


def preload() -> None:
    """Import what every child needs. No tensor may be computed here: threads do not survive a fork."""
    import torch

    torch.set_num_threads(1)
    import accelerate  # noqa: F401
    import peft  # noqa: F401
    import transformers  # noqa: F401
    from transformers import AutoModelForCausalLM, Trainer  # noqa: F401

    import understudy.training.loop  # noqa: F401


def run_in_child(
    work: Callable[[], None],
    log: Path,
    *,
    kill_after_seconds: float | None = None,
    limit_seconds: float = 120,
) -> int:
    """Run ``work`` in a process of its own.

    Args:
        log: Takes everything the process prints.
        kill_after_seconds: End it with ``kill -9`` then.
        limit_seconds: End it the same way if it hangs.

    Returns:
        0 where ``work`` came to its end, 1 where it raised, minus the number of the signal that ended it.
    """
    child = os.fork()
    if child == 0:
        _work_and_leave(work, log)
    ends_at = time.monotonic() + (limit_seconds if kill_after_seconds is None else kill_after_seconds)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= ends_at:
            os.kill(child, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        time.sleep(0.0005 if kill_after_seconds is not None else 0.01)


def _work_and_leave(work: Callable[[], None], log: Path) -> None:
    code = 1
    try:
        with open(log, "ab", buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        work()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def die_at_operation(number: int, root: Path) -> Callable[[], int]:
    """End this process with ``kill -9`` just before its n-th file operation below ``root``.

    Operations are what Python reports to audit hooks: opening for writing, renaming, making and
    removing files and folders; and every wait for the disk (``os.fsync``).

    Returns:
        How many operations there have been so far.
    """
    seen = 0
    prefix = str(root)

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = (mode and set(mode) & set("wax+")) or (flags or 0) & (os.O_WRONLY | os.O_RDWR)
            if writes and str(path).startswith(prefix):
                count()
        elif event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree") and str(
            arguments[0]
        ).startswith(prefix):
            count()

    wait_for_disk = os.fsync

    def counted_fsync(handle: int) -> None:
        count()
        wait_for_disk(handle)

    sys.addaudithook(hook)
    os.fsync = counted_fsync
    return lambda: seen
