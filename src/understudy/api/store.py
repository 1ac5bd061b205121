"""Store: files, jobs, events, checkpoints and models in SQLite, written by this process alone.

Every write is one transaction that is on the disk before the caller continues
(``journal_mode=WAL``, ``synchronous=FULL``): what a client was told survives a crash.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from understudy.api import leases
from understudy.api.batch_table import BatchTable
from understudy.api.leases import Lease
from understudy.api.permissions import PermissionTable
from understudy.api.schema import SCHEMA_STEPS
from understudy.errors import ServerError

__all__ = ["FINISHED", "Job", "Page", "Store", "StoredFile", "StoredModel"]

SCHEMA_VERSION = len(SCHEMA_STEPS)
FINISHED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class StoredFile:
    """An uploaded or produced file; ``blob`` is the SHA-256 of its bytes."""

    id: str
    blob: str
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str


@dataclass(frozen=True)
class Job:
    """A fine-tuning job: the document that clients see and the server's own plan for it."""

    id: str
    status: str
    document: dict[str, Any]
    plan: dict[str, Any]


@dataclass(frozen=True)
class StoredModel:
    """A fine-tuned model or checkpoint: an adapter folder on a base model.

    The table holds the folder's name alone, so that a home may be moved; here it is a path again.

    Attributes:
        base: The base model's part of the name.
        base_source: What is loaded, as ``bases.find_base`` understands it.
        base_fingerprint: Of the base's weights; an adapter fits no others.
    """

    id: str
    created_at: int
    base: str
    base_source: str
    base_fingerprint: str
    adapter: str
    job_id: str


@dataclass(frozen=True)
class Page:
    """Part of a list, and whether more follows."""

    rows: list[Any]
    has_more: bool


