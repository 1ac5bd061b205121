"""Markdown: transcripts in which bold names or headings tell who speaks, and saved chats."""

import re
from collections import Counter
from collections.abc import Iterator

from understudy.dialogue.leftovers import without_code
from understudy.dialogue.line import Line, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.source_file import SourceFile
from understudy.dialogue.speaker import clean_label, normalize_label
from understudy.errors import DialogueError

__all__ = ["looks_like_markdown", "read_markdown"]

_BOLD = re.compile(
    r"^\s*(?:[-+*]\s+)?(?P<stars>\*\*|__)(?P<label>[^*_\n]{1,60}?)\s*(?P<colon>:?)(?P=stars)\s*(?P<after>:?)\s*(?P<text>.*)$"
)
_HEADING = re.compile(r"^\s*(?P<level>#{1,6})\s+(?P<label>[^\n]{1,80}?)\s*#*$")
_CLOCK = re.compile(
    r"^[\[(]?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?[\])]?\s*[-–—:]?\s*|\s*[\[(]\d{1,2}:\d{2}(?::\d{2})?[\])]\s*$"
)
_RULE = re.compile(r"^\s*(?:[-*_]\s*){3,}$")
# "###ENDSEEDCHAT###": a mark for a program, behind which nobody speaks until the next name.
_DIVIDER = re.compile(r"^\s*(?:#{2,}|={2,})\s*[A-Z][A-Z0-9_ ]*(?:#{2,}|={2,})\s*$")
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_ESCAPE = re.compile(r"\\([\[\](){}*_#.!>+~`-])")
_LINK = re.compile(r"!?\[([^\]]*)\]\((?:[^()\s]+)(?:\s+\"[^\"]*\")?\)")
ASSISTANTS = ("assistant", "chatgpt", "claude", "gemini", "ai", "bot", "gpt", "copilot", "llm")
USERS = ("user", "you", "human", "me", "prompt")


def looks_like_markdown(file: SourceFile) -> bool:
    """Whether bold names or repeated headings begin speeches."""
    marks = list(_marks(file.head.split("\n")[:20_000]))
    counts = Counter(normalize_label(label) for _, label, _, sure in marks if sure)
    if len(counts) > 1:  # where only one side is bold, the other has plain names: that is a script
        return True
    headings = _speaking_headings(marks)
    is_markdown = file.path.suffix.casefold() in (".md", ".markdown")
    return len(headings) >= 2 and (is_markdown or bool(headings & {*ASSISTANTS, *USERS}))


def read_markdown(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one line a speech, which may run over several paragraphs. Other headings begin groups.

    Where one side is called Assistant, ChatGPT or the like, the text was typed: its paragraphs and code stay.

    Raises:
        DialogueError: No bold name or heading begins a speech.
    """
    reading = Reading(
        "Markdown transcript", details={"encoding": file.encoding}, warnings=list(file.warnings)
    )
    lines = file.text.split("\n")
    marks = list(_marks(lines))
    headings = _speaking_headings(marks)
    bold = {normalize_label(label) for _, label, _, sure in marks if sure}
    speakers = bold or headings
    if not speakers:
        raise DialogueError(
            f"{file.path}: no speaker was found. Begin each speech with **Name:**, or with a heading ## Name "
            "that comes again."
        )
    assistants = tuple(sorted(speakers & set(ASSISTANTS)))
    reading.written, reading.characters = bool(assistants), assistants
    reading.details["speakers"] = "bold names" if bold else "headings"
    at = {
        number: (label, text)
        for number, label, text, sure in marks
        if (sure if bold else label_in(label, headings))
    }
    _Transcript(file.path.name, reading, at).read(lines)
    return reading


def label_in(label: str, labels: set[str]) -> bool:
    """Whether a heading is one of the speakers."""
    return normalize_label(label) in labels


def _marks(lines: list[str]) -> Iterator[tuple[int, str, str, bool]]:
    """``(number, label, text, bold)`` of every line that may begin a speech; code is left alone."""
    fenced = False
    for number, line in enumerate(lines, 1):
        if _FENCE.match(line):
            fenced = not fenced
        if fenced:
            continue
        text = line.lstrip("> ")
        bold = _BOLD.match(text)
        if bold and (bold["colon"] or bold["after"] or (not bold["text"] and _is_name(bold["label"]))):
            label = _CLOCK.sub("", bold["label"])
            if _is_name(label):
                yield number, label, bold["text"], bool(bold["colon"] or bold["after"])
        elif heading := _HEADING.match(text):
            yield number, _CLOCK.sub("", heading["label"]).rstrip(":"), "", False


def _is_name(label: str) -> bool:
    words = label.split()
    return (
        0 < len(words) <= 5 and any(letter.isalpha() for letter in label) and label.strip()[-1] not in ".!?"
    )


def _speaking_headings(marks: list[tuple[int, str, str, bool]]) -> set[str]:
    """Headings or lone bold names that come again, or that name the two sides of a chat."""
    counts = Counter(normalize_label(label) for _, label, _, sure in marks if not sure and _is_name(label))
    return {label for label, n in counts.items() if label and (n > 1 or label in (*ASSISTANTS, *USERS))}


class _Transcript:
    """Goes through the lines, keeping group and speech."""

    def __init__(self, file: str, reading: Reading, at: dict[int, tuple[str, str]]) -> None:
        self.file, self.reading, self.at = file, reading, at
        self.group, self.scene, self.number = "", 0, 0
        self.speaker: str | None = None
        self.words: list[str] = []

    def read(self, lines: list[str]) -> None:
        fenced = False
        for number, line in enumerate(lines, 1):
            text = line.lstrip("> ") if not fenced else line
            if number in self.at:
                self.finish()
                label, first = self.at[number]
                self.speaker, self.words, self.number = clean_label(label), [first] if first else [], number
            elif not fenced and (heading := _HEADING.match(text)):
                self.finish()
                self.group, self.scene = clean_label(heading["label"]), self.scene + 1
            elif not fenced and (_RULE.match(text) or _DIVIDER.match(text)):
                self.finish()
                self.scene += 1
            else:
                self.words.append(text.rstrip())
                self.number = self.number or number
            if _FENCE.match(text):
                fenced = not fenced
        self.finish()

    def finish(self) -> None:
        """Store the current speech; text before the first name is narration."""
        text = "\n".join(self.words).strip()
        if not self.reading.written:
            text = without_code(_LINK.sub(r"\1", _ESCAPE.sub(r"\1", text)))
        if text and self.speaker is None:
            self.reading.skipped["paragraph without a speaker"] += 1
        elif text:
            source = f"{self.file}:{self.number}"
            self.reading.lines.append(Line(self.speaker, text, self.group, str(self.scene), source))
        elif self.speaker:
            self.reading.skipped["speaker without a speech"] += 1
        self.speaker, self.words, self.number = None, [], 0
