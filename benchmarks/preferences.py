"""What preferences (DPO) add: alone and after supervised tuning, for Princess Ophelia on the embedded model.

    python -m benchmarks.preferences FOLDER
    python -m benchmarks.preferences FOLDER --multipliers 0.03 0.1 0.3

The preferred reply of a pair is her line from the shipped dialogues, the other what the plain base says to
the same words under the identity prompt, at temperature 0.8. The product's commands and its API do the
work. Measured on the validation split, which no job has seen: nats per token of her lines, how often her
line is likelier than the base's reply to the same words, and how often a sampled reply calls itself an AI.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from understudy.client import connect, resolve_provider
from understudy.dataset.disclaimer import find_disclaimer

BASE = "understudy/mini"
PROMPT = {"role": "system", "content": "You are Princess Ophelia."}


def _understudy(*arguments: str) -> str:
    command = [sys.executable, "-m", "understudy", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def exchanges(path: Path) -> list[tuple[list[dict[str, str]], str]]:
    """First exchange of each conversation of a training file: what is said to her, and her line."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        messages = [m for m in json.loads(line)["messages"] if m["role"] != "system"]
        if [m["role"] for m in messages[:2]] == ["user", "assistant"]:
            found.append(([PROMPT, messages[0]], messages[1]["content"]))
    return found


def reply(client: Any, model: str, messages: list[dict[str, str]], seed: int) -> str:
    answer = client.chat.completions.create(
        model=model, messages=messages, temperature=0.8, max_tokens=60, seed=seed
    )
    return answer.choices[0].message.content or ""


def score(client: Any, model: str, messages: list[dict[str, str]], text: str) -> tuple[float, int]:
    """Log-probability in nats and number of tokens of a reply."""
    body = {"model": model, "messages": [*messages, {"role": "assistant", "content": text}]}
    row = client.post("/understudy/score", body=body, cast_to=object)["messages"][-1]
    return row["logprob"], row["tokens"]


def write_pairs(client: Any, folder: Path) -> None:
    """``preferences.jsonl`` of the character, unless it is there."""
    path = folder / "preferences.jsonl"
    if path.exists():
        return
    rows = []
    for number, (messages, line) in enumerate(exchanges(folder / "dataset" / "training.jsonl")):
        other = reply(client, BASE, messages, number)
        if other.strip() and other != line:
            outputs = [[{"role": "assistant", "content": text}] for text in (line, other)]
            rows.append({"input": {"messages": messages}, "preferred_output": outputs[0],
                         "non_preferred_output": outputs[1]})  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def measure(client: Any, model: str, held_out: list[tuple[list[dict[str, str]], str]]) -> dict[str, Any]:
    logprobs = tokens = preferred = leaks = 0.0
    for number, (messages, line) in enumerate(held_out):
        own, count = score(client, model, messages, line)
        other, _ = score(client, model, messages, reply(client, BASE, messages, 10_000 + number))
        logprobs, tokens, preferred = logprobs + own, tokens + count, preferred + (own > other)
        leaks += bool(find_disclaimer(reply(client, model, messages, number)))
    n = len(held_out)
    return {"nats_per_token": -logprobs / tokens, "preferred": preferred / n, "leak": leaks / n, "n": n}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--multipliers", type=float, nargs="+", default=[0.1])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--limit", type=int, default=120, help="held-out exchanges")
    options = parser.parse_args()
    folder = options.folder
    if not (folder / "character.yaml").exists():
        _understudy("init", str(folder), "--example", "ophelia")
        _understudy("build", str(folder))
    with connect(resolve_provider(None)) as client:
        write_pairs(client, folder)
        held_out = exchanges(folder / "dataset" / "validation.jsonl")[: options.limit]
        tuned = json.loads(_understudy("train", str(folder), "--base-model", BASE, "--json"))["model"]
        rows = [("base", measure(client, BASE, held_out)), ("supervised", measure(client, tuned, held_out))]
        for multiplier in options.multipliers:
            for name, start in (("dpo", BASE), ("supervised, then dpo", tuned)):
                command = ["train", str(folder), "--method", "dpo", "--base-model", start, "--json"]
                numbers = {
                    "epochs": options.epochs,
                    "beta": options.beta,
                    "learning-rate-multiplier": multiplier,
                }
                command += [text for key, value in numbers.items() for text in (f"--{key}", str(value))]
                model = json.loads(_understudy(*command))["model"]
                rows.append((f"{name}, multiplier {multiplier}", measure(client, model, held_out)))
    print("| model | nats per token of her lines | her line likelier | calls itself an AI | n |")
    print("|---|---|---|---|---|")
    for name, row in rows:
        shares = " | ".join(f"{row[key]:.0%}" for key in ("preferred", "leak"))
        print(f"| {name} | {row['nats_per_token']:.2f} | {shares} | {row['n']} |")


if __name__ == "__main__":
    main()
