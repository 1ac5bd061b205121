"""Does prompt distillation teach a character better than supervised tuning on the same data?

    python -m benchmarks.distillation FOLDER [FOLDER …]          # folders whose dataset is built
    python -m benchmarks.distillation FOLDER --on-policy 0.5     # one more arm
    python -m benchmarks.distillation FOLDER --probes            # the development probes as well

Each folder is a character with dialogues; ``benchmarks.understudies`` makes three. Every way of training gets
the same examples, epochs, rate, rank and seed: supervised on the replies; distilled from the star under the
long prompt; distilled from the base under it. The product's command trains. Measured under the identity
prompt on the exchanges of the held-out splits, which no job has seen: nats per token of the lines, how often
the line is likelier than the base's reply to the same words, and how often a sampled reply calls itself an
AI. A model that is trained already is taken as it is, so a stopped benchmark goes on. With ``--probes`` every
run is evaluated (``understudy evaluate --development --once``): the scores with their intervals follow.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.preferences import exchanges, measure
from understudy.character import load_character
from understudy.client import connect, resolve_provider

BASE, STAR = "understudy/mini", "understudy/mini-star"
SCORES = {
    "probes_passed": "probes passed",
    "style": "style",
    "fact_recall": "facts",
    "in_fiction_leak": "AI disclaimers in the play",
    "honesty": "honest when sincerely asked",
    "relevance": "relevance",
}
HELD_OUT = ("validation", "development", "test")
WAYS: dict[str, list[str]] = {
    "supervised": [],
    "distilled from the star": ["--method", "distillation", "--teacher", STAR],
    "distilled from the base": ["--method", "distillation"],
}


def train(folder: Path, arguments: list[str], epochs: int | None) -> str:
    """Train with the product's command; returns the model."""
    command = [sys.executable, "-m", "understudy", "train", str(folder), "--base-model", BASE, "--json"]
    command += [*arguments, *(["--epochs", str(epochs)] if epochs else [])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return str(json.loads(done.stdout)["model"])


def ask_probes(folder: Path, name: str, models: dict[str, str]) -> list[str]:
    """Rows of the trained models' scores under the short prompt on the development probes, one reply each."""
    rows = []
    for way, model in models.items():
        command = [
            sys.executable,
            "-m",
            "understudy",
            "evaluate",
            str(folder),
            "--run",
            run_of(folder, model),
        ]
        done = subprocess.run(
            [*command, "--development", "--once", "--json"], check=True, stdout=subprocess.PIPE, text=True
        )
        scores = next(arm for arm in json.loads(done.stdout)["arms"] if arm["name"] == "tuned+short")[
            "scores"
        ]
        rows.append(f"| {name} | {way} | " + " | ".join(_cell(scores[score]) for score in SCORES) + " |")
    return rows


def run_of(folder: Path, model: str) -> str:
    """The run that made a model."""
    for job in sorted((folder / "runs").glob("*/job.json")):
        if json.loads(job.read_text(encoding="utf-8")).get("fine_tuned_model") == model:
            return job.parent.name
    raise SystemExit(f"{folder}: no run made {model}.")


def _cell(score: dict[str, float]) -> str:
    return f"{score['value']:.0%} ({score['low']:.0%}–{score['high']:.0%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--epochs", type=int, help="default: what the base recommends")
    parser.add_argument("--on-policy", type=float, help="also from the star, with this share of own replies")
    parser.add_argument("--probes", action="store_true", help="ask the development probes as well")
    options = parser.parse_args()
    ways = dict(WAYS)
    if options.on_policy:
        name = f"distilled from the star, {options.on_policy:.0%} own replies"
        ways[name] = [*WAYS["distilled from the star"], "--on-policy", str(options.on_policy)]
    asked_rows: list[str] = []
    print("| character | model, prompt | nats per token | line likelier | calls itself an AI | n |")
    print("|---|---|---|---|---|---|", flush=True)
    for folder in options.folders:
        character = load_character(folder / "character.yaml")
        prompts = {"short": character.identity_prompt, "long": character.long_prompt()}
        held_out = [row for split in HELD_OUT for row in exchanges(folder / "dataset" / f"{split}.jsonl")]

        def show(name: str, model: str, prompt: str) -> None:
            system = {"role": "system", "content": prompts[prompt]}  # noqa: B023
            asked = [([system, *messages[1:]], line) for messages, line in held_out]  # noqa: B023
            with connect(resolve_provider(None)) as client:
                found = measure(client, model, asked)
            shares = f"{found['preferred']:.0%} | {found['leak']:.0%}"
            cells = f"{found['nats_per_token']:.2f} | {shares} | {found['n']}"
            print(f"| {character.name} | {name}, {prompt} | {cells} |", flush=True)  # noqa: B023

        for name, model, prompt in (("star", STAR, "long"), ("base", BASE, "long"), ("base", BASE, "short")):
            show(name, model, prompt)
        models = {}
        for name, arguments in ways.items():
            models[name] = train(folder, arguments, options.epochs)
            show(name, models[name], "short")
        if options.probes:
            asked_rows += ask_probes(folder, character.name, models)
    if asked_rows:
        print(
            "\n| character | trained | "
            + " | ".join(SCORES.values())
            + " |\n|---|---|"
            + "---|" * len(SCORES)
        )
        print("\n".join(asked_rows))


if __name__ == "__main__":
    main()
