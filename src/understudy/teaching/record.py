"""Record: ``teaching.json``, which says who wrote ``dialogues.jsonl``, from which lines, and how it went."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from understudy.atomic import write_json
from understudy.folder import CharacterFolder

__all__ = ["TaughtRecord", "file_hash", "load_record", "record_path", "save_record"]

SCHEMA = "understudy.teaching/1"


@dataclass(frozen=True)
class TaughtRecord:
    """The last finished teaching.

    origin: Where the user lines came from: ``dialogues``, ``lines`` or ``sheet``.
    origin_file: The file of those lines, relative to the character's folder where it lies in it.
    inputs: Hash of the lines, the model, the prompt and the settings.
    before, output: Hashes of ``dialogues.jsonl`` before and after.
    refused: Refused replies by reason.
    ended: Dialogues that lack a line or end early, by the last reason.
    kept_at_once, repaired, dropped: Replies, as ``review.md`` shows them.
    complete: Whether everything of the plan was written; not where a budget was used up before.
    usd: What the requests cost. lost: Requests whose answer was not waited for, because a run was killed.
    """

    model: str
    provider: str
    written_at: str
    origin: str
    origin_file: str
    inputs: str
    before: str
    output: str
    settings: dict[str, Any]
    prompt_sha256: str
    outlines: int
    dialogues: int
    replies: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    refused: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    kept: str = ""
    kept_at_once: int = 0
    repaired: int = 0
    dropped: int = 0
    complete: bool = True
    usd: float = 0.0
    lost: int = 0
    schema: str = SCHEMA


def record_path(folder: CharacterFolder) -> Path:
    return folder.root / "teaching.json"


def load_record(folder: CharacterFolder) -> TaughtRecord | None:
    """The record, or ``None`` where there is none or it cannot be read."""
    try:
        values = json.loads(record_path(folder).read_text(encoding="utf-8"))
        return TaughtRecord(**values) if values.get("schema") == SCHEMA else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def save_record(folder: CharacterFolder, record: TaughtRecord) -> None:
    write_json(record_path(folder), asdict(record))


def file_hash(path: Path) -> str:
    """SHA-256 of a file, empty where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
