"""Schema: the tables of the store, one step for each version. Steps are added, never changed."""

__all__ = ["SCHEMA_STEPS"]

_VERSION_1 = """
CREATE TABLE files (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    blob TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL
);
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    document TEXT NOT NULL,
    plan TEXT NOT NULL
);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    job_id TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX events_of_job ON events (job_id, seq);
CREATE TABLE checkpoints (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    job_id TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX checkpoints_of_job ON checkpoints (job_id, seq);
CREATE TABLE models (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    base TEXT NOT NULL,
    base_source TEXT NOT NULL,
    base_fingerprint TEXT NOT NULL,
    adapter TEXT NOT NULL,
    job_id TEXT NOT NULL
);
"""

_LEASES = """
CREATE TABLE leases (
    job_id TEXT PRIMARY KEY,
    fencing_token INTEGER NOT NULL,
    holder TEXT NOT NULL,
    renewed_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    fruitless_attempts INTEGER NOT NULL DEFAULT 0,
    furthest_step INTEGER NOT NULL DEFAULT 0
);
"""

_BATCHES = """
CREATE TABLE batches (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    document TEXT NOT NULL,
    plan TEXT NOT NULL
);
"""

_PERMISSIONS = """
CREATE TABLE permissions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,
    project_id TEXT NOT NULL,
    UNIQUE (checkpoint, project_id)
);
"""

SCHEMA_STEPS: tuple[str, ...] = (_VERSION_1, _LEASES, _BATCHES, _PERMISSIONS)
