"""How long does a verdict take with the miniatures?

    python -m benchmarks.verdict FOLDER                # bootstrap, quick, full; trains if need be
    python -m benchmarks.verdict FOLDER --only quick   # or full, or bootstrap

Measured is the product's own command with every arm that can be measured (a star, no model tuned on
another character unless --wrong names one), all replies asked anew. FOLDER keeps the character and its
run; what is trained is not trained again. Prints seconds, replies and replies a second.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from understudy.evaluation.primary import Passed, find_primary
from understudy.evaluation.probe import CATEGORIES, Probe
from understudy.evaluation.statistics import paired_share_difference

MINI, STAR = "understudy/mini", "understudy/mini-star"
DRAWS = 10_000
ARMS, SCORES = 9, 26


def understudy(*words: str) -> str:
    """Run the command; gives what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "understudy.cli", *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def prepare(folder: Path) -> Path:
    """A trained run of Ophelia; gives its folder."""
    if not (folder / "character.yaml").exists():
        understudy("init", str(folder), "--example", "ophelia")
    trained = [p.parent for p in folder.glob("runs/*/job.json") if "fine_tuned_model" in p.read_text("utf-8")]
    if not trained:
        understudy("build", str(folder))
        understudy("train", str(folder), "--base-model", MINI, "--yes")
        trained = [p.parent for p in folder.glob("runs/*/job.json")]
    return trained[-1]


def forget(folder: Path, run: Path) -> None:
    """Drop every reply, so that all are asked anew."""
    for path in (*run.glob("*replies*.jsonl"), *run.glob("likelihoods*.jsonl"), *run.glob("verdict*.json")):
        path.unlink()
    shutil.rmtree(folder / "probes", ignore_errors=True)


def time_verdict(folder: Path, run: Path, flags: list[str]) -> None:
    """Evaluate with cold replies and warm weights, and print how long it took."""
    forget(folder, run)
    started = time.monotonic()
    words = ["evaluate", str(folder), "--run", run.name, "--star", STAR, "--json", *flags]
    verdict = json.loads(understudy(*words))
    seconds = time.monotonic() - started
    replies = len((run / "replies.jsonl").read_text("utf-8").splitlines())
    arms = sum(arm["measured"] for arm in verdict["arms"])
    print(
        f"{' '.join(flags) or 'full'}: {seconds:.0f} s, {arms} arms, {replies} replies, "
        f"{replies / seconds:.1f} replies/s"
    )
    print(verdict["primary"]["sentence"])


def time_bootstrap() -> None:
    """10,000 draws for the primary endpoint and for every score of every arm, as a full verdict does."""
    chance = np.random.default_rng(0)
    count = sum(CATEGORIES.values())
    probes = [Probe(f"p{n}", "fact", f"f{n // 2}", ({"role": "user", "content": "?"},)) for n in range(count)]
    names = ("tuned+short", "expensive+long", "cheap+long", "cheap+short")
    passed = {
        name: Passed(
            {p.id: float(v) for p, v in zip(probes, chance.binomial(3, 0.6, count) / 3, strict=True)}
        )
        for name in names
    }
    started, worked = time.monotonic(), time.process_time()
    find_primary(passed, probes, margin=0.075, replies_per_probe=3, draws=DRAWS)
    for _ in range((ARMS - 1) * SCORES):
        values = chance.binomial(1, 0.6, (2, count)).astype(float)
        for confidence in (0.95, 0.90):
            paired_share_difference(
                list(values[0]),
                list(values[1]),
                [p.group for p in probes],
                draws=DRAWS,
                confidence=confidence,
            )
    seconds, busy = time.monotonic() - started, time.process_time() - worked
    what = f"{DRAWS} draws, {ARMS - 1} arms × {SCORES} scores"
    print(f"bootstrap: {seconds:.1f} s ({busy:.1f} s of processor time) for {what}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=("quick", "full", "bootstrap"))
    parser.add_argument("--wrong", help="a model tuned on another character, as negative control")
    options = parser.parse_args()
    if options.only in (None, "bootstrap"):
        time_bootstrap()
    if options.only == "bootstrap":
        return
    run = prepare(options.folder)
    flags = ["--wrong", options.wrong] if options.wrong else []
    if options.only in (None, "quick"):
        time_verdict(options.folder, run, ["--quick", *flags])
    if options.only in (None, "full"):
        time_verdict(options.folder, run, flags)


if __name__ == "__main__":
    main()
