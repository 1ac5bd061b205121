"""Engine: takes requests as they come, speaks them in batches, lets each fail alone."""

import queue
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from understudy.errors import ModelError
from understudy.inference.adapter import Adapter
from understudy.inference.batch import MAX_ROWS, Batch, Row, make_rows
from understudy.inference.channel import Channel
from understudy.inference.loading import AdapterRead, Loading
from understudy.inference.memory import device_memory_bytes
from understudy.inference.request import (
    Cancel,
    ChatRequest,
    Request,
    RequestFailed,
    ScoreRequest,
    Shutdown,
    Threads,
    foreseen_failure,
)
from understudy.inference.score import score_batch
from understudy.inference.voices import Voices

__all__ = ["Engine"]

DEFAULT_REPLY_TOKENS = 1024
_FLUSH_SECONDS = 0.02
_PATIENCE_SECONDS = 0.03
_JOIN_AT_ONCE = 4
_SCORES_AT_ONCE = 32

# A row much longer than its neighbours makes each of their steps as long as its own.
_LONG_TOKENS = 512

Key = tuple[Path, Path | None]
Lane = tuple[int, int, bool]  # base, preamble kept once for all or 0, long: rows of one lane share a batch


class Engine:
    """Everything in flight. One thread runs it; requests come through ``inbox``."""

    def __init__(self, channel: Channel) -> None:
        self.inbox: queue.SimpleQueue[Request | AdapterRead] = queue.SimpleQueue()
        self._channel = channel
        self._voices = Voices()
        self._waiting: dict[Lane, list[Row]] = {}
        self._scores: dict[Key, list[ScoreRequest]] = {}
        self._loading = Loading(self.inbox.put)
        self._batches: dict[Lane, Batch] = {}
        self._cache_bytes: int | None = None
        self._open_rows: dict[Any, int] = {}  # request id -> rows that are not finished

    def run(self) -> None:
        """Work until told to shut down.

        Raises:
            ChannelClosed: The server has gone.
        """
        import torch

        with torch.inference_mode():
            while self._receive():
                self._score()
                for lane in list({**self._waiting, **self._batches}):
                    self._advance(lane)

    # -- requests -------------------------------------------------------------------------

    def _receive(self) -> bool:
        """Take what has come; wait where there is nothing else to do. False to shut down."""
        idle = not (self._waiting or self._scores or self._batches)
        while True:
            try:
                request = self.inbox.get(block=idle)
            except queue.Empty:
                return True
            idle = False
            if isinstance(request, Shutdown):
                return False
            if isinstance(request, AdapterRead):
                self._go_on(request)
                continue
            try:
                self._accept(request)
            except Exception as error:
                self._fail(request.id, error)

    def _accept(self, request: Cancel | ChatRequest | ScoreRequest | Threads) -> None:
        if isinstance(request, Cancel):
            self._cancel(request.id)
        elif isinstance(request, Threads):
            self._take_threads(request)
        elif isinstance(request, ScoreRequest):
            self._scores.setdefault((request.base, request.adapter), []).append(request)
        else:
            self._accept_chat(request)

    def _take_threads(self, request: Threads) -> None:
        import torch

        torch.set_num_threads(request.threads)
        self._channel.send(id=request.id, event="done")

    def _accept_chat(self, request: ChatRequest) -> None:
        if request.adapter is not None and self._voices.waits_for(request.base, request.adapter):
            self._loading.start(request, request.adapter)
            return
        voice = self._voices.get(request.base, request.adapter)
        prompt = voice.renderer.prompt(request.messages).ids
        left = voice.limit - len(prompt)
        if left < 1:
            raise RequestFailed(
                f"This model's maximum context length is {voice.limit} tokens. However, your messages "
                f"resulted in {len(prompt)} tokens. Please reduce the length of the messages.",
                "context_length_exceeded",
                "messages",
            )
        room = min(left, request.max_tokens or DEFAULT_REPLY_TOKENS)
        rows = make_rows(request, prompt, voice, room)
        self._channel.send(id=request.id, event="start", prompt_tokens=len(prompt))
        self._open_rows[request.id] = len(rows)
        self._waiting.setdefault(self._lane(rows), []).extend(rows)

    def _go_on(self, read: AdapterRead) -> None:
        """Accept what waited for an adapter."""
        if isinstance(read.found, Adapter):
            self._voices.hand_over(read.key[0], read.found)
        for request in self._loading.take(read.key):
            try:
                if isinstance(read.found, Exception):
                    raise read.found
                self._accept_chat(request)
            except Exception as error:
                self._fail(request.id, error)

    def _lane(self, rows: list[Row]) -> Lane:
        """Which batch the rows of a request join.

        A long system prompt that several conversations have in common is worth a batch of its own,
        which keeps it once for all rows. Where a conversation would be alone with its prompt while
        others of this base speak, it joins these instead.
        """
        row = rows[0]
        base = row.voice.base
        if row.preamble.layers is not None:
            in_flight = [r for lane in self._waiting.values() for r in lane]
            in_flight += [r for batch in self._batches.values() for r in batch.rows if r.active]
            others = any(r.voice.base is base for r in in_flight)
            company = len(rows) > 1 or any(r.preamble is row.preamble for r in in_flight)
            if company or not others:
                return (id(base), id(row.preamble), False)
        for one in rows:
            one.shares = False
        length = row.preamble.length + len(row.prompt)
        return (id(base), 0 if base.mixes else id(row.voice), length >= _LONG_TOKENS)

    def _cancel(self, request_id: Any) -> None:
        """Stop a request; one that is unknown or finished is not an error."""
        known = self._open_rows.pop(request_id, None) is not None
        for lane, rows in list(self._waiting.items()):
            self._waiting[lane] = [row for row in rows if row.request.id != request_id]
        for batch in self._batches.values():
            for row in batch.rows:
                row.dropped = row.dropped or row.request.id == request_id
        known = self._loading.cancel(request_id) or known
        for key, requests in list(self._scores.items()):
            known = known or any(request.id == request_id for request in requests)
            self._scores[key] = [request for request in requests if request.id != request_id]
        if known:
            self._channel.send(id=request_id, event="done", cancelled=True)

    def _fail(self, request_id: Any, error: Exception) -> None:
        self._open_rows.pop(request_id, None)
        failure = _describe(error)
        self._channel.send(
            id=request_id, event="error", code=failure.code, message=str(failure), param=failure.param
        )

    # -- scoring --------------------------------------------------------------------------

    def _score(self) -> None:
        for key in list(self._scores):
            requests = self._scores[key][:_SCORES_AT_ONCE]
            self._scores[key] = self._scores[key][_SCORES_AT_ONCE:]
            if not self._scores[key]:
                del self._scores[key]
            if requests:
                self._score_together(key, requests)

    def _score_together(self, key: Key, requests: list[ScoreRequest]) -> None:
        """Score a batch; if that fails, each alone, so that one cannot spoil the others."""
        try:
            results = score_batch(self._voices.get(*key), requests)
        except Exception as error:
            if len(requests) == 1 or isinstance(error, ModelError):
                for request in requests:
                    self._fail(request.id, error)
                return
            for request in requests:
                self._score_together(key, [request])
            return
        for request, result in zip(requests, results, strict=True):
            if isinstance(result, RequestFailed):
                self._fail(request.id, result)
            else:
                self._channel.send(id=request.id, event="scored", messages=result)

    # -- speaking -------------------------------------------------------------------------

    def _advance(self, lane: Lane) -> None:
        """Let waiting rows join their batch, and write one token in each row."""
        batch = self._batches.get(lane)
        joining: list[Row] = []
        try:
            joining = self._joining(lane, batch)
            if joining:
                batch = batch or self._batches.setdefault(lane, _batch_for(joining[0]))
                batch.admit(joining)
                self._report(batch, joining)
            if batch is not None:
                self._report(batch, batch.step())
        except Exception as error:
            self._drop(lane, joining, error)
            return
        if batch is not None and not batch.active:
            self._batches.pop(lane, None)

    def _joining(self, lane: Lane, batch: Batch | None) -> list[Row]:
        """Rows that join now: at once into an empty batch, else a few together or after a moment."""
        waiting = self._waiting.get(lane)
        if not waiting:
            self._waiting.pop(lane, None)
            return []
        active = [row for row in batch.rows if row.active] if batch else []
        free = MAX_ROWS - len(active)
        patient = time.monotonic() - waiting[0].waiting_since < _PATIENCE_SECONDS
        if free < 1 or (active and patient and min(free, len(waiting)) < _JOIN_AT_ONCE):
            return []
        joining = self._fitting(active, waiting[:free])
        self._waiting[lane] = waiting[len(joining) :]
        if not self._waiting[lane]:
            del self._waiting[lane]
        return joining

    def _fitting(self, active: list[Row], candidates: list[Row]) -> list[Row]:
        """As many rows as the cache has memory for; a lone row is always tried."""
        base = candidates[0].voice.base
        if self._cache_bytes is None:  # asking the system takes as long as a layer
            self._cache_bytes = device_memory_bytes(base.device.type) // 4
        most = self._cache_bytes // max(1, base.cache_bytes_per_token())
        chosen: list[Row] = []
        for row in candidates:
            sizes = [r.size for r in (*active, *chosen, row)]
            if (active or chosen) and max(sizes) * len(sizes) > most:
                break
            chosen.append(row)
        return chosen

    def _drop(self, lane: Lane, joining: list[Row], error: Exception) -> None:
        """A batch broke: its requests fail, and the next ones start afresh."""
        batch = self._batches.pop(lane, None)
        rows = [*(batch.rows if batch else []), *joining]
        failed = {row.request.id for row in rows if row.active and row.request.id in self._open_rows}
        for request_id in failed:
            self._fail(request_id, error)
        for waiting in self._waiting.values():
            waiting[:] = [row for row in waiting if row.request.id not in failed]

    def _report(self, batch: Batch, rows: list[Row]) -> None:
        now = time.monotonic()
        for row in rows:
            finished = row.finish_reason is not None
            if not finished and now - row.sent_at < _FLUSH_SECONDS:
                continue
            text, notes = row.text.take(final=finished)
            if text or notes:
                row.sent_at = now
                extra = {"logprobs": notes} if row.request.logprobs else {}
                self._channel.send(id=row.request.id, event="delta", index=row.index, text=text, **extra)
            if finished:
                self._finish(row)

    def _finish(self, row: Row) -> None:
        request_id = row.request.id
        self._channel.send(
            id=request_id,
            event="finish",
            index=row.index,
            finish_reason=row.finish_reason,
            completion_tokens=row.written,
        )
        self._open_rows[request_id] -= 1
        if not self._open_rows[request_id]:
            del self._open_rows[request_id]
            self._channel.send(id=request_id, event="done")


def _batch_for(row: Row) -> Batch:
    return Batch(row.voice.base, row.preamble if row.shares and row.preamble.layers is not None else None)


def _describe(error: Exception) -> RequestFailed:
    """Translate an error into the API's code, with the traceback in the log where nobody foresaw it."""
    if foreseen := foreseen_failure(error):
        return foreseen
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return RequestFailed("Out of memory. Try a shorter conversation or a smaller model.", "out_of_memory")
    traceback.print_exception(error, file=sys.stderr)
    return RequestFailed(f"The model met an unexpected {type(error).__name__}: {str(error)[:300]}.")
