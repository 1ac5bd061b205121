"""Fountain: screenplays in plain text.

Source: the Fountain syntax, version 1.1 (fountain.io/syntax).
"""

import re
from collections.abc import Iterator

from understudy.dialogue.line import Line, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.source_file import SourceFile
from understudy.dialogue.speaker import clean_label
from understudy.errors import DialogueError

__all__ = ["looks_like_fountain", "read_fountain"]

_BONEYARD = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_NOTE = re.compile(r"\[\[.*?\]\]", re.DOTALL)
_TITLE = re.compile(r"^(?:title|credit|authors?|source|notes|draft date|date|contact|copyright)\s*:", re.I)
_SCENE = re.compile(r"^(?:\.(?=\w)|(?:INT|EXT|EST|INT\./EXT|INT/EXT|I/E)[. ])", re.IGNORECASE)
_FORCED = re.compile(r"^@(?P<name>\S.*)$")
_NAME = re.compile(r"^(?P<name>[^\W\d_a-z][^a-z]*?)(?P<aside>(?:\s*\([^()]*\))*)\s*\^?$")
_TRANSITION = re.compile(r"^(?:[^a-z]*TO:|FADE (?:IN|OUT)[:.]?|>.*[^<])$")
_EMPHASIS = re.compile(r"(?<!\\)(\*{1,3}|_)(?=\S)(.+?)(?<=\S)\1")
_VOICE = re.compile(
    r"(?i)\(\s*(?:v\.?\s?o\.?|o\.?\s?[sc]\.?|cont['’]?d?\.?|continued|on phone|filtered)\s*\)"
)


def looks_like_fountain(file: SourceFile) -> bool:
    """By its name, or scene headings and names in capitals above their speeches."""
    if {suffix.casefold() for suffix in file.path.suffixes} & {".fountain", ".spmd"}:
        return True
    lines = file.head.split("\n")[:20_000]
    scenes = sum(_SCENE.match(line.strip()) is not None and not line.startswith("..") for line in lines)
    return scenes >= 2 and sum(1 for _ in _speeches(lines, 1)) >= 3


def read_fountain(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one line a speech. Sections are groups, scene headings scenes; notes and boneyard stay out.

    Raises:
        DialogueError: No character says anything.
    """
    reading = Reading(
        "Fountain screenplay", details={"encoding": file.encoding}, warnings=list(file.warnings)
    )
    # Cut-outs keep their line breaks, so that the numbers of lines stay true.
    text = _BONEYARD.sub(lambda match: "\n" * match[0].count("\n"), file.text)
    text = _NOTE.sub(lambda match: "\n" * match[0].count("\n"), text)
    lines = text.split("\n")
    first = _title_page(lines)
    reader = _Screenplay(file.path.name, reading)
    position = first
    speeches = {speech[0]: speech for speech in _speeches(lines[first:], first + 1)}
    while position < len(lines):
        speech = speeches.get(position + 1)
        if speech:
            reader.speech(speech[1], speech[2], position + 1)
            position = speech[3]
        else:
            reader.line(lines[position].strip(), position + 1)
            position += 1
    if not any(line.speaker for line in reading.lines):
        raise DialogueError(
            f"{file.path}: no character speaks in it. A speech is a name in capitals, and the words on the "
            "next line; a name in small letters begins with @."
        )
    reading.details["scenes"] = str(reader.scene)
    return reading


def _title_page(lines: list[str]) -> int:
    """The position after the title page, which ends with an empty line."""
    if not lines or not _TITLE.match(lines[0]):
        return 0
    return next((i + 1 for i, line in enumerate(lines) if not line.strip()), len(lines))


def _speeches(lines: list[str], first_number: int) -> Iterator[tuple[int, str, str, int]]:
    """``(line, name, words, position after it)``; a name has an empty line above and none below."""
    for i, line in enumerate(lines[:-1]):
        before = lines[i - 1].strip() if i else ""
        name = _name(line)
        if not name or before or not lines[i + 1].strip():
            continue
        words, end = [], i + 1
        # Two blanks on an otherwise empty line keep a speech going.
        while end < len(lines) and (lines[end].strip() or lines[end] == "  "):
            words.append(lines[end].strip())
            end += 1
        yield first_number + i, name, _words(words), first_number - 1 + end


def _name(line: str) -> str:
    text = line.strip()
    if forced := _FORCED.match(text):
        return forced["name"].rstrip("^ ")
    if text.startswith(("!", "~", "#", "=", ">", ".")) or _SCENE.match(text) or _TRANSITION.match(text):
        return ""
    match = _NAME.match(text)
    return text.rstrip("^ ") if match and any(letter.isalpha() for letter in match["name"]) else ""


def _words(lines: list[str]) -> str:
    """The speech on one line; parentheticals in brackets, lyrics without their mark."""
    text = " ".join(line.removeprefix("~").strip() for line in lines if line)
    for _ in range(3):
        text = _EMPHASIS.sub(r"\2", text)
    return text.replace("\\*", "*").replace("\\_", "_")


class _Screenplay:
    """Keeps section and scene while the lines go by."""

    def __init__(self, file: str, reading: Reading) -> None:
        self.file, self.reading = file, reading
        self.group, self.scene = "", 0

    def speech(self, name: str, words: str, number: int) -> None:
        label = clean_label(_VOICE.sub("", name))
        if not words:
            self.reading.skipped["speaker without a speech"] += 1
            return
        source = f"{self.file}:{number}"
        self.reading.lines.append(Line(label, words, self.group, str(self.scene), source))

    def line(self, text: str, number: int) -> None:
        if text.startswith("#"):
            self.group, self.scene = text.strip("# "), self.scene + 1
        elif _SCENE.match(text) and not text.startswith(".."):
            self.scene += 1
        elif text and not text.startswith("=") and not _TRANSITION.match(text):
            self.reading.skipped["action (narration)"] += 1
            self.reading.lines.append(Line(None, text, self.group, str(self.scene), f"{self.file}:{number}"))
