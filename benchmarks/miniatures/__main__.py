"""Measure the miniature models on sheets, names, words and question wordings that they have never seen.

    python -m benchmarks.miniatures                              # or: python benchmarks/miniatures
    python -m benchmarks.miniatures --mini FOLDER --star FOLDER --sheets 40 --output figures.json
    python -m benchmarks.miniatures --growth RUN RUN --output growth.json   # exports of trainings
    python -m benchmarks.miniatures --samples --seed 7           # unedited exchanges

Four arms play the same scripts: mini without a prompt, mini with "You are NAME.", mini and mini-star under
the sheet. Each sheet is one conversation of twelve turns with the model's own replies as history. At turns
1, 4, 8 and 12 every sheet is asked a fact (held-out wording), a teasing question and small talk: the first
two of copies of the conversation, which then goes on with the small talk. So each of these turns holds one of
every kind from every sheet, and turns can be compared. In between come other facts and talk of the kinds that
were trained. No line holds the answer to a measured fact, nor was one asked before.

Replies are greedy. A share carries Wilson's 95 % interval, or a bootstrap over sheets where a sheet gave
several replies. Tone is a classifier's first choice; what it finds in the generator's own replies is its
ceiling. Relevance is the share of 19 other user lines that a reply fits worse than its own (chance 0.5). A
fact dump holds three facts or more. Sheets that other people wrote follow where ../shared/data is there.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

if not __package__:  # run as a folder: the first place for modules is the repository, not this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks.miniatures.decoder import Speaker
from benchmarks.miniatures.growth import measure_growth, plot_growth
from benchmarks.miniatures.measure import measure
from benchmarks.miniatures.others import DATA, measure_others
from benchmarks.miniatures.samples import samples
from benchmarks.miniatures.tables import growth_table, table
from understudy.atomic import write_json

GROWTH_SHEETS = 40


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, measure, print."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.growth:
        return _growth(options)
    mini = Speaker(_folder(parser, options.mini, "mini"), options.threads)
    star = Speaker(_folder(parser, options.star, "mini-star"), options.threads)
    if options.samples:
        return print(samples(mini, star, options.seed))
    figures = measure(mini, star, sheets=options.sheets, seed=options.seed)
    figures["others"] = measure_others(mini, star, options.data)
    print(table(figures))
    if options.output:
        write_json(options.output, figures)


def _parser() -> argparse.ArgumentParser:
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
    parser.add_argument("--data", type=Path, default=DATA, help="other people's sheets, default: %(default)s")
    parser.add_argument("--output", type=Path, help="write the figures there as JSON")
    parser.add_argument("--samples", action="store_true", help="print unedited exchanges instead")
    parser.add_argument(
        "--growth",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="folders of training runs; measures their exports instead, and draws beside --output",
    )
    return parser


def _growth(options: Any) -> None:
    sheets = min(options.sheets, GROWTH_SHEETS)
    growth = [
        entry
        for run in options.growth
        for entry in measure_growth(run, sheets=sheets, seed=options.seed, threads=options.threads)
    ]
    print(growth_table(growth))
    picture = (options.output or Path("growth.json")).with_suffix(".png")
    plot_growth(growth, picture)
    print(f"\nDrawn in {picture}")
    if options.output:
        write_json(options.output, {"growth": growth})


def _folder(parser: argparse.ArgumentParser, given: Path | None, name: str) -> Path:
    if given is not None:
        return given
    import understudy_miniatures

    try:
        return understudy_miniatures.path(name)
    except FileNotFoundError as error:
        parser.error(f"{error} Name a folder: --{name.removeprefix('mini-')} FOLDER")


if __name__ == "__main__":
    main()
