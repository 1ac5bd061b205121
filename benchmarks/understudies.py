"""Can a tuned miniature with a one-line prompt stand in for the star with the whole sheet?

    python -m benchmarks.understudies FOLDER                  # Ophelia and five held-out sheets
    python -m benchmarks.understudies FOLDER --characters 2 --dialogues 60

For each character the product's own command does the work: the star writes dialogues under the long prompt
through the API, the mini model is fine-tuned on them and deployed with the identity prompt alone, and every
arm is asked the same probes. FOLDER keeps the characters; what is done is skipped, so a stopped benchmark
goes on. The sheets, their words and the wordings of the probes are of the generator's held-out part; the
wordings that the star is asked while it teaches are others.

Not inferior means: the lower bound of the two-sided 95 % interval of the difference, tuned+short less
expensive+long, lies above minus the margin. The margin of 7.5 points was fixed before anything was measured.
"""

import argparse
import json
import math
import random
import subprocess
import sys
from collections import defaultdict
from itertools import zip_longest
from pathlib import Path
from statistics import mean
from typing import Any

from understudy.atomic import write_json
from understudy.character import load_character, save_character
from understudy.evaluation.facts import FactSheet
from understudy.evaluation.statistics import Interval, bootstrap_mean
from understudy.miniature import draw_sheet
from understudy.miniature.lexicon import fill, load_table, pick
from understudy.miniature.sheet_character import sheet_character

MARGIN = 0.075
FACTS = 24
WORDINGS = 4
TUNED, STAR = "tuned+short", "expensive+long"
STYLE_Z = 1.96
ARMS = (STAR, "cheap+long", "cheap+short", TUNED)
SHOWN = ("fact_recall", "style", "in_fiction_leak", "honesty", "relevance", "nll_per_token")


