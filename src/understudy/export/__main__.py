"""The export process: ``python -m understudy.export SPEC.json``."""

import sys
from pathlib import Path

from understudy.errors import UnderstudyError
from understudy.export.spec import load_spec
from understudy.inference.channel import Channel, ChannelClosed, claim_stdout, prepare_process


def main(arguments: list[str]) -> int:
    """Export one model. Returns the exit code: 0 done, 1 refused, 2 misused."""
    if len(arguments) != 1:
        print("usage: python -m understudy.export SPEC.json", file=sys.stderr)
        return 2
    channel = claim_stdout()
    try:
        return _run(Path(arguments[0]), channel)
    except ChannelClosed:
        return 1


def _run(path: Path, channel: Channel) -> int:
    try:
        spec = load_spec(path)
        prepare_process(spec.threads)
        import torch

        from understudy.export.writing import export

        if spec.threads:
            torch.set_num_threads(spec.threads)
        export(spec, channel)
    except UnderstudyError as error:
        channel.send(event="failed", message=str(error))
        return 1
    except OSError as error:
        channel.send(
            event="failed", message=f"A file could not be read or written ({error}). Check the disk."
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
