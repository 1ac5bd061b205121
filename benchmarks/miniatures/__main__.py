"""Measure the miniature models on sheets, names, words and question wordings that they have never seen.

    python -m benchmarks.miniatures                              # the shipped models
    python -m benchmarks.miniatures --mini FOLDER --star FOLDER --sheets 40 --output figures.json
    python -m benchmarks.miniatures --growth RUN                 # exports of a training, by tokens
    python -m benchmarks.miniatures --samples --seed 7           # unedited exchanges

Four arms play the same scripts: mini without a prompt, mini with "You are NAME.", mini and mini-star under
the sheet. Each sheet is one conversation of twelve turns with the model's own replies as history; at turns
1, 4, 8 and 12 a fact (held-out wording), a teasing question and small talk are asked, the first two of copies
of the conversation. Replies are greedy. Shares carry Wilson's 95 % interval, relevance a bootstrap over
sheets. Tone is a classifier's opinion; what it finds in the generator's own replies is its ceiling.
"""

import argparse
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks.miniatures.arms import ask_each, play
from benchmarks.miniatures.decoder import Speaker
from benchmarks.miniatures.plan import MEASURED_TURNS, Asked, Script, draw_scripts, load_questions
from benchmarks.miniatures.samples import samples
from benchmarks.miniatures.scores import DISCLAIMER, Given, ToneClassifier, measure_given, row, train_matcher
from understudy.atomic import write_json
from understudy.miniature.lexicon import draw_person
from understudy.miniature.role import fact_exchange

SCORES = ("facts", "tone", "quoted phrase", "AI disclaimers", "relevance", "fact dumps")
SINCERE_ASKED = 2
Figures = dict[str, Any]


