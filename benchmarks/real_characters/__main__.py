"""Four characters from real scripts, every arm with intervals: embedded models, tuned on their lines alone.

python -m benchmarks.real_characters FOLDER --data ../shared/data [--only iroh] [--quick | --once]

The sheets beside this file are ours; the scripts are not part of the project. Each character is imported,
built, trained and evaluated by the commands that a user types; the tables are those of docs/results.md.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.verdict_table import table

HERE = Path(__file__).parent
AVATAR, PLAY = (
    "avatar-transcripts/avatar.csv",
    "importance-of-being-earnest/importance-of-being-earnest.txt",
)
SCRIPTS = {
    "iroh": (AVATAR, "Iroh"),
    "azula": (AVATAR, "Azula"),
    "toph": (AVATAR, "Toph"),
    "algernon": (PLAY, "Algernon"),
}


def understudy(*arguments: object) -> None:
    """Run one command as a user would; stop where it fails."""
    command = [sys.executable, "-m", "understudy", *map(str, arguments)]
    print("$ understudy", *arguments, flush=True)
    subprocess.run(command, check=True, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})


def perform(name: str, folder: Path, data: Path, size: list[str]) -> Path:
    """One character from its script to its verdict; gives the run's folder."""
    script, speaker = SCRIPTS[name]
    if not (folder / "dialogues.jsonl").is_file():
        understudy("init", folder, "--name", speaker)
        shutil.copyfile(HERE / f"{name}.yaml", folder / "character.yaml")
        understudy("import", folder, data / script, "--speaker", speaker)
    understudy("run", folder, "--base-model", "understudy/mini", "--star", "understudy/mini-star", *size)
    return max((folder / "runs").iterdir(), key=lambda run: run.name)


def main() -> None:
    """Perform the characters one after the other and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_characters", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="where the scripts lie")
    parser.add_argument("--only", choices=SCRIPTS, action="append")
    for size, told in (("--quick", "a quarter of the probes"), ("--once", "every probe, one reply each")):
        parser.add_argument(size, dest="size", action="append_const", const=size, help=told)
    arguments = parser.parse_args()
    runs = [
        perform(name, arguments.folder / name, arguments.data, arguments.size or [])
        for name in arguments.only or SCRIPTS
    ]
    print("\n".join(table(run) for run in runs))


if __name__ == "__main__":
    main()
