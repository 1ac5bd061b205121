"""Pieces: a rendered text cut where tokens must not reach across, and encoded piece by piece.

A text is cut at control tokens, at the start of every reply (so that no token is half prompt and
half reply), and inside words of the content that look like control tokens (so that content cannot
forge a turn). The last kind of cut is carried through the template as a ``mark``: a private
character that is put into the content before rendering and taken out afterwards.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from understudy.errors import RenderingError
from understudy.rendering.tokens import Tokenizer

__all__ = ["EncodedPiece", "choose_mark", "encode_marked", "mark_lookalikes"]

PRIVATE_CHARACTERS = range(0xE000, 0xF900)


@dataclass(frozen=True)
class EncodedPiece:
    """Token ids of one piece. ``start`` and ``ends`` (one per token) count characters of the text."""

    start: int
    ids: list[int]
    ends: list[int]


def choose_mark(texts: Iterable[str]) -> str:
    """A private-use character that none of the texts contains."""
    used = set().union(*map(set, texts))
    for code in PRIVATE_CHARACTERS:
        if chr(code) not in used:
            return chr(code)
    raise RenderingError("The messages use every private character of Unicode; remove some.")


def mark_lookalikes(content: str, names: re.Pattern[str] | None, mark: str) -> str:
    """The content with a mark inside every word that names a control token."""
    return names.sub(lambda match: mark.join(match[0]), content) if names else content


def _split_controls(chunk: str, controls: re.Pattern[str] | None) -> Iterator[tuple[str, bool]]:
    """Parts of the chunk, each with whether it is a control token."""
    position = 0
    for match in controls.finditer(chunk) if controls else ():
        yield chunk[position : match.start()], False
        yield match[0], True
        position = match.end()
    yield chunk[position:], False


def _parts(
    text: str, mark: str, cuts: Iterable[int], controls: re.Pattern[str] | None
) -> Iterator[tuple[str, bool]]:
    """The marked text in order, without its marks: (part, whether it is a control token)."""
    edges = sorted({0, len(text), *cuts})
    for start, end in pairwise(edges):
        for part, is_control in _split_controls(text[start:end], controls):
            yield from ((piece, is_control) for piece in part.split(mark))


def encode_marked(tokenizer: Tokenizer, text: str, mark: str, cuts: Iterable[int]) -> list[EncodedPiece]:
    """Encode a rendered text that may hold marks.

    Args:
        text: With marks; ``cuts`` are positions in it.

    Returns:
        Pieces in order; their positions count the characters of the text without marks.
    """
    pieces: list[EncodedPiece] = []
    position, after = 0, "start"
    for part, is_control in _parts(text, mark, cuts, tokenizer.controls):
        if not part:
            continue
        end = position + len(part)
        if is_control:
            token_id = tokenizer.token_id(part) or tokenizer.token_id(part.strip())
            assert token_id is not None, f"control token {part!r} without an id"
            pieces.append(EncodedPiece(position, [token_id], [end]))
        else:
            ids, ends = tokenizer.encode_piece(part, after=after)
            pieces.append(EncodedPiece(position, ids, [position + e for e in ends]))
        position, after = end, "control" if is_control else "text"
    return pieces
