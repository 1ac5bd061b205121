"""Process: a training process that outlived its server is ended before its job goes on."""

import contextlib
import json
import logging
import time
from pathlib import Path
from typing import Any

from understudy.atomic import write_json
from understudy.training.attempt import LOCK

__all__ = ["end_stale_process", "note_process"]

logger = logging.getLogger(__name__)

NOTE = "process.json"


def note_process(folder: Path, pid: int) -> None:
    """Write down which process trains the job; the start time tells it from a later one of that id."""
    import psutil

    with contextlib.suppress(psutil.Error):
        write_json(folder / NOTE, {"pid": pid, "started": psutil.Process(pid).create_time()})


def end_stale_process(folder: Path, grace_seconds: float) -> None:
    """End what a killed server left running for this job; it saves a checkpoint first.

    The server notes whom it started, and the process itself signs the lock that it holds, in case
    the server was killed in between. Blocks for up to ``grace_seconds``, so call it in a thread.
    """
    for note in (folder / NOTE, folder / "output" / LOCK):
        _end_noted(note, folder.name, grace_seconds)


def _end_noted(path: Path, job_id: str, grace_seconds: float) -> None:
    import psutil

    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        process = psutil.Process(int(note["pid"]))
        if abs(process.create_time() - float(note["started"])) > 1.0 or _has_ended(process):
            return
        logger.info("process %d of an earlier server still trains %s; it is ended", process.pid, job_id)
        began = time.monotonic()
        process.terminate()
        if not _wait_for_end(process, grace_seconds):
            process.kill()
            _wait_for_end(process, 5.0)
        logger.info("it ended after %.1f seconds", time.monotonic() - began)
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return


def _wait_for_end(process: Any, seconds: float) -> bool:
    """Whether a process has ended in time. A dead one that nobody reaps, as in containers, has."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if _has_ended(process):
            return True
        time.sleep(0.05)
    return False


def _has_ended(process: Any) -> bool:
    import psutil

    try:
        return process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True
