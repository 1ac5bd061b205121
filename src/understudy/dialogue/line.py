"""Line: one speech as a source holds it, before anybody is the character."""

from collections import Counter
from dataclasses import dataclass, field

from understudy.dialogue.dialogue import Dialogue

__all__ = ["Line", "Reading"]


@dataclass(frozen=True)
class Line:
    """One speech or piece of narration.

    ``speaker`` is ``None`` for narration. ``group`` is the episode, act or conversation it
    belongs to, ``scene`` a part of that in which people are together, ``source`` is
    ``file:line``.
    """

    speaker: str | None
    text: str
    group: str = ""
    scene: str = ""
    source: str = ""


@dataclass
class Reading:
    """What a format's reader found: lines of a transcript, or dialogues that are ready.

    ``details`` tells how the file was understood (columns, layout), ``skipped`` counts what
    was left out, by reason.
    """

    format: str
    lines: list[Line] = field(default_factory=list)
    dialogues: list[Dialogue] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
