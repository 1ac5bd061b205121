"""Formats: every kind of file that can become dialogues, and how it is recognised.

A new format is one module with a function ``(file, options) -> Reading`` and one row here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from understudy.dialogue.cell_talk import looks_like_cell_talk, read_cell_talk
from understudy.dialogue.chat import looks_like_chat, read_chat
from understudy.dialogue.chatterbot import looks_like_chatterbot, read_chatterbot
from understudy.dialogue.discord import looks_like_discord, read_discord
from understudy.dialogue.fountain import looks_like_fountain, read_fountain
from understudy.dialogue.json_turns import looks_like_turns, read_turns
from understudy.dialogue.line import Reading
from understudy.dialogue.markdown import looks_like_markdown, read_markdown
from understudy.dialogue.novel import looks_like_novel, read_novel
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.pairs import looks_like_pairs, read_pairs
from understudy.dialogue.ratings import looks_like_ratings, read_ratings
from understudy.dialogue.script import looks_like_script, read_script
from understudy.dialogue.silly_tavern import looks_like_silly_tavern, read_silly_tavern
from understudy.dialogue.source_file import SourceFile
from understudy.dialogue.subtitle import looks_like_subtitle, read_subtitle
from understudy.dialogue.transcript import looks_like_table, read_transcript
from understudy.errors import ConfigError, DialogueError

__all__ = ["FORMATS", "Format", "read_source"]


@dataclass(frozen=True)
class Format:
    """A kind of file: what it is called, how it is recognised, how it is read."""

    name: str
    about: str
    matches: Callable[[SourceFile], bool]
    read: Callable[[SourceFile, ImportOptions], Reading]


CARDS = (".png", ".charx")
_CARD = re.compile(r'"spec"\s*:\s*"chara_card|"mes_example"\s*:')
_CARD_HINT = "A character card starts a character: understudy init NAME --card {path}"
_HTML = re.compile(r"<(?:!doctype html|html|body|div|p|br|table)\b[^<>]*>", re.IGNORECASE)
# In the order in which they are tried: the most certain sign first.
FORMATS = {
    entry.name: entry
    for entry in (
        Format("subtitle", "SRT, WebVTT or ASS with labels of speakers", looks_like_subtitle, read_subtitle),
        Format("sillytavern", "a SillyTavern chat log", looks_like_silly_tavern, read_silly_tavern),
        Format("discord", "a Discord channel exported as JSON", looks_like_discord, read_discord),
        Format("ratings", "JSONL with messages, a reply and its rating", looks_like_ratings, read_ratings),
        Format("turns", "JSON with lists of turns and speakers", looks_like_turns, read_turns),
        Format(
            "chat",
            "OpenAI chat and preference JSONL, ShareGPT, Alpaca: one object a row",
            looks_like_chat,
            read_chat,
        ),
        Format("chatterbot", "ChatterBot YAML", looks_like_chatterbot, read_chatterbot),
        Format(
            "pairs",
            "CSV or TSV with a column of questions and one of answers",
            looks_like_pairs,
            read_pairs,
        ),
        Format(
            "conversations",
            "CSV or TSV with a whole conversation in a cell",
            looks_like_cell_talk,
            read_cell_talk,
        ),
        Format(
            "transcript",
            "CSV or TSV with a column for the speaker and one for the text",
            looks_like_table,
            read_transcript,
        ),
        Format("fountain", "a Fountain screenplay", looks_like_fountain, read_fountain),
        Format("markdown", "Markdown with **Name:** or ## Name", looks_like_markdown, read_markdown),
        Format("script", "plays and transcripts such as 'NAME: line'", looks_like_script, read_script),
        Format("novel", "prose with quoted speech", looks_like_novel, read_novel),
    )
}


def read_source(path: Path, options: ImportOptions) -> Reading:
    """Read a file in the format that was asked for, or in the first one that it matches.

    Raises:
        ConfigError: There is no such format or encoding.
        DialogueError: The file cannot be read, or matches no format.
    """
    if options.format is not None and options.format not in FORMATS:
        raise ConfigError(f"--format {options.format!r} is not one of {', '.join(FORMATS)}.")
    try:
        file = SourceFile(path, options.encoding)
    except DialogueError as error:
        if path.suffix.casefold() in CARDS and path.is_file():
            raise DialogueError(f"{error} {_CARD_HINT.format(path=path)}") from error
        raise
    if options.format is not None:
        return FORMATS[options.format].read(file, options)
    if _CARD.search(file.head[:20_000]) and file.head.lstrip().startswith("{"):
        raise DialogueError(f"{path}: holds no chat. {_CARD_HINT.format(path=path)}")
    for entry in FORMATS.values():
        if entry.matches(file):
            return entry.read(file, options)
    if _HTML.search(file.head[:20_000]):
        raise DialogueError(
            f"{path}: is a web page (HTML). Open it in a browser, and save or copy its text to a .txt file."
        )
    known = "; ".join(f"{entry.name} ({entry.about})" for entry in FORMATS.values())
    raise DialogueError(f"{path}: is in no format that can be read. Known formats: {known}.")
