"""Line: one speech as a source holds it, before anybody is the character."""

from collections import Counter
from dataclasses import dataclass, field

from understudy.dialogue.dialogue import Dialogue

__all__ = ["UNSURE", "Alternative", "Line", "Reading"]

# The speaker of a line that the source does not tell for certain. It is nobody's name.
UNSURE = "?"


@dataclass(frozen=True)
class Line:
    """One speech or piece of narration.

    ``speaker`` is ``None`` for narration and ``UNSURE`` where the source does not tell it; such a
    line ends a conversation. ``group`` is the episode, act or conversation it
    belongs to, ``scene`` a part of that in which people are together, ``source`` is
    ``file:line``.
    """

    speaker: str | None
    text: str
    group: str = ""
    scene: str = ""
    source: str = ""


@dataclass(frozen=True)
class Alternative:
    """A reply that somebody decided against: ``chosen`` was kept, ``rejected`` was not.

    ``before`` is the text right before the reply; together they find its place in the dialogues.
    """

    before: str
    chosen: str
    rejected: str


@dataclass
class Reading:
    """What a format's reader found: lines of a transcript, or dialogues that are ready.

    ``details`` tells how the file was understood (columns, layout), ``skipped`` counts what
    was left out, by reason. ``written`` says that people typed the lines: line breaks and brackets
    are theirs and stay. ``characters`` are labels that the file itself gives to the character, where
    the user names none.
    """

    format: str
    lines: list[Line] = field(default_factory=list)
    dialogues: list[Dialogue] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    alternatives: list[Alternative] = field(default_factory=list)
    characters: tuple[str, ...] = ()
    written: bool = False
