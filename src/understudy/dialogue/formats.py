"""Formats: every kind of file that can become dialogues, and how it is recognised.

A new format is one module with a function ``(path, file, options) -> Reading`` and one row here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from understudy.dialogue.chat import looks_like_chat, read_chat
from understudy.dialogue.line import Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.pairs import looks_like_pairs, read_pairs
from understudy.dialogue.script import looks_like_script, read_script
from understudy.dialogue.transcript import looks_like_table, read_transcript
from understudy.errors import ConfigError, DialogueError
from understudy.textfile import TextFile, read_text_file

__all__ = ["FORMATS", "Format", "read_source"]


@dataclass(frozen=True)
class Format:
    """A kind of file: what it is called, how it is recognised, how it is read."""

    name: str
    about: str
    matches: Callable[[Path, str], bool]
    read: Callable[[Path, TextFile, ImportOptions], Reading]


# In the order in which they are tried: the most certain sign first.
FORMATS = {
    entry.name: entry
    for entry in (
        Format(
            "chat",
            "OpenAI chat JSONL: one object with 'messages' a line",
            looks_like_chat,
            read_chat,
        ),
        Format(
            "pairs",
            "CSV or TSV with a column of questions and one of answers",
            looks_like_pairs,
            read_pairs,
        ),
        Format(
            "transcript",
            "CSV or TSV with a column for the speaker and one for the text",
            looks_like_table,
            read_transcript,
        ),
        Format(
            "script",
            "plays and transcripts such as 'NAME: line'",
            lambda path, text: looks_like_script(text),
            read_script,
        ),
    )
}


def read_source(path: Path, options: ImportOptions) -> Reading:
    """Read a file in the format that was asked for, or in the first one that it matches.

    Raises:
        ConfigError: There is no such format.
        DialogueError: The file cannot be read, or matches no format.
    """
    if options.format is not None and options.format not in FORMATS:
        raise ConfigError(f"--format {options.format!r} is not one of {', '.join(FORMATS)}.")
    file = read_text_file(path, DialogueError)
    if options.format is not None:
        return FORMATS[options.format].read(path, file, options)
    for entry in FORMATS.values():
        if entry.matches(path, file.text):
            return entry.read(path, file, options)
    known = "; ".join(f"{entry.name} ({entry.about})" for entry in FORMATS.values())
    raise DialogueError(f"{path}: is in no format that can be read. Known formats: {known}.")
