"""Batches: many requests in one file, answered as the inference process has time."""

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from understudy.api.batch_journal import BatchJournal
from understudy.api.batch_lines import BatchLine, BatchRequest, check_lines, read_lines
from understudy.api.batch_table import Batch
from understudy.api.blobs import Blob
from understudy.api.files import CHUNK_BYTES, FileDesk
from understudy.api.identity import new_id, new_request_id
from understudy.api.problem import Problem, bad_request, envelope, parse, unknown_batch, wrong_state
from understudy.api.settings import ServerSettings
from understudy.api.store import Store, StoredFile

__all__ = ["BatchDesk"]

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 24 * 3600
AT_ONCE = 8
ATTEMPTS = 3
RETRY_SECONDS = 5.0
UNFINISHED = ("validating", "in_progress", "finalizing", "cancelling")

Answer = Callable[[Any], Awaitable[dict[str, Any]]]


class BatchDesk:
    """Takes batches in, works through them one after the other, and answers questions about them.

    Args:
        endpoints: What answers the body of a request, by endpoint.
        window_seconds: How long after its creation a batch expires.
    """

    def __init__(
        self,
        settings: ServerSettings,
        store: Store,
        files: FileDesk,
        endpoints: dict[str, Answer],
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        self.settings = settings
        self.store = store
        self.files = files
        self.endpoints = endpoints
        self.window_seconds = window_seconds
        self._wake = asyncio.Event()
        self._cancelled = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._current: str | None = None
        self._journal: tuple[str, BatchJournal] | None = None

    # --- life of the desk

    def start(self) -> None:
        """Take up what an earlier server left unfinished, then wait for batches."""
        self._running = asyncio.create_task(self._run_forever())

    async def stop(self) -> None:
        """Stop asking; unfinished batches go on at the next start."""
        for task in (self._running, *self._ending.values()):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def is_busy(self) -> bool:
        """Whether a batch is unfinished."""
        return bool(self.store.batches.with_status(*UNFINISHED))

    # --- the API

    def create(self, body: Any) -> dict[str, Any]:
        """POST /v1/batches.

        Raises:
            Problem: A fault of the request itself. Faults inside the file fail the batch later.
        """
        wanted = parse(BatchRequest, body, first=("input_file_id", "endpoint", "completion_window"))
        file = self._input(wanted.input_file_id)
        now = int(time.time())
        document = _document(wanted, now, int(now + self.window_seconds))
        expires = wanted.output_expires_after.seconds if wanted.output_expires_after else None
        self.store.batches.add(document, {"input_blob": file.blob, "output_expires_seconds": expires})
        self._wake.set()
        return document

    def retrieve(self, batch_id: str) -> dict[str, Any]:
        """GET /v1/batches/{id}."""
        return self._shown(self._batch(batch_id))

    def list(self, after: str | None, limit: int) -> dict[str, Any]:
        """GET /v1/batches, newest first."""
        page = self.store.batches.list(after=after, limit=limit)
        if page is None:
            raise bad_request(f"No object with the id '{after}' to continue after.", "after")
        data = [self._shown(batch) for batch in page.rows]
        ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
        return {"object": "list", "data": data, **ends, "has_more": page.has_more}

    def cancel(self, batch_id: str) -> dict[str, Any]:
        """POST /v1/batches/{id}/cancel: what was answered is kept.

        Raises:
            Problem: 404; 400 where the batch has ended.
        """
        before = self._batch(batch_id)
        change = {"status": "cancelling", "cancelling_at": int(time.time())}
        batch = self.store.batches.change(batch_id, change, only_in=("validating", "in_progress"))
        if batch is None:
            message = f"Batch {batch_id} cannot be cancelled: its status is {before.status}."
            raise wrong_state(message, "batch_id")
        if batch_id == self._current:
            self._cancelled.set()
        else:
            self._ending[batch_id] = asyncio.create_task(self._end_waiting(batch))
        return self._shown(batch)

    # --- inside

    def _input(self, file_id: str) -> StoredFile:
        file = self.store.file(file_id)
        if file is None:
            message = f"The input_file_id {file_id[:80]!r} does not exist. Upload it first."
            raise bad_request(message, "input_file_id", "invalid_input_file")
        if file.purpose != "batch":
            message = f"The file {file_id} has the purpose '{file.purpose}'; upload it with 'batch'."
            raise bad_request(message, "input_file_id", "invalid_input_file")
        return file

    def _batch(self, batch_id: str) -> Batch:
        batch = self.store.batches.get(batch_id)
        if batch is None:
            raise unknown_batch(batch_id)
        return batch

    def _shown(self, batch: Batch) -> dict[str, Any]:
        """The document, with the counts of this moment while the batch is worked on."""
        if self._journal is not None and self._journal[0] == batch.id and batch.status in UNFINISHED:
            return {**batch.document, "request_counts": self._counts(batch, self._journal[1])}
        return batch.document

    def _counts(self, batch: Batch, journal: BatchJournal) -> dict[str, int]:
        total = batch.document["request_counts"]["total"]
        return {"total": total, "completed": journal.completed, "failed": journal.failed}

    async def _run_forever(self) -> None:
        while True:
            self._wake.clear()
            waiting = [b for b in self.store.batches.with_status(*UNFINISHED) if b.id not in self._ending]
            if not waiting:
                await self._wake.wait()
                continue
            self._current = waiting[0].id
            try:
                await self._run(waiting[0])
            except Exception as error:
                logger.exception("batch %s failed in the server", waiting[0].id)
                await self._fail_when_possible(waiting[0], error)
            finally:
                self._current = self._journal = None

    async def _fail_when_possible(self, batch: Batch, error: Exception) -> None:
        """Note a failure; while even that cannot be written, as on a full disk, try again."""
        while True:
            try:
                self._fail(batch, [_server_fault(error)])
                return
            except Exception:
                logger.exception("the failure of batch %s cannot be noted yet", batch.id)
                await asyncio.sleep(RETRY_SECONDS)

    async def _end_waiting(self, batch: Batch) -> None:
        """End a cancelled batch that waits behind another one."""
        try:
            await self._finish(batch, self._open_journal(batch), expired=False)
        finally:
            self._ending.pop(batch.id, None)

    def _open_journal(self, batch: Batch) -> BatchJournal:
        return BatchJournal(self.settings.home / "batches" / batch.id)

    async def _run(self, batch: Batch) -> None:
        """Bring one batch to its end, from whatever state an earlier server left it in."""
        self._cancelled.clear()
        path = self.files.blobs.path(batch.plan["input_blob"])
        if batch.status == "validating":
            count, faults = await asyncio.to_thread(check_lines, path, batch.document["endpoint"])
            if faults:
                self._fail(batch, [fault.document() for fault in faults])
                return
            counts = {"total": count, "completed": 0, "failed": 0}
            change = {"status": "in_progress", "in_progress_at": int(time.time()), "request_counts": counts}
            changed = self.store.batches.change(batch.id, change, only_in=("validating",))
            batch = changed or self._batch(batch.id)
        journal = await asyncio.to_thread(self._open_journal, batch)
        self._journal = (batch.id, journal)
        expired = False
        if batch.status == "in_progress":
            expired = not await self._answer_all(batch, journal, read_lines(path))
            batch = self._batch(batch.id)
        await self._finish(batch, journal, expired)

    async def _answer_all(self, batch: Batch, journal: BatchJournal, lines: Iterator[BatchLine]) -> bool:
        """Answer every line that has no answer yet. False where the batch's time ran out."""
        answer = self.endpoints[batch.document["endpoint"]]
        work = asyncio.create_task(self._work(answer, journal, lines))
        stop = asyncio.create_task(self._cancelled.wait())
        left = batch.document["expires_at"] - time.time()
        try:
            done, _ = await asyncio.wait(
                {work, stop}, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
            )
            if work in done:
                work.result()
            return bool(done)
        finally:
            for task in (work, stop):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _work(self, answer: Answer, journal: BatchJournal, lines: Iterator[BatchLine]) -> None:
        async def work() -> None:
            for line in lines:  # Shared: each worker takes the next.
                if line.custom_id not in journal:
                    await _answer_line(answer, line, journal)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())

    async def _finish(self, batch: Batch, journal: BatchJournal, expired: bool) -> None:
        """Turn the journal into files and end the batch: completed, cancelled or expired."""
        if expired:
            await asyncio.to_thread(self._note_unanswered, batch, journal)
        now = int(time.time())
        if batch.status == "in_progress":
            change = {"status": "finalizing", "finalizing_at": now}
            batch = self.store.batches.change(batch.id, change, only_in=("in_progress",)) or self._batch(
                batch.id
            )
        made = {
            key: await asyncio.to_thread(self._produce, batch, journal, good)
            for key, good in (("output_file_id", True), ("error_file_id", False))
        }
        files = [file for file in made.values() if file is not None]
        end = "cancelled" if batch.status == "cancelling" else "expired" if expired else "completed"
        document = {
            "status": end,
            f"{end}_at": int(time.time()),
            "request_counts": self._counts(batch, journal),
            "usage": journal.usage(),
            **{key: file.id if file else None for key, file in made.items()},
        }
        self.store.batches.change(batch.id, document, only_in=UNFINISHED, files=files)
        shutil.rmtree(journal.path(good=True).parent, ignore_errors=True)

    def _note_unanswered(self, batch: Batch, journal: BatchJournal) -> None:
        error = {
            "code": "batch_expired",
            "message": "This request was not answered before the batch expired.",
        }
        for line in read_lines(self.files.blobs.path(batch.plan["input_blob"])):
            if line.custom_id not in journal:
                journal.add(line.custom_id, error=error)

    def _produce(self, batch: Batch, journal: BatchJournal, good: bool) -> StoredFile | None:
        path = journal.path(good=good)
        if not path.exists() or path.stat().st_size == 0:
            return None
        with open(path, "rb") as source:
            chunks = iter(lambda: source.read(CHUNK_BYTES), b"")
            blob: Blob = self.files.blobs.write(chunks, max_bytes=path.stat().st_size)
        now, seconds = int(time.time()), batch.plan["output_expires_seconds"]
        name = f"{batch.id}_{'output' if good else 'error'}.jsonl"
        expires = now + seconds if seconds else None
        return StoredFile(new_id("file-"), blob.sha256, blob.bytes, now, expires, name, "batch_output")

    def _fail(self, batch: Batch, faults: Sequence[dict[str, Any]]) -> None:
        document = {
            "status": "failed",
            "failed_at": int(time.time()),
            "errors": {"object": "list", "data": faults},
        }
        self.store.batches.change(batch.id, document, only_in=UNFINISHED)


