"""Leases: who may train a job, told apart by a number that only rises.

Every attempt at a job takes the lease and gets the next *fencing token*. Whatever the attempt
writes carries its token, and a token that is not the newest changes nothing: a process that was
given up, and wakes up later, is harmless. The holder renews the lease with every sign of life; a
lease that runs out is taken away and the job goes on from its newest checkpoint.
"""

import sqlite3
import time
from dataclasses import dataclass

__all__ = ["Lease", "holds", "lease_of", "note_interruption", "renew", "take"]

_COLUMNS = "job_id, fencing_token, holder, renewed_at, expires_at, fruitless_attempts, furthest_step"


@dataclass(frozen=True)
class Lease:
    """The newest attempt at one job.

    Attributes:
        holder: The process that trains, in words.
        renewed_at: Last sign of life, in seconds since 1970.
        expires_at: When silence ends the attempt, in seconds since 1970.
        fruitless_attempts: Attempts in a row that were cut off without getting further.
        furthest_step: The last step that any attempt reported.
    """

    job_id: str
    fencing_token: int
    holder: str
    renewed_at: float
    expires_at: float
    fruitless_attempts: int
    furthest_step: int


def lease_of(db: sqlite3.Connection, job_id: str) -> Lease | None:
    """The lease of a job that was ever attempted."""
    row = db.execute(f"SELECT {_COLUMNS} FROM leases WHERE job_id = ?", (job_id,)).fetchone()
    return Lease(*row) if row else None


def take(db: sqlite3.Connection, job_id: str, holder: str, seconds: float) -> Lease:
    """Begin an attempt; every earlier one is fenced off."""
    now = time.time()
    db.execute(
        "INSERT INTO leases (job_id, fencing_token, holder, renewed_at, expires_at) VALUES (?, 1, ?, ?, ?) "
        "ON CONFLICT (job_id) DO UPDATE SET fencing_token = fencing_token + 1, holder = excluded.holder, "
        "renewed_at = excluded.renewed_at, expires_at = excluded.expires_at",
        (job_id, holder, now, now + seconds),
    )
    lease = lease_of(db, job_id)
    assert lease is not None
    return lease


def holds(db: sqlite3.Connection, job_id: str, fencing_token: int) -> bool:
    """Whether a token is still the job's newest."""
    row = db.execute("SELECT fencing_token FROM leases WHERE job_id = ?", (job_id,)).fetchone()
    return row is not None and row[0] == fencing_token


def renew(db: sqlite3.Connection, job_id: str, fencing_token: int, seconds: float) -> bool:
    """Note a sign of life; False where a newer attempt holds the lease."""
    now = time.time()
    changed = db.execute(
        "UPDATE leases SET renewed_at = ?, expires_at = ? WHERE job_id = ? AND fencing_token = ?",
        (now, now + seconds, job_id, fencing_token),
    )
    return changed.rowcount > 0


def note_interruption(db: sqlite3.Connection, job_id: str, reached_step: int) -> int:
    """Note that the newest attempt was cut off.

    Returns:
        How many attempts in a row have now got no further than the ones before.
    """
    db.execute(
        "UPDATE leases SET fruitless_attempts = CASE WHEN ?2 > furthest_step THEN 0 "
        "ELSE fruitless_attempts + 1 END, furthest_step = max(furthest_step, ?2) WHERE job_id = ?1",
        (job_id, reached_step),
    )
    lease = lease_of(db, job_id)
    return lease.fruitless_attempts if lease else 0
