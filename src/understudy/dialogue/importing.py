"""Importing: a file becomes dialogues in the character's folder, without repeating any."""

import filecmp
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from understudy.atomic import copy_file
from understudy.character.character import load_character
from understudy.dialogue.dialogue import Dialogue, load_dialogues, save_dialogues
from understudy.dialogue.formats import read_source
from understudy.dialogue.line import Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.preference import Preference, find_preferences, load_preferences, save_preferences
from understudy.dialogue.scene import UNSURE_REASON, cut_dialogues
from understudy.dialogue.speaker import clean_label, find_speakers, normalize_label
from understudy.errors import DialogueError
from understudy.folder import CharacterFolder, alone

__all__ = ["UNSURE_HINT", "ImportReport", "import_dialogues"]

SAMPLES = 5
_PLACEHOLDER = re.compile(r"\{\{\s*[a-zA-Z_]\w*\s*\}\}")
UNSURE_HINT = "Write all lines to a table with --write-lines FILE.csv, fill in the speakers, and import that."


@dataclass(frozen=True)
class ImportReport:
    """What an import found and did. ``dialogues``, ``replies`` and ``groups`` count the file's own.

    ``added`` dialogues are new in ``dialogues.jsonl``, ``known`` were there already, ``outdated``
    come from an earlier import of this file that read it otherwise, and ``total`` are there now.
    ``preferences`` counts the file's replies that somebody decided against, ``preferences_added`` those
    that are new in ``preferences.jsonl``.
    """

    file: str
    format: str
    details: dict[str, str]
    speakers: list[str]
    lines: int
    lines_of_speaker: int
    dialogues: int
    replies: int
    groups: int
    added: int
    known: int
    outdated: int
    removed: int
    total: int
    skipped: dict[str, int]
    samples: list[dict[str, str]]
    warnings: list[str]
    dry_run: bool
    preferences: int = 0
    preferences_added: int = 0

    def as_json(self) -> dict[str, Any]:
        """The report as one JSON object."""
        return asdict(self)


def import_dialogues(
    folder: CharacterFolder,
    path: Path,
    options: ImportOptions | None = None,
    *,
    dry_run: bool = False,
    replace_earlier: bool = False,
) -> ImportReport:
    """Add a file's dialogues to ``dialogues.jsonl`` and keep a copy of the file in ``sources/``.

    Importing the same file again adds nothing: ids come from the words. A dialogue that was
    edited by hand keeps its id, and is not brought back.

    Args:
        folder: The character's folder.
        path: Transcript, script or chat file.
        options: How to read it; without speakers, the character's own name is the speaker.
        dry_run: Only report.
        replace_earlier: Remove what an earlier import of this file left and this one does not make.

    Raises:
        DialogueError: The file cannot be read, or the speaker says nothing in it.
        CharacterError: ``character.yaml`` cannot be read.
    """
    character = load_character(folder.character)
    options = options or ImportOptions()
    asked = tuple(name for name in options.speakers if name.strip())
    options = replace(options, speakers=asked or (character.name,))
    reading = read_source(path, options)
    if not asked:
        options = replace(options, speakers=_default_speakers(reading, character.name))
    dialogues, labels = _dialogues(path, reading, options)
    with alone(folder.root):
        return _add(folder, path, reading, dialogues, labels, character.name, dry_run, replace_earlier)


def _default_speakers(reading: Reading, name: str) -> tuple[str, ...]:
    """The character's own name, or the label of the one character that the file itself names."""
    labels = {normalize_label(line.speaker) for line in reading.lines if line.speaker}
    if normalize_label(name) not in labels and len(reading.characters) == 1:
        return reading.characters
    return (name,)


def _add(
    folder: CharacterFolder,
    path: Path,
    reading: Reading,
    dialogues: list[Dialogue],
    labels: frozenset[str],
    name: str,
    dry_run: bool,
    replace_earlier: bool,
) -> ImportReport:
    """Write what is new, and report it."""
    existing = load_dialogues(folder.dialogues) if folder.dialogues.exists() else []
    known = {dialogue.id for dialogue in existing}
    new = [dialogue for dialogue in dialogues if dialogue.id not in known]
    outdated = _outdated(existing, dialogues, path.name)
    removed = outdated if replace_earlier else set()
    kept = [dialogue for dialogue in existing if dialogue.id not in removed]
    preferences = find_preferences(dialogues, reading.alternatives, path.name)
    new_preferences = _new_preferences(folder, preferences)
    if not dry_run:
        _keep_source(folder, path)
        if new or removed:
            save_dialogues(folder.dialogues, [*kept, *new])
        if new_preferences:
            save_preferences(folder.preferences, [*load_preferences(folder.preferences), *new_preferences])
    return ImportReport(
        file=str(path),
        format=reading.format,
        details=reading.details,
        speakers=_speakers(dialogues),
        lines=sum(line.speaker is not None for line in reading.lines),
        lines_of_speaker=sum(normalize_label(line.speaker or "") in labels for line in reading.lines),
        dialogues=len(dialogues),
        replies=sum(len(dialogue.replies()) for dialogue in dialogues),
        groups=len({dialogue.group for dialogue in dialogues}),
        added=len(new),
        known=len(dialogues) - len(new),
        outdated=len(outdated) - len(removed),
        removed=len(removed),
        total=len(kept) + len(new),
        skipped=dict(reading.skipped.most_common()),
        samples=_samples(dialogues, name),
        warnings=reading.warnings,
        dry_run=dry_run,
        preferences=len(preferences),
        preferences_added=len(new_preferences),
    )


