"""Script: plays, screenplays and ``NAME: line`` transcripts as lines."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from understudy.dialogue.line import Line, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.speaker import clean_label, normalize_label
from understudy.errors import DialogueError
from understudy.textfile import TextFile

__all__ = ["looks_like_script", "read_script"]

_WORD = r"(?:[^\W\d_a-z][\w'’.-]*|#?\d+)"
_PLAIN_WORD = r"(?:[^\W\d_a-z][\w'’-]*|#?\d+)"
_SMALL = r"(?:and|und|et|y|of|the|de|von|van|in|at|with|&|\+|to)"
_NAME = rf"{_WORD}(?:[ /,]+(?:{_WORD}|{_SMALL})){{0,5}}"
_ASIDE = r"(?:\s*[\(\[][^)\]\n]{0,60}[\)\]])?"
_CLOCK = r"(?:[\[\(]?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?[\]\)]?\s*[-–]?\s*)?"

# How a speech can begin. Each has the groups ``label`` and ``text``.
LAYOUTS = {
    "NAME: line": re.compile(
        rf"^\s*{_CLOCK}[-*_#<>]*\s*(?P<label>{_NAME}{_ASIDE})[*_>]*\s*[:：][*_]*(?:\s+(?P<text>.*)|\s*)$"
    ),
    "Name.  line": re.compile(
        rf"^_?(?P<label>(?:(?:Dr|Mr|Mrs|Ms|St)\. )?{_PLAIN_WORD}(?: {_PLAIN_WORD}){{0,3}})"
        r"\._?\s+(?P<text>\S.*)$"
    ),
    "NAME on a line of its own": re.compile(
        r"^\s*(?P<label>[A-ZÀ-Þ][A-ZÀ-Þ0-9'’.,&/# -]{1,38}(?:\s*\([^)\n]{1,30}\))?)\.?\s*(?P<text>)$"
    ),
}
_HEADING = re.compile(
    r"^[\s#=*_]*(?P<title>(?:(?:THE )?(?:FIRST|SECOND|THIRD|FOURTH|FIFTH|LAST) ACT|ACT|EPISODE|CHAPTER|PART"
    r"|BOOK|SEASON|PROLOGUE|EPILOGUE)\b[^.!?:]{0,40})[.:]?[^\n]{0,60}$",
    re.IGNORECASE,
)
_SCENE = re.compile(r"^[\s#=*_]*(?:SCENE\b.{0,80}|(?:INT|EXT)[./ ].{2,80}|(?:[*-]\s*){3,})$", re.IGNORECASE)
_NOT_HEADING = re.compile(r"ACT DROP|CURTAIN", re.IGNORECASE)
_BOOK_START = re.compile(r"^\s*\*{3}\s*START OF.*$", re.MULTILINE)
_BOOK_END = re.compile(
    r"^\s*(?:\*{3}\s*END OF|End of (?:the )?Project Gutenberg).*$", re.MULTILINE | re.IGNORECASE
)
WRAP_CHARACTERS = 50
LEAST_SHARE = 0.1


@dataclass
class _Block:
    """Lines of text between blank lines, with the number of the first."""

    number: int
    lines: list[str]


def looks_like_script(text: str) -> bool:
    """Whether enough paragraphs begin with names that come again; in prose, hardly any does."""
    sample, _ = _book_body(text[: 512 * 1024])
    paragraphs = sum(1 for _ in _blocks(sample, 1))
    return _best_layout(sample)[1] >= max(2, paragraphs * LEAST_SHARE)


def read_script(path: Path, file: TextFile, options: ImportOptions) -> Reading:
    """Read one line a speech. The layout is the one of ``LAYOUTS`` that fits most of the file.

    A speech may run over several lines. A paragraph without a name is narration. Headings of
    acts, episodes and chapters begin groups, headings of scenes begin scenes.

    Raises:
        DialogueError: No layout fits.
    """
    body, first_number = _book_body(file.text)
    layout, count = _best_layout(body)
    if not count:
        raise DialogueError(
            f"{path}: no line begins with a speaker's name (looked for 'NAME: line', 'Name.  line' and names "
            "on lines of their own). Write it as 'NAME: line', or as a table with columns speaker and text."
        )
    reading = Reading("script", details={"layout": layout, "encoding": file.encoding})
    reading.warnings += file.warnings
    labels = _labels(body, layout)
    reader = _Reader(path.name, LAYOUTS[layout], labels, reading)
    for block in _blocks(body, first_number):
        reader.read(block)
    reader.finish()
    return reading


def _book_body(text: str) -> tuple[str, int]:
    """The text without the header and licence of a Project Gutenberg book, and its first line."""
    start = _BOOK_START.search(text)
    end = _BOOK_END.search(text, start.end() if start else 0)
    begin = start.end() if start else 0
    return text[begin : end.start() if end and start else len(text)], text.count("\n", 0, begin) + 1


def _blocks(text: str, first_number: int) -> Iterator[_Block]:
    block = _Block(first_number, [])
    for number, line in enumerate(text.split("\n"), first_number):
        if line.strip():
            block = block if block.lines else _Block(number, [])
            block.lines.append(line)
        elif block.lines:
            yield block
            block = _Block(number, [])
    if block.lines:
        yield block


def _labels(text: str, layout: str) -> frozenset[str]:
    """Labels, normalized, that are believed to be speakers in this layout.

    After "NAME:" every capitalised label counts. A name that is told only by a full stop or by
    capitals must come at least three times, or sentences and headings would pass for people.
    """
    pattern, least = LAYOUTS[layout], 1 if layout == "NAME: line" else 3
    counts: Counter[str] = Counter()
    for block in _blocks(text, 1):
        for line in block.lines if layout == "NAME: line" else block.lines[:1]:
            match = pattern.match(line)
            if match and (layout != "NAME on a line of its own" or len(block.lines) > 1):
                counts[normalize_label(match["label"])] += 1
    return frozenset(k for k, n in counts.items() if n >= least and k and not _HEADING.match(k))


def _best_layout(text: str) -> tuple[str, int]:
    """The layout under which most speeches have a speaker who comes again, and their number."""
    counts = {layout: _repeated_speeches(text, layout) for layout in LAYOUTS}
    best = max(counts, key=lambda layout: counts[layout])
    return best, counts[best]


def _repeated_speeches(text: str, layout: str) -> int:
    pattern, own_line = LAYOUTS[layout], layout == "NAME on a line of its own"
    counts: Counter[str] = Counter()
    for block in _blocks(text, 1):
        for line in block.lines if layout == "NAME: line" else block.lines[:1]:
            match = pattern.match(line)
            if match and not (own_line and len(block.lines) < 2):
                counts[normalize_label(match["label"])] += 1
    least = 2 if layout == "NAME: line" else 3
    repeated = sum(n for n in counts.values() if n >= least)
    return repeated or (sum(counts.values()) if layout == "NAME: line" and len(counts) > 1 else 0)


class _Reader:
    """Goes through the blocks, keeping the current group, scene and speech."""

    def __init__(self, file: str, pattern: re.Pattern[str], labels: frozenset[str], reading: Reading) -> None:
        self.file, self.pattern, self.labels, self.reading = file, pattern, labels, reading
        self.group, self.scene = "", 0
        self.speaker: str | None = None
        self.words: list[str] = []
        self.number = 0

    def read(self, block: _Block) -> None:
        """Read one paragraph: headings, speeches, or narration."""
        self.finish()
        if len(block.lines) == 1 and self.heading(block.lines[0]):
            return
        previous = ""
        for offset, line in enumerate(block.lines):
            label, text = self.label(line)
            if label:
                self.begin(label, text, block.number + offset)
            elif self.words and self.speaker is None:
                self.words.append(line)
            elif self.speaker is None or self.ends_speech(previous, line):
                self.begin(None, line, block.number + offset)
            else:
                self.words.append(line)
            previous = line

    def heading(self, line: str) -> bool:
        title = _HEADING.match(line)
        if title and not _NOT_HEADING.search(line):
            self.group, self.scene = " ".join(title["title"].split()), self.scene + 1
            return True
        if _SCENE.match(line):
            self.scene += 1
            return True
        return False

    def label(self, line: str) -> tuple[str | None, str]:
        match = self.pattern.match(line)
        if match and normalize_label(match["label"]) in self.labels:
            return clean_label(match["label"]), _aside(match["label"]) + (match["text"] or "")
        return None, ""

    def ends_speech(self, previous: str, line: str) -> bool:
        """Whether an unlabelled line right below a speech is narration rather than its next line.

        It is where it stands in brackets as a whole, or where the speech above was so short
        that it was not broken for its length and had ended with a full stop.
        """
        if re.fullmatch(r"\s*[\[(].*[\])]\s*", line) and not self.pattern.match(previous):
            return False
        match = self.pattern.match(previous)
        short = bool(match and match["text"]) and len(previous) < WRAP_CHARACTERS
        return short and previous.rstrip()[-1:] in ".!?…\"”'" and self.pattern is LAYOUTS["NAME: line"]

    def begin(self, speaker: str | None, text: str, number: int) -> None:
        self.finish()
        self.speaker, self.words, self.number = speaker, [text] if text.strip() else [], number

    def finish(self) -> None:
        """Store the current speech."""
        text = re.sub(r"(?<=\w)-\n\s*(?=\w)", "-", "\n".join(self.words))  # "cloak-" at a line's end
        text = " ".join(text.split())
        if text:
            if self.speaker is None:
                self.reading.skipped["paragraph without a speaker (narration)"] += 1
            source = f"{self.file}:{self.number}"
            self.reading.lines.append(Line(self.speaker, text, self.group, str(self.scene or ""), source))
        elif self.speaker is not None:
            self.reading.skipped["speaker without a speech"] += 1
        self.speaker, self.words = None, []


def _aside(label: str) -> str:
    """``IROH (whispering)`` keeps its direction at the beginning of the speech."""
    match = re.search(r"[\(\[]([^)\]]+)[\)\]]", label)
    technical = match and re.fullmatch(r"(?i)\W*(v\.?o\.?|o\.?s\.?|o\.?c\.?|cont['’]?d?\.?|\d+)\W*", match[1])
    return f"[{match[1]}] " if match and not technical else ""
