"""Mending: what can be put right in a reply without asking again."""

import re

__all__ = ["mend_reply"]

_STAR_DIRECTION = re.compile(r"\s*(?<!\*)\*(?!\*)[^*\n]{1,200}\*(?!\*)\s*")
_BRACKET_DIRECTION = re.compile(r"\s*(?:\[[^\[\]\n]{1,200}\]|\((?!\d)[a-z][^()\n]{1,200}\))\s*")
_QUOTED = re.compile(r'^["“]([^"“”]+)["”]$')


def mend_reply(reply: str, name: str, *, drop_directions: bool) -> str:
    """The reply without its speaker's name in front, quotation marks around it, and stage directions.

    What consists of a direction alone becomes empty.
    """
    text = reply.strip()
    text = re.sub(rf"^\**{_names(name)}\**\s*:\s*\**\s*", "", text, flags=re.IGNORECASE)
    if drop_directions:
        text = _STAR_DIRECTION.sub(" ", text)
        text = _BRACKET_DIRECTION.sub(" ", text)
        text = re.sub(r"[ \t]{2,}", " ", re.sub(r"\s+([.,;:!?])", r"\1", text)).strip()
    quoted = _QUOTED.fullmatch(text)
    return quoted[1].strip() if quoted else text


def _names(name: str) -> str:
    """The whole name or one of its longer words."""
    parts = [name, *(part for part in name.split() if len(part) > 2)]
    return "(?:" + "|".join(re.escape(part) for part in dict.fromkeys(parts)) + ")"
