"""Engine: takes requests as they come and speaks them in companies, a few companies at once."""

import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from understudy.inference.channel import Channel, ChannelClosed
from understudy.inference.request import (
    Cancel,
    ChatRequest,
    Request,
    RequestFailed,
    Shutdown,
    foreseen_failure,
)
from understudy.int8.line import Company, Line, gather
from understudy.int8.voice import AT_ONCE, Int8Voice

__all__ = ["Int8Engine"]

_FLUSH_SECONDS = 0.02


class Int8Engine:
    """Everything in flight. ``run`` accepts; threads of their own speak.

    Args:
        channel: Where events go.
        threads: Of the numerical library, for one reply.
    """

    def __init__(self, channel: Channel, threads: int) -> None:
        self.inbox: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._channel = channel
        self._threads = threads
        self._voices: dict[Path, Int8Voice] = {}
        self._waiting: list[Line] = []
        self._lines: dict[Any, list[Line]] = {}  # by request
        self._work = threading.Condition()

    def run(self) -> None:
        """Work until told to shut down.

        Raises:
            ChannelClosed: The server has gone.
        """
        for _ in range(AT_ONCE):
            threading.Thread(target=self._speak_on, daemon=True).start()
        while True:
            request = self.inbox.get()
            if isinstance(request, Shutdown):
                return
            if isinstance(request, Cancel):
                self._cancel(request.id)
                continue
            try:
                if not isinstance(request, ChatRequest):
                    raise RequestFailed("An int8 model speaks; it does not score.", "invalid_request", "op")
                self._accept(request)
            except ChannelClosed:
                raise
            except Exception as error:
                self._fail(request.id, error)

    def _accept(self, request: ChatRequest) -> None:
        lines = self._voice(request.base).lines(request)
        tokens = len(lines[0].begin) + len(lines[0].own)
        self._channel.send(id=request.id, event="start", prompt_tokens=tokens)
        with self._work:
            self._lines[request.id] = lines
            self._waiting += lines
            self._work.notify_all()

    def _voice(self, folder: Path) -> Int8Voice:
        if folder not in self._voices:
            self._voices[folder] = Int8Voice(folder, self._threads)
        return self._voices[folder]

    def _cancel(self, request_id: Any) -> None:
        """Stop a request; one that is unknown or finished is not an error."""
        with self._work:
            lines = self._lines.pop(request_id, None)
            for line in lines or []:
                line.dropped = True
            self._waiting[:] = [line for line in self._waiting if not line.dropped]
        if lines is not None:
            self._channel.send(id=request_id, event="done", cancelled=True)

    def _fail(self, request_id: Any, error: Exception) -> None:
        with self._work:
            for line in self._lines.pop(request_id, None) or []:
                line.dropped = True
        failure = _describe(error)
        self._channel.send(
            id=request_id, event="error", code=failure.code, message=str(failure), param=failure.param
        )

    # -- threads that speak -----------------------------------------------------------------

    def _speak_on(self) -> None:
        while True:
            with self._work:
                while not self._waiting:
                    self._work.wait()
                company = gather(self._waiting)
            try:
                self._speak(company)
            except ChannelClosed:
                self.inbox.put(Shutdown())
                return

    def _speak(self, company: Company) -> None:
        try:
            self._voices[company.first.request.base].speak(company, self._report)
        except ChannelClosed:
            raise
        except Exception as error:
            open_requests = {line.request.id for line in company.lines if not line.dropped}
            for request_id in open_requests & self._lines.keys():
                self._fail(request_id, error)

    def _report(self, line: Line, over: bool) -> None:
        now = time.monotonic()
        if line.dropped or (not over and now - line.sent_at < _FLUSH_SECONDS):
            return
        text, _ = line.text.take(final=over)
        if text:
            line.sent_at = now
            self._channel.send(id=line.request.id, event="delta", index=line.index, text=text)
        if over:
            self._finish(line)

    def _finish(self, line: Line) -> None:
        request_id = line.request.id
        self._channel.send(
            id=request_id, event="finish", index=line.index, finish_reason=line.finish_reason,
            completion_tokens=line.written,
        )  # fmt: skip
        with self._work:  # another line may be over without having been told yet
            line.told = True
            last = request_id in self._lines and all(one.told for one in self._lines[request_id])
            if last:
                del self._lines[request_id]
        if last:
            self._channel.send(id=request_id, event="done")


def _describe(error: Exception) -> RequestFailed:
    """An error as the API's, with the traceback in the log where nobody foresaw it."""
    if foreseen := foreseen_failure(error):
        return foreseen
    traceback.print_exception(error, file=sys.stderr)
    return RequestFailed(f"CTranslate2 met an unexpected {type(error).__name__}: {str(error)[:300]}.")
