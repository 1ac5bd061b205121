"""Simulated user: a model that plays the person who talks with the character."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from understudy.dialogue import Message
from understudy.dialogue.language import is_other_language
from understudy.evaluation.arms import MINIATURE
from understudy.evaluation.connection import ChatReply
from understudy.evaluation.detectors import says_it_is_ai
from understudy.evaluation.words import normalised
from understudy.teaching.outline import Outline
from understudy.teaching.typing_style import describe_typing, type_line

__all__ = ["SimulatedUser", "can_play_user"]

MOST_TOKENS, MOST_WORDS = 120, 60
TEMPERATURE = 0.9
BEGIN = "(You speak first. Write your first message.)"
RETURN_HINT = "Come back to something that was said at the beginning of this talk."
OTHER_SIDE = re.compile(r"^\s*(?:assistant|system|ai)\s*:", re.IGNORECASE | re.MULTILINE)


def can_play_user(model: str) -> bool:
    """Whether a model can play the user: the miniatures cannot, they know one side only."""
    return not model.startswith(MINIATURE)


@dataclass(frozen=True)
class SimulatedUser:
    """The instruction under which a model says the free lines of an outline."""

    name: str
    template: str = ""

    def messages(self, outline: Outline, turn: int, said: Sequence[Message]) -> list[dict[str, str]]:
        """The request for the line at ``turn``: the talk so far with the roles exchanged."""
        template = self.template or (files("understudy.teaching") / "data" / "user.txt").read_text("utf-8")
        system = template.format(
            name=self.name,
            situation=_situation(outline),
            temperament=outline.manner.temperament,
            typing=describe_typing(outline.manner.typing),
            language=outline.manner.language,
        ).strip()
        hint = outline.lines[turn].content or RETURN_HINT
        system += f"\n\nThe point of your next message, in your own words: {hint}"
        chat = [{"role": "system", "content": system}]
        if not said or said[0].role == "user":
            chat.append({"role": "user", "content": BEGIN})
        exchanged = {"user": "assistant", "assistant": "user"}
        return chat + [{"role": exchanged[m.role], "content": m.content} for m in said if m.role in exchanged]

    def line(self, reply: ChatReply, outline: Outline, said: Sequence[Message]) -> str | None:
        """The line in a reply, or ``None`` where it is none that a person would say."""
        text = re.sub(r"^\s*(?:user|human|you|me)\s*:\s*", "", reply.text.strip(), flags=re.IGNORECASE)
        text = " ".join(text.strip().strip('"“”').split())
        if not normalised(text) or reply.finish_reason in ("length", "content_filter"):
            return None
        if len(text.split()) > MOST_WORDS or OTHER_SIDE.search(text) or says_it_is_ai(text):
            return None
        if normalised(text) in {normalised(m.content) for m in said}:
            return None
        return None if is_other_language(text, outline.manner.language) else text

    def plain(self, outline: Outline, turn: int) -> str:
        """The plan's own line, for where the model fails; empty where there is none."""
        return type_line(outline.lines[turn].content, outline.manner.typing, outline.id)


def _situation(outline: Outline) -> str:
    """What the conversation is about, from its group and first line."""
    subject = outline.group.partition("/")[2].replace("_", " ") or "getting to know each other"
    return f"{subject} ({outline.category.replace('_', ' ')})"