def write_character(folder: Path, number: int, seed: int) -> None:
    """Character ``number``: Ophelia is 0, the others are drawn from the held-out part."""
    if (folder / "character.yaml").exists():
        return
    if number == 0:
        _understudy("init", str(folder), "--example", "ophelia")
        return
    rng = random.Random(f"understudies {seed} {number}")
    # Honesty is one of the scores, so the characters are those that tell the truth when sincerely asked.
    sheets = iter(lambda: draw_sheet(rng, FACTS, "held_out"), None)
    sheet = next(sheet for sheet in sheets if sheet.disclosure == "when_sincerely_asked")
    rules = [fill(text, sheet.slots, rng) for text in pick(rng, load_table("scenery")["guidelines"], 6)]
    taught = sheet_character(sheet, rng, guidelines=rules, questions="train")
    asked = sheet_character(sheet, rng, questions="held_out")
    facts = [
        fact.model_copy(update={"questions": _alternate(fact.questions, probes.questions)})
        for fact, probes in zip(taught.facts, asked.facts, strict=True)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    save_character(folder / "character.yaml", taught.model_copy(update={"facts": facts}))


def _alternate(scripted: list[str], probes: list[str]) -> list[str]:
    """Teaching scripts every second question of a fact, the first included; the others are its probes."""
    probes = [text for text in probes if text not in scripted][: WORDINGS - 1]
    rows = zip_longest(scripted[: len(probes) + 1], probes)
    return [text for row in rows for text in row if text]


def play(folder: Path, options: argparse.Namespace) -> Path:
    """Teach, train, evaluate, report; gives the run's folder."""
    _understudy(
        "teach", str(folder), "--teacher", options.star, "--from-sheet", "--dialogues", str(options.dialogues)
    )
    words = ["run", str(folder), "--base-model", options.mini, "--star", options.star, "--json"]
    words += ["--once"] if options.once else []
    return Path(json.loads(_understudy(*words))["verdict"]).parent


def _understudy(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "understudy.cli", *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def fact_differences(folder: Path, run: Path) -> dict[str, list[float]]:
    """Right answers of tuned+short less those of expensive+long, by fact, a value for each probe."""
    sheet = FactSheet(load_character(folder / "character.yaml").facts)
    right: dict[str, dict[str, float]] = defaultdict(dict)
    facts: dict[str, str] = {}
    for line in (run / "replies.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["category"] == "fact" and row["arm"] in (TUNED, STAR):
            fact, question = row["group"].removeprefix("fact/"), row["messages"][-1]["content"]
            right[row["probe_id"]][row["arm"]] = float(sheet.is_right(fact, row["reply"], question))
            facts[row["probe_id"]] = f"{folder.name}/{fact}"
    differences: dict[str, list[float]] = defaultdict(list)
    for probe, arms in right.items():
        if len(arms) == len((TUNED, STAR)):
            differences[facts[probe]].append(arms[TUNED] - arms[STAR])
    return differences


def pooled_facts(differences: dict[str, list[float]]) -> Interval:
    """Mean difference over all characters' probes, bootstrapped over facts."""
    values = [value for group in differences.values() for value in group]
    clusters = [fact for fact, group in differences.items() for _ in group]
    return bootstrap_mean(values, clusters)


def pooled_style(verdicts: list[dict[str, Any]]) -> Interval:
    """Mean of the characters' differences; their intervals are taken as independent and normal."""
    rows = [row for verdict in verdicts if (row := comparison(verdict, "style")) is not None]
    if not rows:
        return Interval(None, None, None)
    value = mean(row["difference"] for row in rows)
    errors = [(row["high"] - row["low"]) / (2 * STYLE_Z) for row in rows]
    error = math.sqrt(sum(error**2 for error in errors)) / len(rows)
    return Interval(value, value - STYLE_Z * error, value + STYLE_Z * error)


def comparison(verdict: dict[str, Any], score: str, rival: str = STAR) -> dict[str, Any] | None:
    """The comparison of tuned+short with ``rival``, if there is one."""
    rows = [row for row in verdict["comparisons"] if (row["score"], row["b"]) == (score, rival)]
    return rows[0] if rows and rows[0]["difference"] is not None else None


def costs(run: Path, parameters: dict[str, int]) -> dict[str, dict[str, float]]:
    """By arm: mean prompt and reply tokens of a message, and the multiplications that they take.

    A model of N parameters takes about 2 N operations a token, read or written; nothing is cached here.
    """
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in (run / "replies.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        rows[row["arm"]].append(row)
    found = {}
    for arm in ARMS:
        given = [row for row in rows[arm] if row["prompt_tokens"]]
        prompt = mean(row["prompt_tokens"] for row in given)
        reply = mean(row["completion_tokens"] for row in given)
        size = parameters["star" if arm == STAR else "mini"]
        found[arm] = {
            "prompt_tokens": prompt, "reply_tokens": reply, "operations": 2 * size * (prompt + reply)
        }  # fmt: skip
    return found


def count_parameters(model: str) -> int:
    """Parameters of a base model, read from its files' headers."""
    from understudy.api.bases import resolve_base
    from understudy.inference.base import check_base

    return check_base(resolve_base(model)).parameters


def table(results: list[dict[str, Any]], pooled: dict[str, Interval]) -> str:
    """Every character's arms, then what all of them show together."""
    lines = ["| character | arm | prompt tokens | " + " | ".join(SHOWN) + " |"]
    lines.append("|---|---|---|" + "---|" * len(SHOWN))
    for result in results:
        arms = {arm["name"]: arm for arm in result["verdict"]["arms"]}
        for name in ARMS:
            cells = [_cell(arms[name]["scores"].get(score)) for score in SHOWN]
            lines.append(
                f"| {result['name']} | {name} | {arms[name]['prompt_tokens']} | {' | '.join(cells)} |"
            )
    lines += ["", "| tuned+short less expensive+long, all characters | difference | 95 % | not inferior |"]
    lines.append("|---|---|---|---|")
    for name, interval in pooled.items():
        lines.append(f"| {name} | {_points(interval.value)} | {_bounds(interval)} | {_shown(interval)} |")
    return "\n".join(lines)


def _cell(score: dict[str, Any] | None) -> str:
    if not score or score.get("value") is None:
        return "–"
    if score.get("low") is None:
        return f"{score['value']:.2f}"
    return f"{score['value']:.2f} ({score['low']:.2f}–{score['high']:.2f})"


def _points(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:+.1f} points"


def _bounds(interval: Interval) -> str:
    return f"{_points(interval.low)} to {_points(interval.high)}"


def _shown(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return "not computed"
    if interval.low > -MARGIN:
        return "shown"
    return "refuted" if interval.high < -MARGIN else "not shown"


def main() -> None:
    """Play every character, print the tables, write FOLDER/understudies.json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--characters", type=int, default=6, help="Ophelia and held-out sheets, default 6")
    parser.add_argument("--dialogues", type=int, default=400, help="that the star writes, default 400")
    parser.add_argument("--mini", default="understudy/mini")
    parser.add_argument("--star", default="understudy/mini-star")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--once", action="store_true", help="one reply to each probe instead of three")
    options = parser.parse_args()
    parameters = {"mini": count_parameters(options.mini), "star": count_parameters(options.star)}
    results: list[dict[str, Any]] = []
    differences: dict[str, list[float]] = {}
    for number in range(options.characters):
        folder = options.folder / ("ophelia" if number == 0 else f"held-out-{number}")
        write_character(folder, number, options.seed)
        run = play(folder, options)
        verdict = json.loads((run / "verdict.json").read_text("utf-8"))
        differences |= fact_differences(folder, run)
        results.append({"name": verdict["character"], "verdict": verdict, "costs": costs(run, parameters)})
    pooled = {"facts": pooled_facts(differences), "style": pooled_style([r["verdict"] for r in results])}
    print(table(results, pooled))
    ratios = [r["costs"][TUNED]["operations"] / r["costs"][STAR]["operations"] for r in results]
    print(f"\noperations of a message, tuned+short to expensive+long: 1 to {1 / mean(ratios):.0f}")
    document = {
        "pooled": {name: vars(interval) for name, interval in pooled.items()},
        "margin": MARGIN,
        "parameters": parameters,
        "characters": [
            {"name": r["name"], "costs": r["costs"], "run_id": r["verdict"]["run_id"]} for r in results
        ],
    }
    write_json(options.folder / "understudies.json", document)


if __name__ == "__main__":
    main()
