"""Ten generated dialogues, drawn by a seed, as a page to read.

    python benchmarks/generated_samples.py FOLDER > docs/generated-samples.md

FOLDER is a character's folder that `understudy generate` or `understudy teach` has filled. Nothing is chosen
by hand: what the draw brings is shown, with the counts of what was refused before it.
"""

import argparse
import json
import random
import textwrap
from pathlib import Path

from understudy.dialogue import load_dialogues
from understudy.folder import open_folder

SHOWN_MESSAGES = 12


def shown(dialogue):
    """A dialogue as a quotation; of a long one the beginning."""
    lines = [f"**{dialogue.category or 'no category'}**, {dialogue.group}", ""]
    for message in dialogue.messages[:SHOWN_MESSAGES]:
        note = " (the student's, not learned)" if message.weight == 0 else ""
        lines.append(f"> **{message.role}**{note}: {' '.join(message.content.split())}  ")
    if len(dialogue.messages) > SHOWN_MESSAGES:
        lines.append(f"> … and {len(dialogue.messages) - SHOWN_MESSAGES} messages more")
    return [*lines, ""]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dialogues", type=int, default=10)
    options = parser.parse_args()
    folder = open_folder(options.folder)
    dialogues = load_dialogues(folder.dialogues)
    taught = json.loads(Path(folder.root / "teaching.json").read_text(encoding="utf-8"))
    drawn = random.Random(options.seed).sample(dialogues, min(options.dialogues, len(dialogues)))
    refused = ", ".join(f"{count:,} x {why}" for why, count in taught["refused"].items())
    print(
        "\n".join(
            [
                "# What generating makes",
                "",
                f"{len(drawn)} of the {len(dialogues):,} dialogues that `{taught['model']}` wrote for "
                f"`{folder.root.name}` on {taught['written_at'][:10]}, drawn by",
                f"`python benchmarks/generated_samples.py {folder.root.name} --seed {options.seed}`; "
                "none was left out by hand.",
                "",
                *textwrap.wrap(
                    f"{taught['outlines']:,} conversations took {taught['requests']:,} requests; "
                    f"{taught['kept_at_once']:,} replies were kept at once, {taught['repaired']:,} repaired, "
                    f"{taught['dropped']:,} dropped. Refused on the way: {refused}.",
                    120,
                ),
                "",
                *(line for dialogue in drawn for line in shown(dialogue)),
            ]
        ).rstrip()
    )


if __name__ == "__main__":
    main()
