"""Stopping: Ctrl-C ends a run between requests, because those under way are paid for."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence

from understudy.teaching.calls import Desk, Stopped

__all__ = ["stopped_politely"]


@contextlib.contextmanager
def stopped_politely(desks: Sequence[Desk], stopping: Callable[[int], None]) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM lets requests under way end; a second one stops at once.

    Args:
        stopping: Called on the first, with the number of requests that are waited for.

    Raises:
        Stopped: The second signal came.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        if any(desk.stopped for desk in desks) and task is not None:
            task.cancel()
            return
        stopping(sum(desk.under_way for desk in desks))
        for desk in desks:
            desk.stop()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # not the main thread
            loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        raise Stopped from None
    finally:
        for number in signals:
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
                loop.remove_signal_handler(number)
