"""Kill and damage, and print what came of it.

python -m benchmarks.durability [storm|files|cuts|queues …] [--kills 210] [--seed 1] [--json FILE]
"""

import argparse
import json
import random
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.durability.cuts import Cuts, Understudy, cut_every_file
from benchmarks.durability.file_kills import kill_at_file_operations, kill_at_random_times
from benchmarks.durability.forked import preload
from benchmarks.durability.queues import kill_delays, kill_huey, kill_understudy
from benchmarks.durability.small import SmallJob

# Shares of the kills of a storm.
SHARES = {"upload": 6, "training": 6, "checkpoint": 6, "chat": 3}


def storm(root: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill the server and its workers while clients upload, train and chat."""
    from benchmarks.durability.storm import Storm

    phases = [phase for phase, share in SHARES.items() for _ in range(round(kills * share / 21))]
    random.Random(seed).shuffle(phases)
    trial = Storm(root, seed)
    trial.start()
    for number, phase in enumerate(phases, 1):
        began = time.monotonic()
        trial.kill_once(phase)
        print(f"kill {number}/{len(phases)}: {phase} ({time.monotonic() - began:.1f} s)", file=sys.stderr)
    counts = trial.finish()
    print("| kill -9 while, of | times |\n|---|---|")
    for name, times in sorted(counts.kills.items()):
        print(f"| {name} | {times} |")
    print(f"\n{len(phases)} kills; {counts.files} files and {counts.jobs} jobs acknowledged; ", end="")
    print(f"{counts.replies_whole} replies whole, {counts.replies_refused} ended with an error.")
    wrong = {name: len(value) for name, value in vars(counts).items() if isinstance(value, list)}
    print(", ".join(f"{name.replace('_', ' ')}: {number}" for name, number in wrong.items()))
    return asdict(counts)


def files(root: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill the training process before its file operations, and at random times."""
    job = SmallJob.make(root)
    preload()
    at_files = kill_at_file_operations(job, root / "operations", kills, seed)
    print(f"file operations of the job: {at_files.operations}; killed before one of them: {at_files.kills}; ")
    print(f"weights equal in the end: {at_files.equal}; failures: {at_files.failures}")
    at_random = kill_at_random_times(job, root / "random", max(1, kills // 20), 5, seed)
    print(f"killed at random times: {at_random.kills}; jobs with equal weights: {at_random.equal}; ", end="")
    print(f"failures: {at_random.failures}")
    return {"operations": asdict(at_files), "random": asdict(at_random)}


def cuts(root: Path, kills: int, seed: int) -> dict[str, Any]:
    """Damage every file of the newest checkpoint in every way."""
    from benchmarks.durability.trainer import HuggingFaceTrainer

    job = SmallJob.make(root)
    preload()
    results: dict[str, Cuts] = {}
    for trainee in (Understudy(job), HuggingFaceTrainer(job)):
        results[trainee.name] = cut_every_file(trainee, root / trainee.name, stop_after_step=7)
    print("| resumed from a damaged newest checkpoint | damaged | same weights | other weights | aborted |")
    print("|---|---|---|---|---|")
    for name, found in results.items():
        row = (found.damaged, found.equal, len(found.different), len(found.aborted))
        print(f"| {name} | " + " | ".join(map(str, row)) + " |")
    for name, found in results.items():
        for what, cases in (("other weights", found.different), ("aborted", found.aborted)):
            if cases:
                print(f"{name}, {what}: {found.by_file(cases)}")
    return {name: asdict(found) for name, found in results.items()}


def queues(root: Path, kills: int, seed: int) -> dict[str, Any]:
    """Hand in work to huey and to the server, and kill both at the same moments."""
    delays = kill_delays(kills, seed)
    results = [kill_understudy(root / "understudy", delays), kill_huey(root / "huey", delays)]
    print(
        "| | kills | acknowledged | lost | done twice | failed | never ended |\n|---|---|---|---|---|---|---|"
    )
    for found in results:
        print("| " + " | ".join(str(value) for value in asdict(found).values()) + " |")
    return {found.name: asdict(found) for found in results}


TRIALS = {"storm": storm, "files": files, "cuts": cuts, "queues": queues}


def main() -> int:
    """Run the trials that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durability", description=__doc__)
    parser.add_argument("trials", nargs="*", choices=[*TRIALS, []], default=[], help="all, if none is named")
    parser.add_argument("--kills", type=int, default=210, help="of the storm, of files and of the queues")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None, help="write every count here")
    arguments = parser.parse_args()
    found = {}
    for name in arguments.trials or TRIALS:
        with tempfile.TemporaryDirectory(prefix=f"durability-{name}-") as folder:
            print(f"\n## {name}\n", flush=True)
            found[name] = TRIALS[name](Path(folder), arguments.kills, arguments.seed)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
