"""Check the scorers on other people's data: tones are told apart, and a pirate is not a cat.

    python -m benchmarks.scorers FOLDER

FOLDER holds `personality-chat-tones` (the same small talk in three tones),
`persona-instruct-pirate-and-cat` (instructions answered by a pirate and by a cat) and
`model-written-persona-evals` (would-you-say-this statements by trait); what is missing is said and
left out. Nothing is trained but the scorers' own classifiers.
"""

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from understudy.evaluation.detectors import says_it_is_ai
from understudy.evaluation.refusals import declines, says_it_does_not_know
from understudy.evaluation.scores.markers import learn_markers
from understudy.evaluation.scores.told_apart import two_sample_test
from understudy.evaluation.style import Line, train_style, train_topic_free_style

TONES = ("Friendly", "Humorous", "Professional")
MOST_PAIRS = 150


def tones(folder: Path) -> Iterator[str]:
    """One tone against the other two, in scenarios that the classifier has not seen."""
    asked = {tone: {question: pair for question, *pair in tone_rows(folder, tone)} for tone in TONES}
    lines = {tone: _tone_lines(folder, tone) for tone in TONES}
    for tone in TONES:
        others = [line for other in TONES if other != tone for line in lines[other]]
        yield from _quality(f"{tone.lower()} against the other tones", lines[tone], others)
    for a, b in (("Friendly", "Humorous"), ("Friendly", "Professional"), ("Humorous", "Professional")):
        shared = sorted(set(asked[a]) & set(asked[b]))
        real, given = ([asked[tone][question][0] for question in shared] for tone in (a, b))
        # Many questions share an answer; a scenario is never both learned from and tested on.
        scenarios = [asked[a][question][1] for question in shared]
        yield _apart(f"{a.lower()} and {b.lower()}, same questions", real, given, scenarios)
    distances = _habits({tone: [line.text for line in lines[tone]] for tone in TONES})
    yield f"habits: nearest tone is the own one in {distances} of {len(TONES)} tones, half against half"


def tone_rows(folder: Path, tone: str) -> Iterator[tuple[str, str, str]]:
    """Question, answer and scenario."""
    for row in _table(folder / f"personality-chat-tones/Queries_Responses_{tone}_QnAMaker.tsv"):
        yield row["Question"], row["Answer"], row["Metadata"].removeprefix("Scenario:")


def _table(path: Path) -> Iterator[dict[str, str]]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


def _tone_lines(folder: Path, tone: str) -> list[Line]:
    """Every answer with its scenario, from both kinds of files."""
    answers = [Line(answer, scenario) for _, answer, scenario in tone_rows(folder, tone)]
    others = _table(folder / f"personality-chat-tones/Scenario_Responses_{tone}.tsv")
    return answers + [Line(row["Response"], row["Scenario"]) for row in others]


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line]


def pirate_and_cat(folder: Path) -> Iterator[str]:
    """Two invented characters, the seed rows and their repetitions left out."""
    base = folder / "persona-instruct-pirate-and-cat"
    files = {"pirate": "captain_codebeard", "cat": "professor_snugglesworth"}
    lines = {}
    for name, stem in files.items():
        rows = [json.loads(row) for row in _lines(base / f"{stem}_generated.jsonl")]
        lines[name] = [Line(row["output"], f"{name}/{n}") for n, row in enumerate(rows[5:])]
    yield from _quality("pirate against cat", lines["pirate"], lines["cat"])
    texts = {name: [line.text for line in found] for name, found in lines.items()}
    half = {name: (found[::2], found[1::2]) for name, found in texts.items()}
    yield _apart("pirate and cat", half["pirate"][0], half["cat"][0])
    yield _apart("pirate and pirate, other instructions", *half["pirate"])
    yield _apart("cat and cat, other instructions", *half["cat"])
    yield f"habits: nearest character is the own one in {_habits(texts)} of 2 characters, half against half"
    everything = [*texts["pirate"], *texts["cat"]]
    for title, detector in (
        ("say that they are an AI", says_it_is_ai),
        ("say that they do not know", says_it_does_not_know),
        ("decline", declines),
    ):
        found = [text for text in everything if detector(text)]
        yield f"detector: {len(found)} of {len(everything)} lines {title}"


def statements(folder: Path) -> Iterator[str]:
    """Statements that fit a trait against those that do not: what is said, not how."""
    for path in sorted((folder / "model-written-persona-evals").glob("*.jsonl")):
        sides: dict[bool, list[Line]] = {True: [], False: []}
        for number, row in enumerate(map(json.loads, _lines(path))):
            fits = row["answer_matching_behavior"].strip() == "Yes"
            sides[fits].append(Line(row["statement"], f"{path.stem}/{number}"))
        yield from _quality(path.stem, sides[True], sides[False])


def _quality(title: str, real: Sequence[Line], others: Sequence[Line]) -> Iterator[str]:
    for kind, train in (("n-grams", train_style), ("topic-free", train_topic_free_style)):
        classifier = train(real, others)
        if classifier is not None:
            quality = classifier.quality
            yield (
                f"style, {kind}: {title}: accuracy {quality.accuracy:.2f}, AUC {quality.auc:.2f}, "
                f"{quality.count} lines"
            )


def _apart(title: str, real: Sequence[str], given: Sequence[str], groups: Sequence[str] = ()) -> str:
    pairs = list(zip(real, given, strict=False))[:MOST_PAIRS]
    held_out = list(groups)[:MOST_PAIRS] or list(map(str, range(len(pairs))))
    left, right = zip(*pairs, strict=True)
    found = []
    for kind in (False, True):
        test = two_sample_test(left, right, held_out, topic_free=kind)
        found.append(f"{'topic-free' if kind else 'n-grams'} AUC {test.auc:.2f} (p = {test.p:.3f})")
    return f"told apart: {title}: {', '.join(found)}; {len(pairs)} pairs"


def _habits(texts: dict[str, list[str]]) -> int:
    """Of how many voices the second half lies nearest to the first half of the same voice."""
    learned = {}
    for name, lines in texts.items():
        others = [line for other, found in texts.items() if other != name for line in found[::2]]
        learned[name] = learn_markers(lines[::2], others)
    right = 0
    for name, lines in texts.items():
        distances = {
            other: float(markers.distance(np.mean(markers.measure(lines[1::2]), axis=0), markers.means))
            for other, markers in learned.items()
            if markers is not None
        }
        right += min(distances, key=lambda other: distances[other]) == name
    return right


CHECKS: dict[str, tuple[str, Callable[[Path], Iterator[str]]]] = {
    "personality-chat-tones": ("Three tones", tones),
    "persona-instruct-pirate-and-cat": ("A pirate and a cat", pirate_and_cat),
    "model-written-persona-evals": ("Statements by trait", statements),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="holds the three data sets")
    folder = parser.parse_args().folder
    started = time.monotonic()
    for name, (title, check) in CHECKS.items():
        print(f"\n{title}")
        if not (folder / name).is_dir():
            print(f"  left out: {folder / name} is missing")
            continue
        for line in check(folder):
            print(f"  {line}")
    print(f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
