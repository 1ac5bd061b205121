"""Subtitle: SRT, WebVTT and ASS with labels that tell who speaks.

Source: WebVTT (W3C, 2019) for ``<v Name>``; the customs of captions for the deaf for ``NAME:`` and ``-``.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from understudy.dialogue.line import UNSURE, Line, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.source_file import SourceFile
from understudy.dialogue.speaker import clean_label, normalize_label
from understudy.errors import DialogueError

__all__ = ["looks_like_subtitle", "read_subtitle"]

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_TIMES = re.compile(rf"^\s*{_CLOCK}\s*--?>\s*{_CLOCK}")
# Source: Advanced SubStation Alpha v4+: layer, start, end, style, name, three margins, effect, text.
_EVENT = re.compile(
    rf"^Dialogue:[^,]*,\s*{_CLOCK},\s*{_CLOCK},[^,]*,(?P<name>[^,]*),(?:[^,]*,){{4}}(?P<text>.*)$"
)
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")
_DASH = re.compile(r"^\s*(?:[-–—‐])\s*(?=\S)")
# A label is a name of up to four words; "NARRATOR (V.O.):" and "Dr. Watson:" too, a clock time not.
_LABEL = re.compile(
    r"^\s*(?P<label>[^\W\d_a-z][\w.'’-]*(?:[ /&]+[\w.'’()-]+){0,3}?(?:\s*[(\[][^)\]]{1,30}[)\]])?)\s*:"
    r"(?:\s+|$)(?P<text>.*)$"
)
_NAME = r"[^\W\d_a-z][\w.'’-]*(?:[ /&]+[\w.'’()-]+){0,3}?"
# Where another speech begins within a line: behind the end of a sentence, with a dash or a label.
_INNER = re.compile(
    rf"(?<=[.!?…\"”’)\]])\s+(?:[-–—]\s*(?=[^\W\d_a-z])|(?={_NAME}\s*:\s))|\s+[-–—]\s+(?={_NAME}\s*:\s)"
)
_BRACKET = re.compile(r"^\s*[\[(](?P<label>[^\])]{1,40})[\])]\s*:?\s+(?P<text>\S.*)$")
_MUSIC = re.compile(r"[♪♫♬#]")
# A longer pause begins a new scene; within a shorter one an unfinished sentence goes on.
SCENE_SECONDS = 20.0
LEAST_SHARE = 0.02


@dataclass(frozen=True)
class _Cue:
    number: int
    start_seconds: float
    end_seconds: float
    lines: list[str]


def looks_like_subtitle(file: SourceFile) -> bool:
    """Whether the beginning has times of subtitles."""
    start = file.head[:20_000]
    if start.lstrip().startswith("[Script Info]"):
        return True
    return start.lstrip().startswith("WEBVTT") or any(map(_TIMES.match, start.split("\n")[:200]))


def read_subtitle(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one line a speech. Who speaks is told by a label, or by a sentence that runs on.

    A cue without a label that begins a new sentence could be anybody's: it is marked as unsure. Where
    every cue before it in the scene has a label, as transcription programs write them, there are none.

    Raises:
        DialogueError: There are no times, or no labels of speakers.
    """
    reading = Reading("subtitles", details={"encoding": file.encoding}, warnings=list(file.warnings))
    cues = list(_cues(file))
    if not cues:
        raise DialogueError(f"{file.path}: has no cue with times such as 00:01:02,500 --> 00:01:04,000.")
    labels = _labels(cues)
    reader = _Captions(file.path.name, labels | {normalize_label(s) for s in options.speakers}, reading)
    for cue in cues:
        reader.read(cue)
    labelled = sum(line.speaker not in (None, UNSURE) for line in reading.lines)
    if labelled < LEAST_SHARE * len(reading.lines) or not labelled:
        raise DialogueError(
            f"{file.path}: {len(cues)} cues, but hardly any tells who speaks. Subtitles need labels such as "
            "'NAME: line' or <v Name>; or write a table with columns speaker and text."
        )
    reading.details |= {"cues": str(len(cues)), "labels": ", ".join(sorted(reader.shown.values())[:8])}
    return reading


def _cues(file: SourceFile) -> Iterator[_Cue]:
    """Blocks of text under a line of times; notes, styles and counters are left out."""
    number, times, lines = 0, None, list[str]()
    for position, line in file.lines():
        if event := _EVENT.match(line):
            voice = f"<v {event['name'].strip()}>" if event["name"].strip() else ""
            said = event["text"].replace("\\n", "\\N").split("\\N")
            clock = _seconds(event)
            yield _Cue(position, *clock, [f"{voice}{text}" for text in said if text.strip()])
            continue
        match = _TIMES.match(line)
        if match or not line.strip():
            if times and lines:
                yield _Cue(number, *times, lines)
            # The counter of the next cue may follow without an empty line.
            number, times, lines = position, _seconds(match) if match else None, []
        elif times:
            lines.append(line.strip())
    if times and lines:
        yield _Cue(number, *times, lines)


