"""Cuts: every file of the newest checkpoint is damaged in turn, and the job is resumed."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.durability.forked import run_in_child
from benchmarks.durability.small import SmallJob, weights_of

__all__ = ["DAMAGES", "Cuts", "Trainee", "Understudy", "cut_every_file"]


def _cut_to(share: float) -> Callable[[Path], None]:
    def cut(path: Path) -> None:
        with path.open("r+b") as file:
            file.truncate(int(path.stat().st_size * share))

    return cut


def _cut_last_byte(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(max(0, path.stat().st_size - 1))


def _cut_to_first_byte(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(1)


def _flip_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": lambda path: path.unlink(),
    "empty": _cut_to(0.0),
    "first byte": _cut_to_first_byte,
    "quarter": _cut_to(0.25),
    "half": _cut_to(0.5),
    "three quarters": _cut_to(0.75),
    "all but the last byte": _cut_last_byte,
    "one bit in the middle": _flip_bit,
}


class Trainee(Protocol):
    """Something that trains, saves checkpoints, and resumes."""

    name: str

    def train(self, output: Path, *, stop_after_step: int | None = None) -> None:
        """Train from the newest checkpoint in ``output``, or from the start, to the end or to a step."""

    def weights(self, output: Path) -> str | None:
        """SHA-256 of what was trained, once it is done."""


@dataclass
class Cuts:
    """What came of it: resumed jobs whose weights are the uninterrupted job's, others, and aborts."""

    damaged: int = 0
    equal: int = 0
    different: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)

    def by_file(self, cases: list[str]) -> dict[str, int]:
        """How many of some cases fall on each file."""
        return dict(Counter(case.split(": ")[0] for case in cases))


class Understudy:
    """Our training process."""

    name = "understudy"

    def __init__(self, job: SmallJob) -> None:
        self.job = job

    def train(self, output: Path, *, stop_after_step: int | None = None) -> None:
        """Stop as a server that goes down lets its jobs stop: with SIGTERM, which saves."""
        import io
        import json

        from understudy.inference.channel import Channel
        from understudy.training.__main__ import run_job

        stream, path = io.StringIO(), output.with_suffix(".json")
        path.write_text(json.dumps(self.job.spec(output)))
        run_job(path, Channel(stream), lambda: f'"step":{stop_after_step},' in stream.getvalue())
        last = json.loads(stream.getvalue().splitlines()[-1])
        assert last["event"] in ("done", "stopped"), last

    def weights(self, output: Path) -> str | None:
        return weights_of(output / "model")


def cut_every_file(trainee: Trainee, root: Path, stop_after_step: int) -> Cuts:
    """Damage each file of the newest checkpoint in every way, and resume."""
    root.mkdir(parents=True)
    log, whole, stopped = root / "log.txt", root / "whole", root / "stopped"
    assert run_in_child(lambda: trainee.train(whole), log) == 0, log.read_text()[-2000:]
    part = run_in_child(lambda: trainee.train(stopped, stop_after_step=stop_after_step), log)
    assert part == 0, log.read_text()[-2000:]
    expected, result = trainee.weights(whole), Cuts()
    untouched = shutil.copytree(stopped, root / "untouched")
    assert run_in_child(lambda: trainee.train(untouched), log) == 0, log.read_text()[-2000:]
    assert trainee.weights(untouched) == expected, f"{trainee.name}: resuming alone changes the weights"
    for file, damage, output in _damaged_copies(stopped, root):
        result.damaged += 1
        case = f"{file}: {damage}"
        if run_in_child(lambda output=output: trainee.train(output), log) != 0:
            result.aborted.append(case)
        elif trainee.weights(output) == expected:
            result.equal += 1
        else:
            result.different.append(case)
        shutil.rmtree(output)
    return result


def _damaged_copies(stopped: Path, root: Path) -> Iterator[tuple[str, str, Path]]:
    newest = max(stopped.glob("checkpoint-*"), key=lambda folder: int(folder.name[11:]))
    for file in sorted(path.name for path in newest.iterdir() if path.is_file()):
        for number, (damage, apply) in enumerate(DAMAGES.items()):
            output = root / f"{file}-{number}"
            shutil.copytree(stopped, output)
            apply(output / newest.name / file)
            yield file, damage, output
