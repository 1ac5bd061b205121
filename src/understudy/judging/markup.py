"""Markup: how a reply is written out before anybody compares it, so that looks decide nothing."""

import re

__all__ = ["plain_text"]

_FENCE = re.compile(r"^\s*(?:```|~~~).*$", re.MULTILINE)
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+•][ \t]+|\d{1,2}[.)][ \t]+)", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*(?:[-*_][ \t]*){3,}$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
_EMPHASIS = re.compile(r"(\*{1,3}|_{1,3}|~~|`+)(?=\S)(.+?)(?<=\S)\1", re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,80}>")


def plain_text(reply: str, name: str = "") -> str:
    """The words of a reply without Markdown, HTML tags, a leading speaker's name, and loose white space.

    Stage directions stay, only their asterisks go: they are part of the play.
    """
    text = _FENCE.sub("", reply)
    text = _RULE.sub("", text)
    text = _LINK.sub(r"\1", text)
    text = _TAG.sub("", text)
    text = _LINE_MARK.sub("", text)
    for _ in range(3):  # bold within italics
        text = _EMPHASIS.sub(_inner, text)
    if name:
        text = re.sub(rf"^\s*{re.escape(name)}\s*:\s*", "", text, flags=re.IGNORECASE)
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"[ \t]+", " ", text)).strip()


def _inner(match: re.Match[str]) -> str:
    """Underscores within a word, as in snake_case, are no markup."""
    if match[1].startswith("_"):
        before = match.string[match.start() - 1 : match.start()]
        after = match.string[match.end() : match.end() + 1]
        if before.isalnum() or after.isalnum():
            return match[0]
    return match[2]