def _seconds(match: re.Match[str]) -> tuple[float, float]:
    parts = [int(part or 0) for part in match.groups()[:8]]
    clock = [h * 3600 + m * 60 + s + ms / 1000 for h, m, s, ms in (parts[:4], parts[4:])]
    return clock[0], clock[1]


def _plain(text: str) -> str:
    return " ".join(html.unescape(_TAG.sub("", text)).split())


def _parts(line: str) -> Iterator[tuple[str, bool]]:
    """Pieces of a line at whose beginnings another may speak, each with whether a dash stands there.

    Voices begin where they are marked. A dash between sentences begins a speech where one begins the line.
    """
    for piece in re.split(r"(?=<v[.\s])", line):
        if not piece.strip() or _VOICE.search(piece):
            yield piece, False
            continue
        text = _plain(piece)
        dashed = bool(_DASH.match(text))
        text, start, inner = _DASH.sub("", text), 0, dashed
        for match in _INNER.finditer(text):
            names = bool(_LABEL.match(text[match.end() :]))
            if names or dashed:
                yield text[start : match.start()], inner
                start, inner = match.end(), bool(match[0].strip())
        yield text[start:], inner


def _labels(cues: list[_Cue]) -> set[str]:
    """Labels with a colon. One that comes once in capitals or as a voice is believed, other words twice."""
    counts: Counter[str] = Counter()
    sure: set[str] = set()
    for cue in cues:
        for part, _ in (part for line in cue.lines for part in _parts(line)):
            if voice := _VOICE.search(part):
                sure.add(normalize_label(voice[1]))
                continue
            if match := _LABEL.match(_plain(part)):
                counts[normalize_label(match["label"])] += 1
                if clean_label(match["label"]).isupper():
                    sure.add(normalize_label(match["label"]))
    return (sure | {label for label, count in counts.items() if count > 1}) - {""}


class _Captions:
    """Goes through the cues, keeping who spoke last and when."""

    def __init__(self, file: str, labels: set[str], reading: Reading) -> None:
        self.file, self.labels, self.reading = file, labels, reading
        self.shown: dict[str, str] = {}
        self.speaker: str | None = None
        self.unfinished = False
        self.end_seconds, self.scene = 0.0, 0

    def read(self, cue: _Cue) -> None:
        pause = cue.start_seconds - self.end_seconds
        if pause > SCENE_SECONDS or pause < -SCENE_SECONDS:
            self.scene, self.unfinished = self.scene + 1, False
        self.end_seconds = cue.end_seconds
        for speaker, text in self.speeches(cue.lines):
            if _MUSIC.search(text):
                self.reading.skipped["song"] += 1
                continue
            if not any(letter.isalnum() for letter in re.sub(r"\([^)]*\)|\[[^\]]*\]", "", text)):
                self.reading.skipped["sound or direction only"] += 1
                continue
            speaker = speaker or (self.speaker if self.unfinished and self.speaker else UNSURE)
            self.speaker, self.unfinished = speaker, text[-1:] not in ".!?…\"”'’♪)]"
            source = f"{self.file}:{cue.number}"
            self.reading.lines.append(Line(speaker, text, "", str(self.scene), source))

    def speeches(self, lines: list[str]) -> Iterator[tuple[str | None, str]]:
        """``(speaker, text)`` of one cue; a dash, a voice or a label begins another speech."""
        speaker: str | None = None
        words: list[str] = []
        for part, dashed in self.parts(lines):
            name, text = self.label(part)
            if (name or dashed) and words:
                yield speaker, " ".join(words)
                speaker, words = None, []
            if dashed and not name:
                self.unfinished = False
            speaker = name or speaker
            words += [text] if text else []
        if words:
            yield speaker, " ".join(words)

    def parts(self, lines: list[str]) -> Iterator[tuple[str, bool]]:
        """The pieces of the lines; a word with a colon that is no label ends no speech."""
        for line in lines:
            whole, first = "", False
            for number, (part, dashed) in enumerate(_parts(line)):
                if number and not dashed and not self.label(part)[0]:
                    whole = f"{whole} {part}"
                    continue
                if number:
                    yield whole, first
                whole, first = part, dashed
            yield whole, first

    def label(self, line: str) -> tuple[str | None, str]:
        if voice := _VOICE.search(line):
            return self.known(html.unescape(voice[1])), _plain(line)
        text = _plain(line)
        for pattern in (_LABEL, _BRACKET):
            match = pattern.match(text)
            if match and normalize_label(match["label"].strip("[]()")) in self.labels:
                return self.known(match["label"]), match["text"].strip()
        return None, text

    def known(self, label: str) -> str:
        name = clean_label(label.strip("[]()"))
        return self.shown.setdefault(normalize_label(name), name)
