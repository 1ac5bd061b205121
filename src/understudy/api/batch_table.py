"""Batch table: batches in the store, as ``store.Store`` offers them."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy.api.store import Page, StoredFile

__all__ = ["Batch", "BatchTable"]

COLUMNS = "id, status, document, plan"


@dataclass(frozen=True)
class Batch:
    """A batch: the document that clients see and the server's own plan for it."""

    id: str
    status: str
    document: dict[str, Any]
    plan: dict[str, Any]


class BatchTable:
    """Rows of the table ``batches``, written in the store's transactions.

    Args:
        transaction: Opens one.
        page: Rows behind a cursor, newest first: of a table, its columns, after, limit.
        insert_file: Adds a file within a transaction.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        page: Callable[[str, str, str | None, int], "Page | None"],
        insert_file: Callable[[sqlite3.Connection, "StoredFile"], None],
    ) -> None:
        self._db = db
        self._transaction = transaction
        self._page = page
        self._insert_file = insert_file

    def add(self, document: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Accept a batch."""
        row = (document["id"], document["status"], json.dumps(document), json.dumps(plan))
        with self._transaction() as db:
            db.execute("INSERT INTO batches (id, status, document, plan) VALUES (?, ?, ?, ?)", row)

    def get(self, batch_id: str) -> Batch | None:
        """One batch by id."""
        row = self._db.execute(f"SELECT {COLUMNS} FROM batches WHERE id = ?", (batch_id,)).fetchone()
        return _batch(row) if row else None

    def with_status(self, *status: str) -> list[Batch]:
        """Batches in these states, oldest first."""
        marks = ", ".join("?" * len(status))
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM batches WHERE status IN ({marks}) ORDER BY seq", status
        )
        return [_batch(row) for row in rows]

    def needs_blob(self, blob: str) -> bool:
        """Whether an unfinished batch reads its requests from these bytes."""
        ended = ("completed", "failed", "expired", "cancelled")
        row = self._db.execute(
            "SELECT 1 FROM batches WHERE json_extract(plan, '$.input_blob') = ? "
            "AND status NOT IN (?, ?, ?, ?) LIMIT 1",
            (blob, *ended),
        ).fetchone()
        return row is not None

    def list(self, *, after: str | None, limit: int) -> "Page | None":
        """Batches, newest first; ``None`` where ``after`` is unknown."""
        page = self._page("batches", COLUMNS, after, limit)
        return page and type(page)([_batch(row) for row in page.rows], page.has_more)

    def change(
        self,
        batch_id: str,
        document: Mapping[str, Any],
        *,
        only_in: Iterable[str],
        files: Iterable["StoredFile"] = (),
    ) -> Batch | None:
        """Change a batch and add the files that it produced, in one step.

        Returns:
            The batch as it is now, or ``None`` (and nothing is written) when it has left the
            states ``only_in``: another change came first.
        """
        with self._transaction() as db:
            row = db.execute(f"SELECT {COLUMNS} FROM batches WHERE id = ?", (batch_id,)).fetchone()
            if row is None or row[1] not in tuple(only_in):
                return None
            batch = _batch(row)
            changed = {**batch.document, **document}
            db.execute(
                "UPDATE batches SET status = ?, document = ? WHERE id = ?",
                (changed["status"], json.dumps(changed), batch_id),
            )
            for file in files:
                self._insert_file(db, file)
        return Batch(batch_id, changed["status"], changed, batch.plan)


def _batch(row: tuple[str, str, str, str]) -> Batch:
    return Batch(row[0], row[1], json.loads(row[2]), json.loads(row[3]))
