"""Huey tasks: a task of 0.3 seconds on huey's SQLite queue, at its safest settings."""

import os
import time
from pathlib import Path

from huey import SqliteHuey

__all__ = ["huey", "work"]

FOLDER = Path(os.environ["HUEY_FOLDER"])

huey = SqliteHuey(filename=str(FOLDER / "huey.sqlite"), fsync=True, results=True)


@huey.task(retries=3)
def work(number: int) -> int:
    """Note the beginning and the end of one task where a kill does not reach."""
    _note(f"begin {number}")
    for _ in range(3):
        time.sleep(0.1)
    _note(f"end {number}")
    return number


def _note(line: str) -> None:
    with (FOLDER / "ledger.txt").open("a") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