async def _answer_line(answer: Answer, line: BatchLine, journal: BatchJournal) -> None:
    """Answer one line; faults of the server are tried again, faults of the request are its answer."""
    request_id = new_request_id()
    for attempt in range(ATTEMPTS):
        try:
            document = await answer(line.body)
        except Problem as problem:
            if problem.status >= 500 and attempt + 1 < ATTEMPTS:
                continue
            body = envelope(problem.message, problem.type, problem.param, problem.code)
            journal.add(line.custom_id, status=problem.status, request_id=request_id, body=body)
        else:
            journal.add(line.custom_id, status=200, request_id=request_id, body=document)
        return


def _server_fault(error: Exception) -> dict[str, Any]:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    message = f"The server met an unexpected fault ({error}). Its log says more."
    return {"code": "server_error", "message": message, "param": None, "line": None}


def _document(wanted: BatchRequest, now: int, expires: int) -> dict[str, Any]:
    moments = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    return {
        "id": new_id("batch_"),
        "object": "batch",
        "endpoint": wanted.endpoint,
        "errors": None,
        "input_file_id": wanted.input_file_id,
        "completion_window": wanted.completion_window,
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": now,
        "expires_at": expires,
        **{f"{moment}_at": None for moment in moments},
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": None,
        "metadata": wanted.metadata,
    }
