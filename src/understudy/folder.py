"""The character's folder: where each stage's noun lies."""

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from understudy.errors import ConfigError

__all__ = ["CharacterFolder", "alone", "open_folder", "typed"]


@dataclass(frozen=True)
class CharacterFolder:
    """An ordinary folder that belongs in git: sheet, sources, dialogues, dataset, runs."""

    root: Path

    @property
    def character(self) -> Path:
        return self.root / "character.yaml"

    @property
    def sources(self) -> Path:
        return self.root / "sources"

    @property
    def dialogues(self) -> Path:
        return self.root / "dialogues.jsonl"

    @property
    def preferences(self) -> Path:
        return self.root / "preferences.jsonl"

    @property
    def dataset(self) -> Path:
        return self.root / "dataset"

    @property
    def probes(self) -> Path:
        return self.root / "probes"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def run(self, run_id: str) -> Path:
        """Folder of one run."""
        return self.runs / run_id

    def existing_run(self, run_id: str) -> Path:
        """Folder of one run that was started, by its name or by its path.

        Raises:
            ConfigError: There is none of that name; those that exist are named.
        """
        runs = {path.name: path for path in sorted(self.runs.glob("*")) if path.is_dir()}
        for name, path in runs.items():
            if run_id == name or Path(run_id) == path:
                return path
        raise ConfigError(
            f"{self.run(run_id)}: there is no such run. Runs of this character: {', '.join(runs) or 'none'}."
        )

    def latest_run(self) -> Path | None:
        """The run that was started last, or ``None``. Run ids sort by time."""
        runs = sorted(p for p in self.runs.glob("*") if (p / "config.json").is_file())
        return runs[-1] if runs else None


def open_folder(name: str | Path) -> CharacterFolder:
    """Find the character's folder by path or name below the working directory.

    Raises:
        ConfigError: There is no ``character.yaml`` in it.
    """
    root = Path(name)
    if not (root / "character.yaml").is_file():
        raise ConfigError(f"{root}: holds no character.yaml. Create it with: understudy init {typed(root)}")
    return CharacterFolder(root)


def typed(path: str | Path) -> str:
    """A path or name as a shell takes it: with quotes where it holds spaces."""
    return shlex.quote(str(path))


@contextmanager
def alone(folder: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let one process at a time write in a folder; others wait. Ends with the process, leaves no file.

    Args:
        folder: An existing folder. Those below it are not held.
        waiting: Called once if another process holds the folder.
    """
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            pass  # Some network file systems know no locks; then nothing is held.
        yield
    finally:
        os.close(handle)
