"""Permissions: which projects a checkpoint was shared with.

They are kept and shown, so that programs which share checkpoints run on. They decide nothing: this server
has one project, and whoever is let in may use every model.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from understudy.api.identity import new_id
from understudy.api.problem import Problem, bad_request, model_not_found, parse

if TYPE_CHECKING:
    from understudy.api.store import Page, Store

__all__ = ["PermissionDesk", "PermissionTable", "PermissionsRequest"]

COLUMNS = "id, created_at, project_id"


class PermissionsRequest(BaseModel):
    """POST /v1/fine_tuning/checkpoints/{checkpoint}/permissions."""

    model_config = ConfigDict(extra="forbid", strict=True)

    project_ids: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        min_length=1, max_length=100
    )


class PermissionTable:
    """Rows of the table ``permissions``, written in the store's transactions.

    Args:
        transaction: Opens one.
        page: Rows behind a cursor: of a table, columns, conditions, their values, after, limit, ascending.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        page: Callable[[str, str, list[str], list[Any], str | None, int, bool], "Page | None"],
    ) -> None:
        self._db = db
        self._transaction = transaction
        self._page = page

    def grant(self, checkpoint: str, project_ids: Iterable[str]) -> list[tuple[str, int, str]]:
        """Share a checkpoint; a project that has it already keeps its permission."""
        now = int(time.time())
        granted = []
        with self._transaction() as db:
            for project_id in dict.fromkeys(project_ids):
                db.execute(
                    "INSERT OR IGNORE INTO permissions (id, created_at, checkpoint, project_id) "
                    "VALUES (?, ?, ?, ?)",
                    (new_id("cp_"), now, checkpoint, project_id),
                )
                row = db.execute(
                    f"SELECT {COLUMNS} FROM permissions WHERE checkpoint = ? AND project_id = ?",
                    (checkpoint, project_id),
                ).fetchone()
                granted.append(row)
        return granted

    def list(
        self, checkpoint: str, *, project_id: str | None, after: str | None, limit: int, ascending: bool
    ) -> "Page | None":
        """Permissions of a checkpoint; ``None`` where ``after`` is none of them."""
        own = self._db.execute(
            "SELECT 1 FROM permissions WHERE id = ? AND checkpoint = ?", (after, checkpoint)
        )
        if after is not None and own.fetchone() is None:
            return None
        where, values = ["checkpoint = ?"], [checkpoint]
        if project_id is not None:
            where.append("project_id = ?")
            values.append(project_id)
        return self._page("permissions", COLUMNS, where, values, after, limit, ascending)

    def revoke(self, checkpoint: str, permission_id: str) -> bool:
        """Take a permission back; False where there was none."""
        with self._transaction() as db:
            found = db.execute(
                "DELETE FROM permissions WHERE id = ? AND checkpoint = ?", (permission_id, checkpoint)
            )
            return found.rowcount > 0


class PermissionDesk:
    """Answers requests about permissions."""

    def __init__(self, store: "Store") -> None:
        self.store = store

    def create(self, checkpoint: str, body: Any) -> dict[str, Any]:
        """POST …/permissions: share a checkpoint, or a whole model, with projects.

        Raises:
            Problem: 404 an unknown checkpoint; 400 a fault of the request.
        """
        self._check(checkpoint)
        wanted = parse(PermissionsRequest, body, first=("project_ids",))
        return _list([_document(row) for row in self.store.permissions.grant(checkpoint, wanted.project_ids)])

    def list(
        self, checkpoint: str, *, project_id: str | None, after: str | None, limit: int, order: str
    ) -> dict[str, Any]:
        """GET …/permissions.

        Raises:
            Problem: 404 an unknown checkpoint; 400 an unknown order or cursor.
        """
        self._check(checkpoint)
        if order not in ("ascending", "descending"):
            message = "Invalid value for 'order': use 'ascending' or 'descending'."
            raise bad_request(message, "order", "invalid_value")
        page = self.store.permissions.list(
            checkpoint, project_id=project_id, after=after, limit=limit, ascending=order == "ascending"
        )
        if page is None:
            raise bad_request(f"No object with the id '{after}' to continue after.", "after")
        return _list([_document(row) for row in page.rows], has_more=page.has_more)

    def delete(self, checkpoint: str, permission_id: str) -> dict[str, Any]:
        """DELETE …/permissions/{permission}.

        Raises:
            Problem: 404 an unknown checkpoint or permission.
        """
        self._check(checkpoint)
        if not self.store.permissions.revoke(checkpoint, permission_id):
            raise Problem(404, f"No such permission: {permission_id[:80]}", param="permission_id")
        return {"id": permission_id, "object": "checkpoint.permission", "deleted": True}

    def _check(self, checkpoint: str) -> None:
        if self.store.model(checkpoint) is None:
            raise model_not_found(checkpoint)


def _document(row: tuple[str, int, str]) -> dict[str, Any]:
    return {"id": row[0], "object": "checkpoint.permission", "created_at": row[1], "project_id": row[2]}


def _list(data: list[dict[str, Any]], *, has_more: bool = False) -> dict[str, Any]:
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return {"object": "list", "data": data, **ends, "has_more": has_more}
