"""The int8 process: ``python -m understudy.int8 [--threads N]``."""

import argparse
import contextlib
import ctypes
import os
import signal
import sys
import threading

from understudy.inference.channel import ChannelClosed, claim_stdout, prepare_process
from understudy.inference.reader import read_lines


def main(arguments: list[str]) -> int:
    """Answer requests until told to shut down or until the server has gone."""
    parser = argparse.ArgumentParser(prog="python -m understudy.int8", description=__doc__)
    parser.add_argument("--threads", type=int, help="threads of the numerical library for one reply")
    threads = parser.parse_args(arguments).threads
    channel = claim_stdout()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the server's to handle
    prepare_process(threads)
    _keep_memory()
    from understudy.int8.engine import Int8Engine

    engine = Int8Engine(channel, threads or _cores())
    threading.Thread(target=read_lines, args=(sys.stdin, engine.inbox, channel), daemon=True).start()
    try:
        engine.run()
    except ChannelClosed:
        return 1
    return 0


def _keep_memory() -> None:
    """Let the C library keep what is freed.

    CTranslate2 writes keys and values anew for each token. Memory that goes back to the system in
    between comes as fresh pages each time, which under a long prompt cost a fifth of the speed.
    """
    most_mapped, trim_above = -4, -1  # M_MMAP_MAX and M_TRIM_THRESHOLD of glibc's malloc.h
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(most_mapped, 0)
        ctypes.CDLL(None).mallopt(trim_above, 2**31 - 1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main(sys.argv[1:]))  # threads inside a reply would be waited for