def _new_preferences(folder: CharacterFolder, preferences: list[Preference]) -> list[Preference]:
    known = {preference.id for preference in load_preferences(folder.preferences)} if preferences else set()
    return [preference for preference in preferences if preference.id not in known]


def _dialogues(path: Path, reading: Reading, options: ImportOptions) -> tuple[list[Dialogue], frozenset[str]]:
    """The file's dialogues, each once, and the normalized labels of the character."""
    dialogues, speakers = reading.dialogues, frozenset[str]()
    if reading.lines:
        speakers = find_speakers(path, reading.lines, options.speakers)
        dialogues = cut_dialogues(
            reading.lines,
            speakers,
            options,
            prefix=path.stem,
            skipped=reading.skipped,
            written=reading.written,
        )
    _warn_of_placeholders(path, dialogues, reading)
    if options.category:
        dialogues = [d if d.category else replace(d, category=options.category) for d in dialogues]
    once = {dialogue.id: dialogue for dialogue in reversed(dialogues)}
    if repeated := len(dialogues) - len(once):
        reading.skipped["dialogue that is word for word in the file twice"] += repeated
    if not once:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in reading.skipped.most_common())
        hint = f" {UNSURE_HINT}" if reading.skipped[UNSURE_REASON] else ""
        raise DialogueError(
            f"{path}: holds no line to which the speaker replies ({reasons or 'no lines'}).{hint}"
        )
    return list(reversed(once.values())), speakers


def _warn_of_placeholders(path: Path, dialogues: Iterable[Dialogue], reading: Reading) -> None:
    """Names that a program was to fill in would be learned as words."""
    found = [
        m[0] for d in dialogues for i in d.replies() for m in _PLACEHOLDER.finditer(d.messages[i].content)
    ]
    if found:
        shown = ", ".join(sorted(set(found))[:3])
        reading.warnings.append(
            f"{path}: replies hold {len(found)} placeholders ({shown}). Fill them in before you build: they "
            "would be learned as they stand."
        )


def _speakers(dialogues: Iterable[Dialogue]) -> list[str]:
    """Names under which the file knows the character."""
    replies = (d.messages[i] for d in dialogues for i in d.replies())
    return sorted({clean_label(message.speaker) for message in replies if message.speaker})


def _outdated(existing: Iterable[Dialogue], dialogues: Iterable[Dialogue], file: str) -> set[str]:
    """Ids of dialogues that came from this file but are not made of it any more."""
    made = {dialogue.id for dialogue in dialogues}
    return {d.id for d in existing if d.source.rpartition(":")[0] == file and d.id not in made}


def _keep_source(folder: CharacterFolder, path: Path) -> None:
    """Copy the file into ``sources/``; another file of the same name keeps its place."""
    candidates = [path.name, *(f"{path.stem}-{n}{path.suffix}" for n in range(2, 1000))]
    for name in candidates:
        target = folder.sources / name
        if not target.exists():
            copy_file(path, target)
            return
        if filecmp.cmp(path, target, shallow=False):
            return


def _samples(dialogues: list[Dialogue], name: str) -> list[dict[str, str]]:
    """A few replies from all over the file, each with what it answers."""
    step = max(1, len(dialogues) // SAMPLES)
    samples = []
    for dialogue in dialogues[::step][:SAMPLES]:
        position = next((i for i in dialogue.replies() if i), dialogue.replies()[0])
        before = dialogue.messages[position - 1] if position else None
        samples.append(
            {
                "before": before.content if before else "",
                "before_speaker": (before.speaker or "") if before else "",
                "reply": dialogue.messages[position].content,
                "speaker": dialogue.messages[position].speaker or name,
                "source": dialogue.source,
            }
        )
    return samples
