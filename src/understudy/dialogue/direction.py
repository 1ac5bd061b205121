"""Direction: ``[...]`` and ``(...)`` in a speech, kept, dropped, or between asterisks."""

import re

from understudy.dialogue.options import StageDirections

__all__ = ["apply_stage_directions"]

_DIRECTION = re.compile(r"\[([^\[\]]*)\]|\(([^()]*)\)")
# With the punctuation that follows, so that "breath [Points.], not" becomes "breath, not";
# an ellipsis keeps its space.
_REMOVED = re.compile(rf"\s*(?:{_DIRECTION.pattern})\s*([,.;:!?](?![.\s]*\.))?")
MAX_NESTING = 8
_UNCLOSED = re.compile(r"\[[^\[\]]*$")


def apply_stage_directions(text: str, mode: StageDirections) -> str:
    """Return the speech on one line, without double spaces.

    ``asterisks`` writes a direction as role-play does: ``[He sighs.]`` becomes ``*He sighs*``.
    A speech that was nothing but a direction becomes empty with ``drop``.
    """
    if mode == "asterisks":
        text = _DIRECTION.sub(lambda match: _between_asterisks(match[1] or match[2] or ""), text)
    if mode == "drop":
        text = " ".join(text.split())
        for _ in range(MAX_NESTING):  # inner brackets first, so nested directions go too
            if not _DIRECTION.search(text):
                break
            text = _REMOVED.sub(_join, text)
        text = _UNCLOSED.sub("", text).strip(" \n\t").lstrip(",;: ")
        text = text if any(ch.isalnum() for ch in text) else ""
    return " ".join(text.split())


def _join(match: re.Match[str]) -> str:
    """What stands where a direction stood: a space, or the punctuation after it."""
    mark = match[3] or ""
    before = match.string[: match.start()].rstrip()[-1:]
    if not mark:
        return " "
    return " " if before in ",.;:!?…—-" else f"{mark} "


def _between_asterisks(direction: str) -> str:
    words = " ".join(direction.split()).rstrip(".").replace("*", "")
    return f" *{words}* " if words else " "
