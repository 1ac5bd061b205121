"""Placeholder: ``{{char}}`` and ``{{user}}`` in cards, and what stands there afterwards."""

import re
from dataclasses import dataclass

__all__ = ["CHARACTER_MARK", "USER_MARK", "Names", "resolve", "unresolved"]

CHARACTER_MARK = r"\{\{\s*(?:char|bot|charname)\s*\}\}|<(?:bot|chr|char)>"
USER_MARK = r"\{\{\s*(?:user|username)\s*\}\}|<user>"
_CHARACTER = re.compile(CHARACTER_MARK, re.IGNORECASE)
_USER = re.compile(USER_MARK, re.IGNORECASE)
# The marks are first brought to one spelling, which the patterns below rely on.
_MARK = "{{user}}"
_MARK_AT_START = "{{User}}"
_SENTENCE_START = re.compile(r"(^|[.!?]\s+|\n\s*)\{\{user\}\}")
_ADDRESSED = re.compile(r",\s*\{\{user\}\}(?=\s*[.!?…~,\"”]|\s*$)", re.MULTILINE)
_OWNED = re.compile(r"(\{\{[uU]ser\}\})['’]s\b")
_WITH_VERB = re.compile(r"(\{\{[uU]ser\}\})\s+(is|was|has|does)\b")
_VERBS = {"is": "are", "was": "were", "has": "have", "does": "do"}
_NOTHING = re.compile(
    r"\{\{\s*(?:original|trim|noop|//[^{}]{0,2000}|comment:[^{}]{0,2000})\s*\}\}", re.IGNORECASE
)
_LINE_BREAK = re.compile(r"\{\{\s*newline\s*\}\}", re.IGNORECASE)
_OTHER = re.compile(r"\{\{[^{}\n]{1,40}\}\}")


@dataclass(frozen=True)
class Names:
    """Who the placeholders mean. Without ``user`` nobody in particular is meant."""

    character: str
    user: str | None = None


def resolve(text: str, names: Names, *, spoken: bool = False) -> str:
    """Replace the placeholders, in any letter case.

    A card does not know who will talk with its character. Unless a name is given, ``{{user}}``
    becomes "the user" in descriptions; in spoken text (greeting, examples) it becomes "you",
    and an address is left out: "Hello, {{user}}!" becomes "Hello!".
    """
    text = _LINE_BREAK.sub("\n", _NOTHING.sub("", text))
    text = _CHARACTER.sub(lambda _: names.character, text)
    if names.user:
        user = names.user
        return _USER.sub(lambda _: user, text).strip()
    return (_address(text) if spoken else _describe(text)).strip()


def _describe(text: str) -> str:
    text = _SENTENCE_START.sub(r"\1The user", _USER.sub(_MARK, text))
    return text.replace(_MARK, "the user")


def _address(text: str) -> str:
    text = _ADDRESSED.sub("", _USER.sub(_MARK, text))
    text = _SENTENCE_START.sub(rf"\1{_MARK_AT_START}", text)
    text = _OWNED.sub(lambda match: "Your" if match[1] == _MARK_AT_START else "your", text)
    text = _WITH_VERB.sub(lambda match: f"{match[1]} {_VERBS[match[2]]}", text)
    return text.replace(_MARK_AT_START, "You").replace(_MARK, "you")


def unresolved(text: str) -> list[str]:
    """Placeholders of other programs that were left standing, each once."""
    return list(dict.fromkeys(_OTHER.findall(text)))
