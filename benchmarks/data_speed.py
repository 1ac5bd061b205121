"""How fast training files are checked and sources are read, and in how much memory.

    python benchmarks/data_speed.py [--conversations 100000] [--repeats 3] [--lines 1000000] [--megabytes 8]

Checking is compared with the script that OpenAI's cookbook describes (``plain_check.py``, one process), on
conversations made of Princess Ophelia's sentences: without a system prompt, with one reply in twenty that is
to be found, with the short prompt, with another prompt in each, with a long one, and one short exchange each.
Medians of the repeats, which take turns. Rows per second are given for the processor's time in one process,
which hardly depends on what else a machine does, and seconds by the clock, where the check may use all cores.
Each measurement is a process of its own; both count their time without loading the tokenizer. The last column
is the time by the clock of the whole command, from its start to the printed result.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/dialogue"), str(ROOT / "benchmarks")]
OPHELIA = ROOT / "src/understudy/examples/ophelia/dialogues.jsonl"
LONG_SENTENCES = 90
FOUND = (
    "As an AI language model, I have no dragon.",
    "Write to me at ophelia.of.gloam@posteo.de, bright friend.",
    "My key is sk-proj-a1B2c3D4a1B2c3D4a1B2c3D4.",
)
KINDS = ("none", "found", "short", "many", "long", "brief")


def sentences():
    """Questions and sentences of replies of the shipped character, inside the play."""
    rows = [json.loads(line) for line in OPHELIA.read_text(encoding="utf-8").splitlines()]
    played = [row for row in rows if row["category"] not in ("sincere_ai", "crisis", "role_break")]
    messages = [message for row in played for message in row["messages"]]
    questions = [m["content"] for m in messages if m["role"] == "user"]
    replies = [
        f"{s.rstrip('.')}." for m in messages if m["role"] == "assistant" for s in m["content"].split(". ")
    ]
    return questions, replies


def write_conversations(path, count, kind):
    """Conversations of one to three exchanges; hardly any message stands twice."""
    chance = random.Random(1)
    questions, replies = sentences()
    prompts = {"short": "You are Princess Ophelia.", "long": " ".join(replies[:LONG_SENTENCES])}
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            system = (
                f"You are guest {number}. {chance.choice(replies)}" if kind == "many" else prompts.get(kind)
            )
            messages = [{"role": "system", "content": system}] if system else []
            for _ in range(1 if kind == "brief" else chance.choice((1, 1, 2, 3))):
                asked = f"{chance.choice(questions)} {chance.choice(questions)}"
                said = " ".join(chance.sample(replies, chance.randint(1, 3)))
                if kind == "found" and number % 20 == 0:
                    said = chance.choice(FOUND)
                if kind == "brief":
                    asked, said = f"{number}: {asked[:40]}", said[:60]
                messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


def measure(job, *arguments):
    """Run one job in a process of its own; its result with seconds and peak memory."""
    command = [sys.executable, str(Path(__file__).resolve()), "--job", job, *map(str, arguments)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def run_job(job, arguments):
    if job == "plain":
        import plain_check

        encoding, tokenizer = plain_check.load_encoding()
        started, clock = time.process_time(), time.perf_counter()
        result = plain_check.check(Path(arguments[0]), encoding)
        found = {"rows": result["examples"], "tokens": result["tokens"], "tokenizer": tokenizer}
    elif job in ("check", "check_bpe_openai"):
        if job == "check_bpe_openai":
            sys.modules["gigatoken"] = None  # as where it is not installed
        from understudy.dataset import check_file
        from understudy.dataset.fast_tokens import token_counts

        token_counts("o200k_base", True)  # loaded before the time is taken, as for the plain script
        started, clock = time.process_time(), time.perf_counter()
        result = check_file(Path(arguments[0]), processes=int(arguments[1]))
        found = {"rows": result.examples, "tokens": result.tokens, "warnings": result.warnings}
    else:
        from understudy.dialogue import ImportOptions, read_source

        started, clock = time.process_time(), time.perf_counter()
        reading = read_source(Path(arguments[0]), ImportOptions(speakers=("Ophelia",)))
        found = {"lines": len(reading.lines), "dialogues": len(reading.dialogues)}
    found |= {"cpu_seconds": time.process_time() - started, "seconds": time.perf_counter() - clock}
    # Peak of this process and of those it has started, in bytes; Linux counts in KiB.
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps(found | {"peak_bytes": peaks[0] * 1024, "peak_child_bytes": peaks[1] * 1024}))


def medians(runs):
    """The median of each figure of some runs."""
    return {
        name: value if isinstance(value, str) else median(run[name] for run in runs)
        for name, value in runs[0].items()
    }


def time_command(path):
    """Seconds by the clock of the whole command."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "understudy.cli", "check", path], stdout=subprocess.DEVNULL)
    return {"seconds": time.perf_counter() - started}


