"""Ten dialogues through every importer, as a page to read.

    python benchmarks/import_samples.py > docs/import-samples.md

The words are those of Princess Ophelia's own dialogues; each format gets ten others.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/dialogue"))

from written import WRITTEN  # noqa: E402

from understudy.character import Character, save_character  # noqa: E402
from understudy.dialogue import ImportOptions, import_dialogues, load_dialogues  # noqa: E402
from understudy.folder import CharacterFolder  # noqa: E402

OPHELIA = ROOT / "src/understudy/examples/ophelia/dialogues.jsonl"
SHOWN_LINES = 14
WIDTH = 110
DIALOGUES = 10


def conversations(number):
    """Conversations of the shipped character, others for each format; long ones are shortened."""
    dialogues = load_dialogues(OPHELIA)
    chosen = dialogues[number :: len(WRITTEN)][: 2 * DIALOGUES]
    names = {"user": "Traveller", "assistant": "Ophelia"}
    return [
        [(names[m.role], " ".join(m.content.split())) for m in dialogue.messages if m.role in names][:4]
        for dialogue in chosen
    ]


def sample(name, number):
    """One section: the beginning of the file, how it was understood, and the dialogues."""
    file_name, write = WRITTEN[name]
    text = write(conversations(number))
    with tempfile.TemporaryDirectory() as place:
        folder, path = CharacterFolder(Path(place) / "ophelia"), Path(place) / file_name
        save_character(folder.character, Character(name="Ophelia"))
        path.write_text(text, encoding="utf-8")
        report = import_dialogues(folder, path, ImportOptions(context=2, max_messages=4))
        dialogues = load_dialogues(folder.dialogues)
    lines = [clipped(line) for line in text.split("\n")[:SHOWN_LINES]]
    details = "; ".join(f"{what}: {value}" for what, value in report.details.items())
    told = [f"## {name}", "", f"The beginning of `{file_name}`:", "", "````", *lines, "````", ""]
    told += [f"Read as {report.format} ({details}). Ten of its {report.dialogues} dialogues:", ""]
    for dialogue in dialogues[:DIALOGUES]:
        told += [f"{dialogue.source}, group {dialogue.group}", ""]
        told += [f"> **{m.speaker or m.role}:** {shown(m.content)}  " for m in dialogue.messages]
        told.append("")
    return told


def clipped(line):
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def shown(text):
    """A message in a Markdown quotation."""
    return text.replace("\n", "  \n> ").replace("*", "\\*")


def page():
    told = [
        "# What the importers make",
        "",
        "Ten dialogues through every importer, made by `python benchmarks/import_samples.py`. The words",
        "are Princess Ophelia's own; each format gets others. [Importing](importing.md) tells the formats.",
        "",
    ]
    for number, name in enumerate(WRITTEN):
        told += sample(name, number)
    return "\n".join(told).rstrip() + "\n"


if __name__ == "__main__":
    print(page(), end="")
