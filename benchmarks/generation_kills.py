"""Is anything paid twice when plan, generate, filter and build are killed on the way?

    python -m benchmarks.generation_kills FOLDER [--card FILE] [--dialogues 24]

For Princess Ophelia, and for the character of each card, the whole way is gone with the commands that a
person types: `init`, `plan`, `generate`, `build`. `generate` is stopped by Ctrl-C (SIGINT), by a polite kill
(SIGTERM) and by a hard one (SIGKILL), each when some more answers have come, and then run to its end. What is
shown comes from `calls.jsonl`: how many different requests, how many answers, how many requests that went
out. Only what was under way at the hard kill may go out again. The folders stay in FOLDER, to be read.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

KILLS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "understudy", *map(str, words)]


def understudy(*words: object) -> dict[str, Any]:
    """Run a command to its end; what it prints as JSON, if it does."""
    done = subprocess.run(command(*words), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"understudy {' '.join(map(str, words))}: {done.stderr.strip()}")
    return json.loads(done.stdout) if "--json" in words else {}


def calls(folder: Path) -> list[dict[str, Any]]:
    """The rows of ``calls.jsonl`` about requests; a torn last row is none."""
    rows = []
    path = folder / "calls.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if "finished" not in row:
            rows.append(row)
    return rows


def answers(folder: Path) -> int:
    return sum("sent" not in row for row in calls(folder))


def stop_after(folder: Path, words: list[str], more: int, how: signal.Signals) -> int:
    """Start generating, kill it when so many more answers are there; returns how many there were."""
    wanted = answers(folder) + more
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while answers(folder) < wanted and process.poll() is None:
        time.sleep(0.2)
    if process.poll() is not None:
        sys.exit(f"It ended before it was killed: plan more dialogues. {process.communicate()[1]}")
    found = answers(folder)
    process.send_signal(how)
    _, said = process.communicate()
    assert "Traceback" not in said, said
    assert not (folder / "teaching.json").exists()
    return found


def go(folder: Path, start: list[object], options: argparse.Namespace) -> dict[str, Any]:
    """The whole way for one character, killed three times."""
    understudy("init", folder, *start)
    understudy("plan", folder, "--dialogues", options.dialogues)
    words = ("generate", folder, "--teacher", options.teacher, "--concurrency", 4, "--json")
    killed_after = [stop_after(folder, command(*words), options.every, how) for how in KILLS]
    result = understudy(*words)
    built = understudy("build", folder, "--json")
    rows = calls(folder)
    sent = Counter(row["key"] for row in rows if row.get("sent") is True)
    answered = Counter(row["key"] for row in rows if "sent" not in row)
    return {
        "killed_after_answers": killed_after,
        "different_requests": len(sent),
        "answers": sum(answered.values()),
        "answered_twice": sum(count > 1 for count in answered.values()),
        "requests_sent": sum(sent.values()),
        "sent_again": sum(count - 1 for count in sent.values()),
        "kept_at_once": result["kept_at_once"],
        "repaired": result["repaired"],
        "dropped": result["dropped"],
        "dialogues": result["dialogues"],
        "refused": dict(list(result["refused"].items())[:5]),
        "training_examples": built["counts"]["training"]["examples"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--card", type=Path, action="append", default=[])
    parser.add_argument("--dialogues", type=int, default=24)
    parser.add_argument("--every", type=int, default=15, help="Answers between two kills.")
    parser.add_argument("--teacher", default="understudy/mini-star")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("UNDERSTUDY_HOME", str(options.folder / "home"))
    subjects: dict[str, list[object]] = {"ophelia": ["--example", "ophelia"]}
    subjects |= {card.stem: ["--card", card] for card in options.card}
    try:
        for name, start in subjects.items():
            print(json.dumps({name: go(options.folder / name, start, options)}, indent=2), flush=True)
    finally:
        subprocess.run(command("serve", "--stop"), capture_output=True)


if __name__ == "__main__":
    main()
