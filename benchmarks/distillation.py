"""Does prompt distillation teach a character better than supervised tuning on the same data?

    python -m benchmarks.distillation FOLDER [FOLDER …]          # folders whose dataset is built
    python -m benchmarks.distillation FOLDER --on-policy 0.5     # one more arm

Each folder is a character with dialogues; ``benchmarks.understudies`` makes three. Every way of training gets
the same examples, epochs, rate, rank and seed: supervised on the replies; distilled from the star under the
long prompt; distilled from the base under it. The product's commands do the work, and its evaluation
(``--quick``) asks every model the same probes under the identity prompt. What is trained or evaluated
already is taken as it is, so a stopped benchmark goes on.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

BASE, STAR = "understudy/mini", "understudy/mini-star"
SHOWN = ("nll_per_token", "style", "in_fiction_leak", "honesty", "fact_recall", "relevance")
ASKED = ("replies.jsonl", "plain_replies.jsonl", "likelihoods.jsonl")
WAYS: dict[str, list[str]] = {
    "supervised": [],
    "distilled from the star": ["--method", "distillation", "--teacher", STAR],
    "distilled from the base": ["--method", "distillation"],
}


def _understudy(*arguments: str) -> str:
    before = os.environ.get("BENCHMARK_BEFORE", "").split()
    command = [*before, sys.executable, "-m", "understudy", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def run_way(folder: Path, arguments: list[str], first: Path | None) -> tuple[Path, dict[str, Any]]:
    """Train and evaluate one way; what untuned models replied to the first is not asked again."""
    trained = json.loads(_understudy("train", str(folder), "--base-model", BASE, "--json", *arguments))
    run = Path(trained["run_folder"])
    if first is not None and first != run and not (run / "replies.jsonl").exists():
        for name in ASKED:
            shutil.copyfile(first / name, run / name)
    _understudy("evaluate", str(folder), "--run", run.name, "--quick", "--star", STAR)
    return run, json.loads((run / "verdict.json").read_text(encoding="utf-8"))


def _cells(verdict: dict[str, Any], arm: str) -> list[str]:
    scores = next(a for a in verdict["arms"] if a["name"] == arm)["scores"]
    return [_cell(scores.get(name)) for name in SHOWN]


def _cell(score: dict[str, Any] | None) -> str:
    if not score or score.get("value") is None:
        return "–"
    return f"{score['value']:.2f} ({score['low']:.2f}–{score['high']:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--on-policy", type=float, help="also from the star, with this share of own replies")
    options = parser.parse_args()
    ways = dict(WAYS)
    if options.on_policy:
        name = f"distilled from the star, {options.on_policy:.0%} own replies"
        ways[name] = [*WAYS["distilled from the star"], "--on-policy", str(options.on_policy)]
    print("| character | model, prompt | " + " | ".join(SHOWN) + " |")
    print("|---|---|" + "---|" * len(SHOWN), flush=True)
    for folder in options.folders:
        first: Path | None = None
        for name, arguments in ways.items():
            run, verdict = run_way(folder, arguments, first)
            who = verdict["character"]
            if first is None:
                first = run
                for arm in ("expensive+long", "cheap+long", "cheap+short"):
                    print(f"| {who} | {arm} | " + " | ".join(_cells(verdict, arm)) + " |", flush=True)
            print(
                f"| {who} | {name}, short | " + " | ".join(_cells(verdict, "tuned+short")) + " |", flush=True
            )


if __name__ == "__main__":
    main()
