"""The training process: ``python -m understudy.training SPEC.json``."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from understudy.errors import ConfigError
from understudy.inference.channel import Channel, ChannelClosed, claim_stdout, prepare_process
from understudy.training.failure import JobFailed, describe_failure
from understudy.training.spec import load_spec


class _StopFlag:
    """Turns true at the first SIGTERM or SIGINT, or when nobody listens any more."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __call__(self) -> bool:
        return self.asked


def main(arguments: list[str]) -> int:
    """Run one job. Returns the exit code: 0 done or stopped, 1 failed, 2 misused."""
    if len(arguments) != 1:
        print("usage: python -m understudy.training SPEC.json", file=sys.stderr)
        return 2
    channel, stopping = claim_stdout(), _StopFlag()
    try:
        return run_job(Path(arguments[0]), channel, stopping)
    except ChannelClosed:
        return 1


def run_job(path: Path, channel: Channel, stopping: Callable[[], bool]) -> int:
    """Run the job that a file describes, and tell the channel how it went.

    Raises:
        ChannelClosed: Nobody listens any more; what was learned is saved.
    """
    try:
        spec = load_spec(path)
    except ConfigError as error:
        return _fail(channel, JobFailed(str(error), "invalid_specification"))
    prepare_process(spec.threads)
    from understudy.training.loop import Stopped, train

    try:
        with _only_writer(spec.output_directory):
            _use_threads(spec.threads)
            train(spec, channel, stopping)
    except Stopped as stopped:
        channel.send(event="stopped", step=stopped.step)
    except ChannelClosed:
        raise
    except Exception as error:
        return _fail(channel, describe_failure(error))
    return 0


def _use_threads(threads: int | None) -> None:
    import torch

    if threads:
        torch.set_num_threads(threads)


class _only_writer:
    """Holds the output directory's lock, so that two processes never write one job."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / ".lock"

    def __enter__(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("w")
        if os.name != "posix":
            return
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise JobFailed(
                f"{self._path.parent}: another process is training this job. Wait for it, or stop it first.",
                "job_already_running",
            ) from None

    def __exit__(self, *details: object) -> None:
        self._file.close()


def _fail(channel: Channel, failure: JobFailed) -> int:
    try:
        channel.send(event="failed", code=failure.code, message=str(failure), param=failure.param)
    except ChannelClosed:
        print(failure, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
