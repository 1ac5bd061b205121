"""Novel: quoted speech in prose, with the speaker whom the narrator names; the rest stays unsure."""

import re

from understudy.dialogue.attribution import THOUGHT, speaker_after, speaker_before
from understudy.dialogue.layout import Block, split_blocks
from understudy.dialogue.line import UNSURE, Line, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.quotation import Quote, find_quotes, quotation_style
from understudy.dialogue.script import HEADING, book_body
from understudy.dialogue.source_file import SourceFile
from understudy.errors import DialogueError

__all__ = ["looks_like_novel", "read_novel"]

_TOLD = re.compile(r"[\"”'’»“][\s,—–-]*(?:\w+ )?(?:said|asked|replied|cried|answered|exclaimed|says)\b")
_CHAPTER = re.compile(
    r"^[\s#*_]*(?P<title>(?:(?:CHAPTER|ADVENTURE|STAVE|LETTER|CANTO|STORY)\s+[IVXLC\d]+\b"
    r"|(?:[IVX]{1,7}|[IVXLC]{2,7}|\d{1,3})\.\s+[A-Z])[^\n]{0,60})$",
    re.IGNORECASE,
)
_RULE = re.compile(r"^\s*(?:[*•~—-]\s*){3,}$")
LEAST_TOLD = 3
# So many paragraphs without a word spoken move the story elsewhere.
QUIET_PARAGRAPHS = 3


def looks_like_novel(file: SourceFile) -> bool:
    """Whether quotation marks and words such as "said" stand together."""
    return sum(1 for _ in _TOLD.finditer(file.head[:400_000])) >= LEAST_TOLD


def read_novel(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one line a paragraph of speech. Chapters are groups.

    A paragraph belongs to the one whom the narrator names beside one of its speeches, or who was
    announced right before, or whose speech was not closed in the paragraph above. Where that is nobody,
    or only "he" or "she", the line is marked as unsure: names are never inferred from the order of turns.

    Raises:
        DialogueError: There is no quoted speech, or no speaker is ever named.
    """
    body, first_number = book_body(file.text)
    style = quotation_style(body)
    reading = Reading("novel", details={"quotation marks": style, "encoding": file.encoding})
    reading.warnings += file.warnings
    reader = _Book(file.path.name, style, reading)
    for block in split_blocks(body, first_number):
        reader.read(block)
    known = sum(line.speaker not in (None, UNSURE) for line in reading.lines)
    unsure = sum(line.speaker == UNSURE for line in reading.lines)
    if not known:
        raise DialogueError(
            f"{file.path}: {unsure} quoted speeches, but no speaker is named beside one (as in "
            "'\"Hello,\" said Alice.'). Write a table with columns speaker and text instead."
        )
    reading.details["speeches"] = f"{known} with a speaker whom the text names, {unsure} unsure"
    return reading


class _Book:
    """Goes through the paragraphs, keeping chapter, scene and what the last one left open."""

    def __init__(self, file: str, style: str, reading: Reading) -> None:
        self.file, self.style, self.reading = file, style, reading
        self.group, self.scene, self.quiet = "", 0, 0
        self.announced: str | None = None
        self.running: str | None = None

    def read(self, block: Block) -> None:
        text = re.sub(r"(?<=\w)-\n\s*(?=[a-z])", "-", "\n".join(line.strip() for line in block.lines))
        text = " ".join(text.split())
        title = _CHAPTER.match(text) or HEADING.match(text)
        if title and len(block.lines) <= 3:
            self.group, self.scene = " ".join(title["title"].split()), self.scene + 1
            self.announced = self.running = None
            return
        quotes = find_quotes(text, self.style)
        if not quotes:
            self.narrate(text)
            return
        if self.quiet >= QUIET_PARAGRAPHS:
            self.scene += 1
        self.quiet = 0
        self.speak(text, quotes, block.number)

    def narrate(self, text: str) -> None:
        self.quiet = QUIET_PARAGRAPHS if _RULE.match(text) else self.quiet + 1
        self.announced, self.running = speaker_before(text), None

    def speak(self, text: str, quotes: list[Quote], number: int) -> None:
        """One line for a paragraph with one speaker, else one for each speech."""
        named = self.named(text, quotes)
        speakers = {name.casefold(): name for name in named if name and name != UNSURE}
        if all(name is None for name in named):
            speaker = self.running or self.announced or UNSURE
            self.add(speaker, text, quotes, number)
        elif len(speakers) == 1 and UNSURE not in named:
            self.add(next(iter(speakers.values())), text, quotes, number)
        elif not speakers:
            self.add(UNSURE, text, quotes, number)
        else:
            for quote, name in zip(quotes, named, strict=True):
                self.add(name or UNSURE, text, [quote], number)
        last = quotes[-1]
        self.announced = speaker_before(text[last.end + 1 :]) if last.closed else None
        self.running = None if last.closed else self.reading.lines[-1].speaker

    def named(self, text: str, quotes: list[Quote]) -> list[str | None]:
        """For each speech the one named beside it, ``UNSURE`` for a thought, ``None`` for nobody."""
        found: list[str | None] = []
        for position, quote in enumerate(quotes):
            until = quotes[position + 1].start if position + 1 < len(quotes) else len(text)
            after = text[quote.end + 1 : until]
            since = quotes[position - 1].end + 1 if position else 0
            if THOUGHT.match(after):
                found.append(UNSURE)
            else:
                found.append(speaker_after(after) or speaker_before(text[since : quote.start]))
        return found

    def add(self, speaker: str, paragraph: str, quotes: list[Quote], number: int) -> None:
        """A speech broken by "said Alice," goes on after it."""
        words = ""
        for quote, following in zip(quotes, [*quotes[1:], None], strict=True):
            between = paragraph[quote.end + 1 : following.start if following else len(paragraph)]
            # The comma before "said Alice." stands for the full stop of her sentence.
            ends = following is None or between.rstrip().endswith((".", "!", "?"))
            words += quote.text[:-1] + ". " if ends and quote.text.endswith(",") else f"{quote.text} "
        words = words.strip()
        source = f"{self.file}:{number}"
        self.reading.lines.append(Line(speaker, words, self.group, str(self.scene), source))
