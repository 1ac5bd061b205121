"""Arbiter: who comes first where replies and a training job want the same processor or GPU."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

__all__ = ["YIELDERS", "Arbiter"]

logger = logging.getLogger(__name__)

YIELDERS = ("training", "chat", "none")
_LOWER_PRIORITY = 5  # of -20 (first) to 19 (last); on Linux a quarter of a core that others want


class Arbiter:
    """Lets one of the two worker processes give way to the other.

    The one that yields runs at a lower priority of the system, which settles it on the processor.
    Training that yields also pauses between the pieces of a step while a request is being answered:
    a file tells it so, which works on every system and leaves its heartbeats alone. How long it may
    be held up is the training process's own rule (``training/attempt.py``).

    Args:
        yields: ``training``, ``chat`` or ``none``.
        home: The server's; the file lies in it.
    """

    def __init__(self, yields: str, home: Path) -> None:
        self._yields = yields
        self._file = home / "answering"
        self._answering = 0
        with contextlib.suppress(OSError):
            self._file.unlink()  # of a server that was killed

    @property
    def gives_way_to(self) -> Path | None:
        """The file that exists while training has to wait; ``None`` where it never has to."""
        return self._file if self._yields == "training" else None

    def place(self, pid: int, work: str) -> None:
        """Give a process that was just started its priority; ``work`` is ``training`` or ``chat``."""
        import psutil

        if work != self._yields:
            return
        lower = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", _LOWER_PRIORITY)
        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            if lower != _LOWER_PRIORITY or process.nice() < _LOWER_PRIORITY:
                process.nice(lower)

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """While open, a request is being answered."""
        self._answering += 1
        if self._answering == 1 and self._yields == "training":
            self._mark(True)
        try:
            yield
        finally:
            self._answering -= 1
            if not self._answering and self._yields == "training":
                self._mark(False)

    def _mark(self, answering: bool) -> None:
        """A disk that is full costs the courtesy, never the reply."""
        try:
            if answering:
                self._file.touch()
            else:
                self._file.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("training cannot be told to give way (%s)", error)
