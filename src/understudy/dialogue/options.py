"""Import options: everything that decides how a file becomes dialogues."""

from dataclasses import dataclass
from typing import Literal, get_args

from understudy.errors import ConfigError

__all__ = ["ImportOptions", "SpeakerNames", "StageDirections"]

SpeakerNames = Literal["auto", "keep", "drop"]
StageDirections = Literal["drop", "keep", "asterisks"]


@dataclass(frozen=True)
class ImportOptions:
    """How to read a file.

    speakers: Labels that are the character. Empty: the character's own name.
    format: Name of a format in ``formats.FORMATS``; ``None`` finds it out.
    speaker_column, text_column, group_column, question_column, answer_column: Override the columns
        (in JSON: the keys) that were found; a name or, in tables, a number counted from 1.
    category: What the dialogues are about, where the file names none: ``general`` for anybody's tasks,
        ``role_break`` and so on.
    encoding: Name of the file's encoding; ``None`` finds it out.
    context: How many speeches of others go before a reply at most; a longer silence of the
        character ends the conversation.
    max_messages: A longer conversation is cut into several dialogues of the same group.
    speaker_names: Whether the others' speeches begin with their names ("Zuko: ..."). ``auto``
        keeps them where more than one other person speaks in the dialogue.
    stage_directions: What happens to ``[...]`` and ``(...)`` in what was spoken; what was typed in a
        chat keeps them.
    """

    speakers: tuple[str, ...] = ()
    format: str | None = None
    speaker_column: str | None = None
    text_column: str | None = None
    group_column: str | None = None
    context: int = 6
    max_messages: int = 24
    speaker_names: SpeakerNames = "auto"
    stage_directions: StageDirections = "drop"
    question_column: str | None = None
    answer_column: str | None = None
    encoding: str | None = None
    category: str = ""

    def __post_init__(self) -> None:
        if self.context < 1:
            raise ConfigError("--context must be 1 or more: a reply needs something to reply to.")
        if self.max_messages < 2:
            raise ConfigError("--max-messages must be 2 or more: a line and a reply.")
        _one_of("--speaker-names", self.speaker_names, get_args(SpeakerNames))
        _one_of("--stage-directions", self.stage_directions, get_args(StageDirections))


def _one_of(flag: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{flag} {value!r} is not one of {', '.join(allowed)}.")
