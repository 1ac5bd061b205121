"""Growth: facts and tone of the models that a training kept on its way, by tokens."""

import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.miniatures.arms import ask_each
from benchmarks.miniatures.decoder import Speaker
from benchmarks.miniatures.measure import Figures, say
from benchmarks.miniatures.plan import Asked, Script, draw_scripts
from benchmarks.miniatures.scores import ToneClassifier, says, share_row
from understudy.miniature.role import fact_exchange

__all__ = ["measure_growth", "plot_growth"]

FACTS_ASKED = 4


def measure_growth(folder: Path, *, sheets: int, seed: int, threads: int = 1) -> list[Figures]:
    """Facts, in trained and held-out wordings, and tone of each export under ``folder/growth``, at the
    first turn, in the order of their tokens.
    """
    scripts, tones = draw_scripts(sheets, seed), ToneClassifier()
    found = []
    for export in sorted((folder / "growth").iterdir(), key=lambda path: int(path.name)):
        say(f"{folder.name} {export.name}")
        speaker = Speaker(export, threads)
        found.append({"run": folder.name, "tokens": int(export.name)} | _measure(speaker, scripts, tones))
    return found


def _measure(speaker: Speaker, scripts: Sequence[Script], tones: ToneClassifier) -> Figures:
    rows: Figures = {}
    for split in ("train", "held_out"):
        asked = [_asked(script, split) for script in scripts]
        replies = ask_each(speaker, [script.prompt for script in scripts], asked)
        numbers = [n for n, *_ in replies]
        hits = [says(reply, line.value) for _, line, reply in replies]
        rows[f"facts, {split.replace('_', '-')} wordings"] = share_row(hits, numbers)
    wanted = [scripts[n].sheet.voice.tone.name for n in numbers]
    heard = tones.tones([reply for *_, reply in replies])
    rows["tone"] = share_row([a == b for a, b in zip(heard, wanted, strict=True)], numbers)
    return rows


def _asked(script: Script, split: str) -> list[Asked]:
    """Questions about the first facts, without those that hold their answer."""
    rng = random.Random(f"growth {split} {script.sheet.name}")
    exchanges = [fact_exchange(script.sheet, index, rng, split) for index in range(FACTS_ASKED)]
    return [Asked("fact", e.user, e.value) for e in exchanges if e.value not in e.user.lower()]


def plot_growth(growth: Sequence[Figures], path: Path) -> None:
    """Shares over tokens with their intervals, as a picture; runs differ by dashes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
    names = [name for name in growth[0] if name not in ("run", "tokens")]
    runs = list(dict.fromkeys(entry["run"] for entry in growth))
    for dashes, run in zip(("-", "--", ":", "-.") * len(runs), runs, strict=False):
        entries = [entry for entry in growth if entry["run"] == run]
        tokens = [entry["tokens"] / 1e6 for entry in entries]
        for colour, name in enumerate(names):
            label = name if len(runs) == 1 else f"{run}, {name}"
            values, low, high = ([100 * e[name][key] for e in entries] for key in ("value", "low", "high"))
            axes.plot(tokens, values, f"C{colour}", linestyle=dashes, marker="o", label=label)
            axes.fill_between(tokens, low, high, color=f"C{colour}", alpha=0.12, linewidth=0)
    axes.set(xlabel="million tokens", ylabel="% of replies", ylim=(0, 100))
    axes.legend(frameon=False, fontsize="small")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
