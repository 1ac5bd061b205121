"""Channel: the JSON lines by which a worker process speaks with the server that started it."""

import contextlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

__all__ = ["Channel", "ChannelClosed", "SilentChannel", "claim_stdout", "prepare_process"]

_FIRST_TO_GO = "800"  # of -1000 to 1000


class ChannelClosed(Exception):
    """Nobody reads the worker's lines any more: the server that started it has gone."""


class Channel:
    """Writes one JSON object a line, flushed, from any thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, **event: Any) -> None:
        """Write one event.

        Raises:
            ChannelClosed: The reader has gone.
        """
        line = json.dumps(event, ensure_ascii=True, allow_nan=False, separators=(",", ":")) + "\n"
        with self._lock:
            try:
                self._stream.write(line)
                self._stream.flush()
            except (OSError, ValueError) as error:
                raise ChannelClosed(str(error)) from error


class SilentChannel(Channel):
    """Says nothing: of several processes that train one job, the first speaks for all."""

    def send(self, **event: Any) -> None:
        """Nothing is written."""


def claim_stdout() -> Channel:
    """Keep standard output for events and send everything else that prints to standard error.

    Libraries print now and then; one stray line would break the protocol.
    """
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return Channel(stream)


def prepare_process(threads: int | None) -> None:
    """Set what must be set before torch is imported.

    When memory runs out, Linux is told to end this process before the server, which would take
    every other job and conversation along.

    Waiting OpenMP threads that spin cost more than half of the speed as soon as a neighbour
    uses one of the cores; passive waiting costs nothing measurable on an idle machine.

    Args:
        threads: Threads for the numerical libraries; ``None`` leaves their default.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_OFFLINE"] = "1"
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        os.environ["MKL_NUM_THREADS"] = str(threads)