def check_speed(folder, count, repeats):
    print(f"## Checking {count:,} conversations, medians of {repeats} (load {os.getloadavg()[0]:.1f})\n")
    print(
        "| conversations | MB | tokens a row | warnings | plain script, rows/s | check with bpe-openai alone "
        f"| times | check | times | by the clock: plain, s | check, {os.cpu_count()} processes, s | times "
        "| whole command, s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        path = folder / f"{kind}.jsonl"
        write_conversations(path, count, kind)
        jobs = {
            "plain": lambda path=path: measure("plain", path),
            "slow": lambda path=path: measure("check_bpe_openai", path, 1),
            "one": lambda path=path: measure("check", path, 1),
            "all": lambda path=path: measure("check", path, os.cpu_count() or 1),
            "command": lambda path=path: time_command(path),
        }
        rounds = [{name: job() for name, job in jobs.items()} for _ in range(repeats)]
        found = {name: medians([one[name] for one in rounds]) for name in jobs}
        plain, one, all_cores = found["plain"], found["one"], found["all"]
        assert plain["tokens"] == found["slow"]["tokens"] == one["tokens"] == all_cores["tokens"]
        rates = [count / found[name]["cpu_seconds"] for name in ("plain", "slow", "one")]
        print(
            f"| {kind} | {path.stat().st_size / 1e6:.0f} | {one['tokens'] / count:.0f} "
            f"| {one['warnings']:,.0f} | {rates[0]:,.0f} ({plain['tokenizer']}) "
            f"| {rates[1]:,.0f} | {rates[1] / rates[0]:.1f} | {rates[2]:,.0f} | {rates[2] / rates[0]:.1f} "
            f"| {plain['seconds']:.1f} "
            f"| {all_cores['seconds']:.2f} | {plain['seconds'] / all_cores['seconds']:.1f} "
            f"| {found['command']['seconds']:.1f} |",
            flush=True,
        )
        path.unlink()


def check_memory(folder, lines):
    path = folder / "many.jsonl"
    write_conversations(path, lines, "short")
    found = measure("check", path, os.cpu_count() or 1)
    print(f"\n## Memory of checking {lines:,} lines\n")
    print(
        f"{path.stat().st_size / 1e6:.0f} MB in {found['seconds']:.0f} s on {os.cpu_count()} cores; peak "
        f"{found['peak_bytes'] / 2**20:.0f} MiB, and {found['peak_child_bytes'] / 2**20:.0f} MiB in the "
        "largest of its processes."
    )
    path.unlink()


def import_speed(folder, megabytes):
    from written import WRITTEN

    chance = random.Random(1)
    questions, replies = sentences()
    print(f"\n## Reading about {megabytes} MB of each format, one process\n")
    print("| format | MB | MB/s | lines or messages a second |")
    print("|---|---|---|---|")
    plain = [text for text in questions + replies if text[-1:] in ".!?" and '"' not in text]
    talks = [
        [("Traveller", chance.choice(plain)), ("Ophelia", " ".join(chance.sample(plain, 3)))]
        for _ in range(megabytes * 3500)
    ]
    for name, (file_name, write) in WRITTEN.items():
        path = folder / file_name
        path.write_text(write(talks), encoding="utf-8")
        found, size = measure("read", path), path.stat().st_size / 1e6
        said, seconds = found["lines"] or 2 * found["dialogues"], found["cpu_seconds"]
        print(f"| {name} | {size:.1f} | {size / seconds:.1f} | {said / seconds:,.0f} |")
        path.unlink()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--megabytes", type=int, default=8)
    parser.add_argument(
        "--job", choices=("plain", "check", "check_bpe_openai", "read"), help=argparse.SUPPRESS
    )
    options, rest = parser.parse_known_args()
    if options.job:
        run_job(options.job, rest)
        return
    with tempfile.TemporaryDirectory() as place:
        if options.conversations:
            check_speed(Path(place), options.conversations, options.repeats)
        if options.lines:
            check_memory(Path(place), options.lines)
        if options.megabytes:
            import_speed(Path(place), options.megabytes)


if __name__ == "__main__":
    main()
