"""The inference process: ``python -m understudy.inference [--threads N]``."""

import argparse
import signal
import sys
import threading

from understudy.inference.channel import ChannelClosed, claim_stdout, prepare_process
from understudy.inference.reader import read_lines


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
    threading.Thread(target=read_lines, args=(sys.stdin, engine.inbox, channel), daemon=True).start()
    try:
        engine.run()
    except ChannelClosed:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
