"""The inference process: ``python -m understudy.inference [--threads N]``."""

import argparse
import signal
import sys
import threading
from typing import TYPE_CHECKING, TextIO

from understudy.inference.channel import Channel, ChannelClosed, claim_stdout, prepare_process
from understudy.inference.request import RequestFailed, Shutdown, parse_request

if TYPE_CHECKING:
    from understudy.inference.engine import Engine


def main(arguments: list[str]) -> int:
    """Answer requests until told to shut down or until the server has gone."""
    parser = argparse.ArgumentParser(prog="python -m understudy.inference", description=__doc__)
    parser.add_argument("--threads", type=int, help="threads of the numerical libraries")
    threads = parser.parse_args(arguments).threads
    channel = claim_stdout()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the server's to handle
    prepare_process(threads)
    import torch

    from understudy.inference.engine import Engine

    if threads:
        torch.set_num_threads(threads)
    engine = Engine(channel)
    threading.Thread(target=_read_lines, args=(sys.stdin, engine, channel), daemon=True).start()
    try:
        engine.run()
    except ChannelClosed:
        return 1
    return 0


def _read_lines(stream: TextIO, engine: "Engine", channel: Channel) -> None:
    """Pass lines on; a broken one is answered and forgotten. The end of input is a shutdown."""
    for line in stream:
        if not line.strip():
            continue
        try:
            engine.inbox.put(parse_request(line))
        except RequestFailed as failure:
            try:
                channel.send(
                    id=failure.request_id,
                    event="error",
                    code=failure.code,
                    message=str(failure),
                    param=failure.param,
                )
            except ChannelClosed:
                break
    engine.inbox.put(Shutdown())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
