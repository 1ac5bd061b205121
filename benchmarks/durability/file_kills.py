"""File kills: the training process is killed before each of its file operations, then goes on."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.durability.forked import die_at_operation, run_in_child
from benchmarks.durability.small import SmallJob, weights_of

__all__ = ["FileKills", "kill_at_file_operations", "kill_at_random_times"]


@dataclass
class FileKills:
    """What came of it.

    Attributes:
        operations: File operations of the uninterrupted job, or 0 where moments were random.
        kills: How many times a process was killed.
        equal: Jobs whose weights were, in the end, those of the uninterrupted job, bit for bit.
        failures: The others, in words.
    """

    operations: int = 0
    kills: int = 0
    equal: int = 0
    failures: list[str] = field(default_factory=list)


def kill_at_file_operations(job: SmallJob, root: Path, kills: int | None, seed: int) -> FileKills:
    """Kill a job before its n-th file operation, for every n or for ``kills`` random ones, and resume it."""
    root.mkdir(parents=True)
    log, counted = root / "log.txt", root / "operations"
    whole = root / "whole"

    def run_whole() -> None:
        seen = die_at_operation(0, whole)
        assert job.train(whole)[-1]["event"] == "done"
        counted.write_text(str(seen()))

    assert run_in_child(run_whole, log) == 0, log.read_text()
    expected, result = weights_of(whole / "model"), FileKills(int(counted.read_text()))
    numbers = list(range(1, result.operations + 1))
    if kills is not None and kills < len(numbers):
        numbers = sorted(random.Random(seed).sample(numbers, kills))
    for number in numbers:
        output = root / f"operation-{number}"

        def run_killed(output: Path = output, number: int = number) -> None:
            die_at_operation(number, output)
            job.train(output)

        if run_in_child(run_killed, log) == -9:
            result.kills += 1
        _resume(job, output, expected, result, log, f"killed before operation {number}")
    return result


def kill_at_random_times(
    job: SmallJob,
    root: Path,
    jobs: int,
    kills_each: int,
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> FileKills:
    """Kill each job at random times again and again before it may finish."""
    root.mkdir(parents=True)
    log, whole = root / "log.txt", root / "whole"
    assert run_in_child(lambda: _train(job, whole), log) == 0, log.read_text()
    expected, result, chance = weights_of(whole / "model"), FileKills(), random.Random(seed)
    for number in range(jobs):
        output = root / f"job-{number}"
        for _ in range(kills_each):
            seconds = chance.uniform(0.0, 1.2)
            if run_in_child(lambda output=output: _train(job, output), log, kill_after_seconds=seconds) == -9:
                result.kills += 1
            progress()
        _resume(job, output, expected, result, log, f"job {number}")
    return result


def _resume(
    job: SmallJob, output: Path, expected: str | None, result: FileKills, log: Path, what: str
) -> None:
    ended = run_in_child(lambda: _train(job, output), log)
    if ended == 0 and weights_of(output / "model") == expected:
        result.equal += 1
    else:
        result.failures.append(f"{what}: exit {ended}")


def _train(job: SmallJob, output: Path) -> None:
    assert job.train(output)[-1]["event"] == "done"
