"""Columns: which column of a table is the speaker, the text, and the episode."""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean

from understudy.dialogue.options import ImportOptions
from understudy.errors import DialogueError

__all__ = ["SAMPLE_ROWS", "Columns", "column_key", "find_columns"]

SPEAKER_NAMES = (
    "speaker", "character", "character_name", "charactername", "name", "who", "author", "role", "person",
    "actor", "participant", "from", "sender", "user", "speaker_name", "raw_character_text",
)  # fmt: skip
TEXT_NAMES = (
    "full_text", "text", "line", "dialogue", "dialog", "utterance", "content", "message", "speech", "quote",
    "line_text", "linetext", "spoken_words", "normalized_text", "character_words", "words", "sentence",
    "script", "body", "raw_text", "transcript",
)  # fmt: skip
CONVERSATION_NAMES = (
    "conversation_id", "conversation", "dialogue_id", "dialog_id", "thread_id", "session_id", "chat_id",
)  # fmt: skip
EPISODE_NAMES = (
    "episode_title", "episode_name", "episode", "episode_id", "chapter", "chapter_title", "title", "play",
    "film", "movie", "episode_number", "episode_num", "ep", "chapter_num", "act",
)  # fmt: skip
SEASON_NAMES = ("season", "season_number", "season_num", "book", "book_num", "volume", "series", "play")
SCENE_NAMES = ("scene", "scene_id", "scene_number", "scene_num", "actsceneline", "location_id")
SAMPLE_ROWS = 2000


@dataclass(frozen=True)
class Columns:
    """Positions of the columns, counted from 0. ``group`` may join several (season and episode)."""

    speaker: int
    text: int
    group: tuple[int, ...]
    scene: int | None
    header: tuple[str, ...]
    has_header: bool

    def details(self) -> dict[str, str]:
        """How the columns were understood, for a person to check."""
        found = {"speaker column": self.header[self.speaker], "text column": self.header[self.text]}
        if self.group:
            found["group column"] = " + ".join(self.header[i] for i in self.group)
        if self.scene is not None:
            found["scene column"] = self.header[self.scene]
        return found


def find_columns(path: Path, rows: list[list[str]], options: ImportOptions) -> Columns:
    """Find the columns by their names, else by what is in them.

    Raises:
        DialogueError: There is no column of speeches or of speakers, or a column that was asked
            for does not exist; the columns that exist are named.
    """
    width = max(len(row) for row in rows)
    first = [cell.strip() for cell in rows[0]] + [""] * (width - len(rows[0]))
    has_header = _is_header(first, rows, options)
    header = [cell or f"column {i + 1}" for i, cell in enumerate(first)]
    if not has_header:
        header = [f"column {i + 1}" for i in range(width)]
    body = rows[1 if has_header else 0 :][:SAMPLE_ROWS]
    if width < 2:
        raise DialogueError(
            f"{path}: has one column only; a transcript needs one for the speaker and one for the text. "
            "For lines such as 'NAME: line' use --format script."
        )
    text = _asked(path, header, options.text_column) if options.text_column else _text_column(header, body)
    if text is None:
        raise DialogueError(f"{path}: no column holds speeches. {_choices(header)} Use --text-column.")
    speaker = (
        _asked(path, header, options.speaker_column)
        if options.speaker_column
        else _speaker_column(header, body, text, options.speakers)
    )
    if speaker is None:
        raise DialogueError(f"{path}: no column holds speakers. {_choices(header)} Use --speaker-column.")
    group = _group_columns(path, header, body, {speaker, text}, options)
    scene = _named(header, SCENE_NAMES, {speaker, text, *group})
    return Columns(speaker, text, group, scene, tuple(header), has_header)


def _choices(header: list[str]) -> str:
    return f"The columns are: {', '.join(header[:20])}."


def column_key(name: str) -> str:
    """A column's name in the form in which spellings are compared: ``"Line text"`` is ``line_text``."""
    return re.sub(r"\W+", "_", name.strip().casefold()).strip("_")