class _Connection(sqlite3.Connection):
    """A connection that threads share: uploads are kept in one thread while the event loop moves jobs."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.lock = threading.RLock()

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """A statement; it waits for the transaction of another thread, and never joins it."""
        with self.lock:
            return super().execute(*arguments)


class Store:
    """The database of one server home; threads may share it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._adapters = path.parent / "adapters"
        try:
            self._db: _Connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, factory=_Connection
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA busy_timeout=5000")
            self._migrate(path)
        except sqlite3.DatabaseError as error:
            raise ServerError(
                f"{path}: cannot be used as the server's database ({error}). "
                "Move it away to start anew, or put a copy back."
            ) from error
        self.batches = BatchTable(
            self._db,
            self._transaction,
            lambda table, columns, after, limit: self._page(table, columns, [], [], after, limit, False),
            self._insert_file,
        )
        self.permissions = PermissionTable(self._db, self._transaction, self._page)

    def close(self) -> None:
        """Close the database; what was written stays."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._db.lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # A full disk may have ended it already.
                    self._db.execute("ROLLBACK")
                raise

    def _migrate(self, path: Path) -> None:
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS schema_version "
            "(version INTEGER NOT NULL, applied_at INTEGER NOT NULL)"
        )
        version = self._db.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise ServerError(
                f"{path}: was written by a newer version of understudy (schema {version}, this one "
                f"knows {SCHEMA_VERSION}). Update understudy, or use another UNDERSTUDY_HOME."
            )
        for number, step in enumerate(SCHEMA_STEPS[version:], version + 1):
            self._db.executescript(
                f"BEGIN;\n{step}\nINSERT INTO schema_version VALUES ({number}, {int(time.time())});\nCOMMIT;"
            )

    # --- files

    def add_file(self, file: StoredFile) -> None:
        """Record a file whose bytes are on the disk already."""
        with self._transaction() as db:
            self._insert_file(db, file)

    def file(self, file_id: str) -> StoredFile | None:
        """One file, unless it is unknown or expired."""
        row = self._db.execute(
            f"SELECT {FILE_COLUMNS} FROM files WHERE id = ? AND {NOT_EXPIRED}", (file_id, int(time.time()))
        ).fetchone()
        return StoredFile(*row) if row else None

    def list_files(
        self, *, purpose: str | None, after: str | None, limit: int, ascending: bool
    ) -> Page | None:
        """Files in order of upload; ``None`` where ``after`` is unknown."""
        where, values = [NOT_EXPIRED], [int(time.time())]
        if purpose:
            where.append("purpose = ?")
            values.append(purpose)  # type: ignore[arg-type]
        page = self._page("files", FILE_COLUMNS, where, values, after, limit, ascending)
        return page and Page([StoredFile(*row) for row in page.rows], page.has_more)

    def expired_files(self) -> list[StoredFile]:
        """Files whose time is over; nobody sees them any more."""
        rows = self._db.execute(
            f"SELECT {FILE_COLUMNS} FROM files WHERE expires_at IS NOT NULL AND expires_at <= ?",
            (int(time.time()),),
        )
        return [StoredFile(*row) for row in rows]

    def delete_file(self, file_id: str) -> bool:
        """Forget a file; its blob is the caller's to remove."""
        with self._transaction() as db:
            return db.execute("DELETE FROM files WHERE id = ?", (file_id,)).rowcount > 0

    def blob_is_used(self, blob: str) -> bool:
        """Whether a file, an unfinished job or an unfinished batch still needs the bytes."""
        if self._db.execute("SELECT 1 FROM files WHERE blob = ? LIMIT 1", (blob,)).fetchone():
            return True
        if self.batches.needs_blob(blob):
            return True
        waiting = self._db.execute(
            "SELECT plan FROM jobs WHERE status NOT IN ('succeeded', 'failed', 'cancelled')"
        )
        return any(
            blob in (plan.get("training_blob"), plan.get("validation_blob"))
            for plan in (json.loads(row[0]) for row in waiting)
        )

    # --- jobs

    def add_job(self, document: Mapping[str, Any], plan: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """Accept a job together with its first event."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO jobs (id, status, document, plan) VALUES (?, ?, ?, ?)",
                (document["id"], document["status"], json.dumps(document), json.dumps(plan)),
            )
            self._insert_events(db, document["id"], [event])

    def job(self, job_id: str) -> Job | None:
        """One job by id."""
        row = self._db.execute(f"SELECT {JOB_COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return _job(row) if row else None

    def unanswered_job(self, request: str, created_after: int) -> Job | None:
        """The newest job that a request with this digest made and whose client was not told."""
        row = self._db.execute(
            f"SELECT {JOB_COLUMNS} FROM jobs WHERE json_extract(plan, '$.unanswered_request') = ? "
            "AND json_extract(document, '$.created_at') > ? ORDER BY seq DESC LIMIT 1",
            (request, created_after),
        ).fetchone()
        return _job(row) if row else None

    def jobs_with_status(self, *status: str) -> list[Job]:
        """Jobs in these states, oldest first."""
        marks = ", ".join("?" * len(status))
        rows = self._db.execute(
            f"SELECT {JOB_COLUMNS} FROM jobs WHERE status IN ({marks}) ORDER BY seq", status
        )
        return [_job(row) for row in rows]

    def adapters_to_go_on_from(self) -> set[str]:
        """Adapter folders that unfinished jobs start from."""
        unfinished = self.jobs_with_status("validating_files", "queued", "running", "paused")
        return {job.plan["adapter"] for job in unfinished if job.plan.get("adapter")}

    def list_jobs(self, *, after: str | None, limit: int, metadata: Mapping[str, str] | None) -> Page | None:
        """Jobs, newest first, whose metadata hold all given pairs; ``None`` where ``after`` is unknown."""
        where = []
        values: list[Any] = []
        for key, value in (metadata or {}).items():
            where.append(
                "EXISTS (SELECT 1 FROM json_each(document, '$.metadata') AS pair "
                "WHERE pair.key = ? AND pair.value = ?)"
            )
            values += [key, value]
        if metadata == {}:
            where.append("json_extract(document, '$.metadata') IS NULL")
        page = self._page("jobs", JOB_COLUMNS, where, values, after, limit, False)
        return page and Page([_job(row) for row in page.rows], page.has_more)

    def change_job(
        self,
        job_id: str,
        *,
        only_in: Iterable[str],
        document: Mapping[str, Any] | None = None,
        plan: Mapping[str, Any] | None = None,
        events: Iterable[Mapping[str, Any]] = (),
        models: Iterable[StoredModel] = (),
        files: Iterable[StoredFile] = (),
        fencing_token: int | None = None,
    ) -> Job | None:
        """Change a job and say so in its events, in one step.

        Args:
            fencing_token: Of the attempt that asks for the change.

        Returns:
            The job as it is now, or ``None`` (and nothing is written) when it has left the
            states ``only_in``, or a newer attempt than ``fencing_token`` trains it: another
            change came first.
        """
        with self._transaction() as db:
            row = db.execute(f"SELECT {JOB_COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchone()
            if row is None or row[1] not in tuple(only_in) or _is_stale(db, job_id, fencing_token):
                return None
            job = _job(row)
            new = Job(
                job_id,
                str((document or {}).get("status", job.status)),
                {**job.document, **(document or {})},
                {**job.plan, **(plan or {})},
            )
            db.execute(
                "UPDATE jobs SET status = ?, document = ?, plan = ? WHERE id = ?",
                (new.status, json.dumps(new.document), json.dumps(new.plan), job_id),
            )
            self._insert_events(db, job_id, events)
            for model in models:
                self._insert_model(db, model)
            for file in files:
                self._insert_file(db, file)
        return new

    # --- leases

    def lease(self, job_id: str) -> Lease | None:
        """The newest attempt at a job."""
        return leases.lease_of(self._db, job_id)

    def take_lease(self, job_id: str, holder: str, seconds: float) -> Lease:
        """Begin an attempt at a job; what earlier ones still write is refused."""
        with self._transaction() as db:
            return leases.take(db, job_id, holder, seconds)

    def renew_lease(self, lease: Lease, seconds: float) -> bool:
        """Note a sign of life; False where a newer attempt holds the lease."""
        with self._transaction() as db:
            return leases.renew(db, lease.job_id, lease.fencing_token, seconds)

    def note_interruption(self, job_id: str) -> int:
        """Note that an attempt was cut off; gives the attempts in a row that got no further."""
        reached = max((row["step"] for row in self.metrics(job_id)), default=0)
        with self._transaction() as db:
            return leases.note_interruption(db, job_id, reached)

    # --- events and checkpoints

    def add_events(
        self, job_id: str, events: Iterable[Mapping[str, Any]], fencing_token: int | None = None
    ) -> None:
        """Append to a job's events, unless a newer attempt than ``fencing_token`` trains it."""
        with self._transaction() as db:
            if not _is_stale(db, job_id, fencing_token):
                self._insert_events(db, job_id, events)

    def list_events(self, job_id: str, *, after: str | None, limit: int) -> Page | None:
        """Events of a job, newest first."""
        return self._documents("events", job_id, after, limit)

    def metrics(self, job_id: str) -> list[dict[str, Any]]:
        """Metrics of every step that was reported, in order."""
        rows = self._db.execute(
            "SELECT document FROM events WHERE job_id = ? AND json_extract(document, '$.type') = 'metrics' "
            "ORDER BY seq",
            (job_id,),
        )
        return [json.loads(row[0])["data"] for row in rows]

    def add_checkpoint(
        self,
        job_id: str,
        document: Mapping[str, Any],
        model: StoredModel,
        event: Mapping[str, Any],
        fencing_token: int | None = None,
    ) -> bool:
        """Record a usable checkpoint with its event; False where a newer attempt trains the job."""
        with self._transaction() as db:
            if _is_stale(db, job_id, fencing_token):
                return False
            db.execute(
                "INSERT INTO checkpoints (id, job_id, document) VALUES (?, ?, ?)",
                (document["id"], job_id, json.dumps(document)),
            )
            self._insert_model(db, model)
            self._insert_events(db, job_id, [event])
        return True

    def list_checkpoints(self, job_id: str, *, after: str | None, limit: int) -> Page | None:
        """Checkpoints of a job, newest first."""
        return self._documents("checkpoints", job_id, after, limit)

    def checkpoints(self, job_id: str) -> list[dict[str, Any]]:
        """All checkpoints of a job, oldest first."""
        rows = self._db.execute("SELECT document FROM checkpoints WHERE job_id = ? ORDER BY seq", (job_id,))
        return [json.loads(row[0]) for row in rows]

    def delete_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Forget a checkpoint and the model by which it was reached."""
        with self._transaction() as db:
            db.execute("DELETE FROM checkpoints WHERE id = ?", (checkpoint["id"],))
            self._delete_model(db, checkpoint["fine_tuned_model_checkpoint"])

    # --- models

    def model(self, name: str) -> StoredModel | None:
        """A fine-tuned model or checkpoint by its full name."""
        row = self._db.execute(f"SELECT {MODEL_COLUMNS} FROM models WHERE id = ?", (name,)).fetchone()
        return self._model(row) if row else None

    def list_models(self) -> list[StoredModel]:
        """All fine-tuned models and checkpoints, oldest first."""
        rows = self._db.execute(f"SELECT {MODEL_COLUMNS} FROM models ORDER BY seq")
        return [self._model(row) for row in rows]

    def delete_model(self, name: str) -> bool:
        """Forget a fine-tuned model; its adapter folder is the caller's to remove."""
        with self._transaction() as db:
            return self._delete_model(db, name)

    # --- inside

    def _delete_model(self, db: sqlite3.Connection, name: str) -> bool:
        db.execute("DELETE FROM permissions WHERE checkpoint = ?", (name,))
        return db.execute("DELETE FROM models WHERE id = ?", (name,)).rowcount > 0

    def _insert_events(
        self, db: sqlite3.Connection, job_id: str, events: Iterable[Mapping[str, Any]]
    ) -> None:
        for event in events:
            db.execute(
                "INSERT INTO events (id, job_id, document) VALUES (?, ?, ?)",
                (event["id"], job_id, json.dumps(event)),
            )

    def _insert_file(self, db: sqlite3.Connection, file: StoredFile) -> None:
        db.execute(f"INSERT INTO files ({FILE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(file))

    def _insert_model(self, db: sqlite3.Connection, model: StoredModel) -> None:
        db.execute(
            f"INSERT OR REPLACE INTO models ({MODEL_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            astuple(replace(model, adapter=Path(model.adapter).name)),
        )

    def _model(self, row: tuple[Any, ...]) -> StoredModel:
        model = StoredModel(*row)
        # Stores of the first schema hold whole paths.
        return replace(model, adapter=str(self._adapters / Path(model.adapter).name))

    def _documents(self, table: str, job_id: str, after: str | None, limit: int) -> Page | None:
        own = self._db.execute(f"SELECT 1 FROM {table} WHERE id = ? AND job_id = ?", (after, job_id))
        if after is not None and own.fetchone() is None:
            return None
        page = self._page(table, "document", ["job_id = ?"], [job_id], after, limit, False)
        return page and Page([json.loads(row[0]) for row in page.rows], page.has_more)

    def _page(
        self,
        table: str,
        columns: str,
        where: list[str],
        values: list[Any],
        after: str | None,
        limit: int,
        ascending: bool,
    ) -> Page | None:
        """Rows behind a cursor; ``None`` where the cursor names nothing."""
        if after is not None:
            cursor = self._db.execute(f"SELECT seq FROM {table} WHERE id = ?", (after,)).fetchone()
            if cursor is None:
                return None
            where = [*where, "seq > ?" if ascending else "seq < ?"]
            values = [*values, cursor[0]]
        condition = f"WHERE {' AND '.join(where)} " if where else ""
        order = "ASC" if ascending else "DESC"
        rows = self._db.execute(
            f"SELECT {columns} FROM {table} {condition}ORDER BY seq {order} LIMIT ?", [*values, limit + 1]
        ).fetchall()
        return Page(rows[:limit], len(rows) > limit)


FILE_COLUMNS = "id, blob, bytes, created_at, expires_at, filename, purpose"
JOB_COLUMNS = "id, status, document, plan"
MODEL_COLUMNS = "id, created_at, base, base_source, base_fingerprint, adapter, job_id"
NOT_EXPIRED = "(expires_at IS NULL OR expires_at > ?)"


def _is_stale(db: sqlite3.Connection, job_id: str, fencing_token: int | None) -> bool:
    return fencing_token is not None and not leases.holds(db, job_id, fencing_token)


def _job(row: tuple[str, str, str, str]) -> Job:
    return Job(row[0], row[1], json.loads(row[2]), json.loads(row[3]))
