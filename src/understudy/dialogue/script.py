"""Script: plays, screenplays and ``NAME: line`` transcripts as lines."""

import re

from understudy.dialogue.layout import STAMP, Block, Layout, best_layout, count_labels, split_blocks
from understudy.dialogue.leftovers import without_code
from understudy.dialogue.line import Line, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.source_file import SourceFile
from understudy.dialogue.speaker import clean_label, normalize_label
from understudy.errors import DialogueError

__all__ = ["HEADING", "book_body", "looks_like_script", "read_script"]

HEADING = re.compile(
    r"^[\s#=*_]*(?P<title>(?:(?:THE )?(?:FIRST|SECOND|THIRD|FOURTH|FIFTH|LAST) ACT|ACT|EPISODE|CHAPTER|PART"
    r"|BOOK|SEASON|PROLOGUE|EPILOGUE)\b[^.!?:]{0,40})[.:]?[^\n]{0,60}$",
    re.IGNORECASE,
)
_SCENE = re.compile(r"^[\s#=*_]*(?:SCENE\b.{0,80}|(?:INT|EXT)[./ ].{2,80}|(?:[*-]\s*){3,})$", re.IGNORECASE)
_NOT_HEADING = re.compile(r"ACT DROP|CURTAIN", re.IGNORECASE)
_BOOK_START = re.compile(r"^[ \t]*\*{3}[ \t]*START OF.*$", re.MULTILINE)
_BOOK_END = re.compile(
    r"^[ \t]*(?:\*{3}[ \t]*END OF|End of (?:the )?Project Gutenberg).*$", re.MULTILINE | re.IGNORECASE
)
_OMITTED = re.compile(
    r"(?i)[\u200e<]*(?:media|image|video|audio|sticker|gif|document|contact card)s? omitted>?"
    r"|<attached: [^<>]*>"
)
WRAP_CHARACTERS = 50
LEAST_SHARE = 0.1
SAMPLE_LINES, SAMPLE_CHARACTERS = 20_000, 200


def looks_like_script(file: SourceFile) -> bool:
    """Whether enough paragraphs begin with names that come again; in prose, hardly any does."""
    sample, _ = book_body(file.head)
    sample = "\n".join(line[:SAMPLE_CHARACTERS] for line in sample.strip().split("\n")[:SAMPLE_LINES])
    paragraphs = sum(1 for _ in split_blocks(sample))
    return best_layout(sample)[1] >= max(2, paragraphs * LEAST_SHARE)


def read_script(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one line a speech. The layout is the one of ``layout.LAYOUTS`` that fits most of the file.

    A speech may run over several lines. A paragraph without a name is narration. Headings of
    acts, episodes and chapters begin groups, headings of scenes begin scenes.

    Raises:
        DialogueError: No layout fits.
    """
    body, first_number = book_body(file.text)
    layout, count = best_layout(body)
    if not count:
        raise DialogueError(
            f"{file.path}: no line begins with a speaker's name (looked for 'NAME: line', 'Name.  line' and "
            "names on lines of their own). Write it as 'NAME: line', or as a table with columns speaker and "
            "text."
        )
    reading = Reading("script", details={"layout": layout.name, "encoding": file.encoding})
    reading.warnings += file.warnings
    reading.written = layout.name == "<NAME> line" or _is_chat_log(body)
    counts = count_labels(body, layout)
    asked = set(map(normalize_label, options.speakers))  # believed also where it comes once
    labels = frozenset(
        k for k, n in counts.items() if (n >= layout.least or k in asked) and not HEADING.match(k)
    )
    reader = _Reader(file.path.name, layout, labels, reading)
    for block in split_blocks(body, first_number):
        reader.read(block)
    reader.finish()
    return reading


def book_body(text: str) -> tuple[str, int]:
    """The text without the header and licence of a Project Gutenberg book, and its first line."""
    start = _BOOK_START.search(text)
    end = _BOOK_END.search(text, start.end() if start else 0)
    begin = start.end() if start else 0
    return text[begin : end.start() if end and start else len(text)], text.count("\n", 0, begin) + 1


def _is_chat_log(text: str) -> bool:
    """Whether most lines begin with a date and a time, as messengers export what was typed."""
    lines = [line for line in text[:SAMPLE_LINES].split("\n") if line.strip()]
    dated = sum((match := STAMP.match(line)) is not None and bool(match["date"]) for line in lines)
    return dated > 0.5 * len(lines)


class _Reader:
    """Goes through the blocks, keeping the current group, scene and speech."""

    def __init__(self, file: str, layout: Layout, labels: frozenset[str], reading: Reading) -> None:
        self.file, self.layout, self.labels, self.reading = file, layout, labels, reading
        self.group, self.scene = "", 0
        self.speaker: str | None = None
        self.words: list[str] = []
        self.number = 0
        self.stamped = False  # whether the last speech began with a time

    def read(self, block: Block) -> None:
        """Read one paragraph: headings, speeches, or narration."""
        if not self.reading.written:  # A message that was typed may have paragraphs.
            self.finish()
        if len(block.lines) == 1 and self.heading(block.lines[0]):
            return
        previous = ""
        for offset, line in enumerate(block.lines):
            label, text = self.label(line) if self.layout.every_line or not offset else (None, "")
            stamp = STAMP.match(line)
            if self.reading.written and stamp and stamp["date"]:
                self.finish()
                self.group = stamp["date"]
            if label:
                self.begin(label, text, block.number + offset)
                self.stamped = bool(stamp)
            elif stamp and self.stamped:  # Somebody came, left, or was called.
                self.begin(None, line, block.number + offset)
            elif self.words and (self.speaker is None or self.reading.written):
                self.words.append(line)
            elif self.speaker is None or self.ends_speech(previous, line):
                self.begin(None, line, block.number + offset)
            else:
                self.words.append(line)
            previous = line

    def heading(self, line: str) -> bool:
        title = HEADING.match(line)
        if title and not _NOT_HEADING.search(line):
            self.group, self.scene = " ".join(title["title"].split()), self.scene + 1
            return True
        if _SCENE.match(line):
            self.scene += 1
            return True
        return False

    def label(self, line: str) -> tuple[str | None, str]:
        match = self.layout.pattern.match(line)
        if match and normalize_label(match["label"]) in self.labels:
            return clean_label(match["label"]), _aside(match["label"]) + (match["text"] or "")
        return None, ""

    def ends_speech(self, previous: str, line: str) -> bool:
        """Whether an unlabelled line right below a speech is narration rather than its next line.

        It is where it stands in brackets as a whole, or where the speech above was so short
        that it was not broken for its length and had ended with a full stop.
        """
        if re.fullmatch(r"\s*[\[(].*[\])]\s*", line) and not self.layout.pattern.match(previous):
            return False
        match = self.layout.pattern.match(previous)
        short = bool(match and match["text"]) and len(previous) < WRAP_CHARACTERS
        return short and previous.rstrip()[-1:] in ".!?…\"”'" and self.layout.every_line

    def begin(self, speaker: str | None, text: str, number: int) -> None:
        self.finish()
        self.speaker, self.words, self.number = speaker, [text] if text.strip() else [], number

    def finish(self) -> None:
        """Store the current speech."""
        text = "\n".join(self.words).strip()
        if not self.reading.written:
            text = re.sub(r"(?<=\w)-\n\s*(?=\w)", "-", text)  # "cloak-" at a line's end
            text = without_code(" ".join(text.split()))
        if text and _OMITTED.fullmatch(text):
            self.reading.skipped["picture or sound"] += 1
        elif text:
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