def _asked(path: Path, header: list[str], wanted: str) -> int:
    """The column that a flag names, by name or by number from 1."""
    keys = [column_key(name) for name in header]
    if column_key(wanted) in keys:
        return keys.index(column_key(wanted))
    if wanted.strip().isdigit() and 1 <= int(wanted) <= len(header):
        return int(wanted) - 1
    raise DialogueError(f"{path}: has no column {wanted!r}. {_choices(header)}")


def _named(header: list[str], names: tuple[str, ...], taken: set[int]) -> int | None:
    keys = [column_key(name) for name in header]
    for name in names:
        if name in keys and keys.index(name) not in taken:
            return keys.index(name)
    return None


def _is_header(first: list[str], rows: list[list[str]], options: ImportOptions) -> bool:
    """Known or asked-for column names make a header; so does a first row unlike the others."""
    keys = {column_key(cell) for cell in first}
    asked = {column_key(c) for c in (options.speaker_column, options.text_column, options.group_column) if c}
    if keys & ({*SPEAKER_NAMES, *TEXT_NAMES, *EPISODE_NAMES} | asked):
        return True
    if any(cell in {row[i] for row in rows[1:200] if i < len(row)} for i, cell in enumerate(first) if cell):
        return False
    return all(0 < len(cell) <= 30 and cell[-1] not in ".!?" for cell in first)


def _cells(body: list[list[str]], column: int) -> list[str]:
    cells = (row[column].strip() for row in body if column < len(row))
    return [cell for cell in cells if cell and cell != "NA"]


def _text_column(header: list[str], body: list[list[str]]) -> int | None:
    named = _named(header, TEXT_NAMES, set())
    if named is not None and any(" " in cell for cell in _cells(body, named)):
        return named
    scores = {i: _text_score(_cells(body, i)) for i in range(len(header))}
    best = max(scores, key=lambda i: scores[i])
    return best if scores[best] > 0 else None


def _text_score(cells: list[str]) -> float:
    """Speeches are long, made of words, and hardly ever the same twice."""
    if not cells:
        return 0.0
    words = mean(len(cell.split()) for cell in cells)
    different = len(set(cells)) / len(cells)
    return words * different if words > 1.5 and different > 0.3 else 0.0


def _speaker_column(
    header: list[str], body: list[list[str]], text: int, speakers: tuple[str, ...]
) -> int | None:
    wanted = {name.casefold() for name in speakers}
    for i in range(len(header)):
        if i != text and wanted & {cell.casefold() for cell in _cells(body, i)}:
            return i
    named = _named(header, SPEAKER_NAMES, {text})
    if named is not None:
        return named
    scores = {i: _speaker_score(_cells(body, i)) for i in range(len(header)) if i != text}
    best = max(scores, key=lambda i: scores[i])
    return best if scores[best] > 0 else None


def _speaker_score(cells: list[str]) -> float:
    """Names are short, hold letters, come again and again, and change from row to row."""
    if len(cells) < 2 or mean(len(cell) for cell in cells) > 30:
        return 0.0
    letters = mean(any(ch.isalpha() for ch in cell) for cell in cells)
    repeated = 1 - len(set(cells)) / len(cells)
    changes = mean(a != b for a, b in pairwise(cells))
    return letters * repeated * changes


def _group_columns(
    path: Path, header: list[str], body: list[list[str]], taken: set[int], options: ImportOptions
) -> tuple[int, ...]:
    if options.group_column:
        names = [name for name in options.group_column.split(",") if name.strip()]
        return tuple(_asked(path, header, name) for name in names)
    conversation = _named(header, CONVERSATION_NAMES, taken)
    if conversation is not None:
        return (conversation,)
    episode = _named(header, EPISODE_NAMES, taken)
    season = _named(header, SEASON_NAMES, taken | ({episode} if episode is not None else set()))
    if episode is None:
        return (season,) if season is not None else ()
    numbered = all(cell.replace(".", "").isdigit() for cell in _cells(body, episode))
    return (season, episode) if numbered and season is not None else (episode,)
