"""The training process: ``python -m understudy.training SPEC.json``."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from understudy.errors import ConfigError
from understudy.inference.channel import Channel, ChannelClosed, SilentChannel, claim_stdout, prepare_process
from understudy.training.attempt import Attempt, Stopped, Superseded, process_rank
from understudy.training.failure import JobFailed, describe_failure
from understudy.training.spec import load_spec


class _StopFlag:
    """Turns true at the first SIGTERM or SIGINT."""

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
    if process_rank():
        channel = SilentChannel(sys.stderr)
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
    from understudy.training.loop import train

    try:
        with Attempt(spec, channel, stopping) as attempt:
            _use_threads(spec.threads)
            train(spec, channel, attempt)
    except Stopped as stopped:
        channel.send(event="stopped", step=stopped.step)
    except Superseded as superseded:
        print(superseded, file=sys.stderr)
        return 1
    except ChannelClosed:
        raise
    except Exception as error:
        return _fail(channel, describe_failure(error))
    return 0


def _use_threads(threads: int | None) -> None:
    import torch

    if threads:
        torch.set_num_threads(threads)


def _fail(channel: Channel, failure: JobFailed) -> int:
    try:
        channel.send(event="failed", code=failure.code, message=str(failure), param=failure.param)
    except ChannelClosed:
        print(failure, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