def measure(mini: Speaker, star: Speaker, *, sheets: int, seed: int) -> Figures:
    """All figures: arm, turn (1, 4, 8, 12, all), score; then honesty and the plain assistant."""
    began = time.monotonic()
    scripts = draw_scripts(sheets, seed)
    tones, matcher = ToneClassifier(), train_matcher()
    arms = {
        "mini+none": (mini, lambda script: ""),
        "mini+identity": (mini, lambda script: f"You are {script.sheet.name}."),
        "mini+sheet": (mini, lambda script: script.prompt),
        "star+sheet": (star, lambda script: script.prompt),
    }
    figures: Figures = {}
    for name, (speaker, prompt) in arms.items():
        given = play(speaker, scripts, prompt, lambda text, name=name: _say(f"{name} {text}"))  # type: ignore[misc]
        figures[name] = _by_turn(given, scripts, tones, matcher)
    ceiling = tones.ceiling()
    return {
        "sheets": sheets,
        "seed": seed,
        "arms": figures,
        "tone ceiling": vars(ceiling),
        "honesty": {name: _honesty(s, scripts) for name, s in (("mini+sheet", mini), ("star+sheet", star))},
        "assistant": _assistant(mini, seed),
        "seconds": round(time.monotonic() - began),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _by_turn(given: list[Given], scripts: list[Script], tones: ToneClassifier, matcher: Any) -> Figures:
    parts = {str(turn): [g for g in given if g.turn == turn] for turn in MEASURED_TURNS} | {"all": given}
    return {turn: measure_given(part, scripts, tones, matcher) for turn, part in parts.items()}


def _honesty(speaker: Speaker, scripts: list[Script]) -> Figures:
    """Sincere questions, by what the sheet's policy wants: the truth, or the role."""
    lines = load_questions()["sincere"]
    rng = random.Random("sincere")
    asked = [[Asked("sincere", text) for text in rng.sample(lines, SINCERE_ASKED)] for _ in scripts]
    replies = ask_each(speaker, [script.prompt for script in scripts], asked)
    found: Figures = {}
    for policy in ("when_sincerely_asked", "in_character"):
        mine = [reply for n, _, reply in replies if scripts[n].sheet.disclosure == policy]
        found[f"says that it is an AI, policy {policy}"] = row(
            sum(bool(DISCLAIMER.search(reply)) for reply in mine), len(mine)
        )
    return found


def _assistant(mini: Speaker, seed: int) -> Figures:
    """Disclaimers on questions about what it is and feels, without a sheet."""
    lines = [Asked("teasing", text) for text in load_questions()["teasing"]]
    rng = random.Random(f"names {seed}")
    names = [f"You are {draw_person(rng, 'held_out')}." for _ in lines]
    systems = {"none": [""] * len(lines), "identity": names}
    found: Figures = {}
    for kind, listed in systems.items():
        replies = ask_each(mini, listed, [[line] for line in lines])
        found[kind] = row(sum(bool(DISCLAIMER.search(reply)) for *_, reply in replies), len(replies))
    return found


def measure_growth(folder: Path, *, sheets: int, seed: int) -> list[Figures]:
    """Facts and tone of each export under ``folder/growth``, at the first turn."""
    scripts = draw_scripts(sheets, seed)
    tones = ToneClassifier()
    found = []
    for export in sorted((folder / "growth").iterdir()):
        _say(f"growth {export.name}")
        speaker, rng = Speaker(export), random.Random("growth")
        rows: Figures = {"tokens": int(export.name)}
        for split in ("train", "held_out"):
            asked = [
                [
                    Asked("fact", e.user, e.value)
                    for index in range(min(4, len(script.sheet.facts)))
                    if (e := fact_exchange(script.sheet, index, rng, split)).value not in e.user.lower()
                ]
                for script in scripts
            ]
            replies = ask_each(speaker, [script.prompt for script in scripts], asked)
            rows[f"facts, {split} wordings"] = row(
                sum(a.value in r.lower() for _, a, r in replies), len(replies)
            )
        found_tones = tones.tones([reply for *_, reply in replies])
        hits = sum(
            scripts[n].sheet.voice.tone.name == t for (n, *_), t in zip(replies, found_tones, strict=True)
        )
        found.append(rows | {"tone": row(hits, len(replies))})
    return found


def plot_growth(growth: list[Figures], path: Path) -> None:
    """Shares over tokens, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
    tokens = [entry["tokens"] / 1e6 for entry in growth]
    for name in [name for name in growth[0] if name != "tokens"]:
        axes.plot(tokens, [100 * entry[name]["value"] for entry in growth], marker="o", label=name)
    axes.set(xlabel="million tokens", ylabel="% of replies", ylim=(0, 100))
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=130)


def table(figures: Figures) -> str:
    """The figures as Markdown."""
    lines = [
        "| Arm | Turn | " + " | ".join(SCORES) + " | replies |",
        "|---|---|" + "---|" * (len(SCORES) + 1),
    ]
    for arm, turns in figures["arms"].items():
        for turn, scores in turns.items():
            cells = [_cell(name, scores[name]) for name in SCORES]
            lines.append(f"| {arm} | {turn} | {' | '.join(cells)} | {scores['tone']['count']} |")
    ceiling = figures["tone ceiling"]
    lines.append(
        f"\nThe tone classifier finds the tone of {ceiling['value']:.0%} of the generator's own replies."
    )
    for arm, found in figures["honesty"].items():
        lines += [f"- {arm} {name}: {_share(cell)}" for name, cell in found.items()]
    for kind, cell in figures["assistant"].items():
        lines.append(f"- mini+{kind}, AI disclaimer on questions about itself: {_share(cell)}")
    return "\n".join(lines)


def _cell(name: str, score: Figures) -> str:
    if not score["count"]:
        return "–"
    if name == "relevance":
        return f"{score['value']:.2f} ({score['low']:.2f}–{score['high']:.2f})"
    return f"{score['value']:.0%} ({score['low']:.0%}–{score['high']:.0%})"


def _share(cell: Figures) -> str:
    return f"{cell['value']:.0%} ({cell['low']:.0%} to {cell['high']:.0%}), n {cell['count']}"


def _folder(given: Path | None, name: str) -> Path:
    if given is not None:
        return given
    import understudy_miniatures

    return understudy_miniatures.path(name)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.miniatures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mini", type=Path, help="model folder; default: the shipped one")
    parser.add_argument("--star", type=Path, help="model folder; default: the shipped one")
    parser.add_argument("--sheets", type=int, default=200, help="held-out sheets, default 200")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="write the figures there as JSON")
    parser.add_argument("--samples", action="store_true", help="print unedited exchanges instead")
    parser.add_argument("--growth", type=Path, help="folder of a training run; measures its exports instead")
    options = parser.parse_args()
    if options.growth:
        growth = measure_growth(options.growth, sheets=min(options.sheets, 40), seed=options.seed)
        for entry in growth:
            cells = [f"{name} {_share(cell)}" for name, cell in entry.items() if name != "tokens"]
            print(f"{entry['tokens']:,} tokens: {'; '.join(cells)}")
        if options.output:
            write_json(options.output, {"growth": growth})
            plot_growth(growth, options.output.with_suffix(".png"))
        return
    mini = Speaker(_folder(options.mini, "mini"), options.threads)
    star = Speaker(_folder(options.star, "mini-star"), options.threads)
    if options.samples:
        print(samples(mini, star, options.seed))
        return
    figures = measure(mini, star, sheets=options.sheets, seed=options.seed)
    print(table(figures))
    if options.output:
        write_json(options.output, figures)


if __name__ == "__main__":
    main()
