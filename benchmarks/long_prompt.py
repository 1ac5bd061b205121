"""The first token under a long prompt that is cached, against the first token under a short one.

    python -m benchmarks.long_prompt
    python -m benchmarks.long_prompt --requests 60 --rounds 5

One stream asks understudy/mini behind this project's server for one token, one thread of numerical work,
under the identity prompt and under a prompt of 1,500 tokens that was read before. The two take turns.
Given are CPU milliseconds a request of the server, of the process that speaks and of the client, which
neighbours on the machine hardly change, and the median of the wall milliseconds to the first token.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

import understudy
from benchmarks import serving


def cpu_ms(process: psutil.Process) -> float:
    """CPU milliseconds that a process has used so far."""
    times = process.cpu_times()
    return float(times.user + times.system) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=100, help="under each prompt in a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    from understudy_miniatures import path

    base = Path(path("mini"))
    prompts = {"short": "You are Princess Ophelia.", "1,500 tokens": serving.long_prompt(base)}
    serving.REPLY_TOKENS = 1
    with tempfile.TemporaryDirectory() as folder:
        port = serving.free_port()
        command = [sys.executable, "-m", "understudy", "serve", "--port", str(port), "--no-token"]
        paths = [str(Path(understudy.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        server = serving.start(
            "understudy", [*command, "--inference-threads", "1"], port, "understudy/mini", Path(folder),
            UNDERSTUDY_HOME=f"{folder}/home", PYTHONPATH=os.pathsep.join(paths),
        )  # fmt: skip
        try:
            server.wait()
            measure(server, prompts, options)
        finally:
            server.stop()


def measure(server: serving.Server, prompts: dict[str, str], options: argparse.Namespace) -> None:
    """Rounds of requests under either prompt, and the table."""
    for system in prompts.values():
        for number in range(5):
            serving.ask(server, system, f"Hello {number}.")
    main_process = psutil.Process(server.process.pid)
    speaking = next(p for p in main_process.children(True) if "understudy.inference" in " ".join(p.cmdline()))
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in prompts}
    for turn in range(options.rounds):
        for name, system in prompts.items():
            before = (cpu_ms(main_process), cpu_ms(speaking), time.process_time() * 1000)
            first = [
                serving.ask(server, system, f"Tell me a story of {turn * 1000 + number} ships.")[0] * 1000
                for number in range(options.requests)
            ]
            after = (cpu_ms(main_process), cpu_ms(speaking), time.process_time() * 1000)
            spent = [(b - a) / options.requests for a, b in zip(before, after, strict=True)]
            found[name].append((*spent, sum(spent), median(first)))
    print("| prompt | CPU ms a request: server | speaking | client | all | first token, ms |")
    print("|---|---|---|---|---|---|")
    for name, rows in found.items():
        columns = list(zip(*rows, strict=True))
        cells = [f"{median(column):.1f} ({min(column):.1f}–{max(column):.1f})" for column in columns]
        print(f"| {name} | {' | '.join(cells)} |")
    short, long = (list(zip(*rows, strict=True)) for rows in found.values())
    for name, place in (("CPU", 3), ("wall", 4)):
        ratios = [b / a for a, b in zip(short[place], long[place], strict=True)]
        print(f"long against short, {name}: {median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})")


if __name__ == "__main__":
    main()
