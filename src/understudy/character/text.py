"""Text: a plain system prompt as a Character, kept word for word."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from understudy.character.character import Character, ExampleMessage
from understudy.errors import CharacterError
from understudy.textfile import read_text_file

__all__ = ["PromptText", "guess_name", "read_prompt_text"]

MAX_PROMPT_BYTES = 2 * 1024 * 1024
LONG_PROMPT_WORDS = 6000  # about 8,000 tokens, beyond the context of many small models

# One to four capitalised words, with "of", "the" and the like between them.
_WORD = r"[A-Z\u00c0-\u00de][\w'’.-]*"
NAME = rf"(?:(?:Dr|Mr|Mrs|Ms|St|Prof)\. )?{_WORD}(?: (?:of|the|de|von|van|la|du)(?= [A-Z])| {_WORD}){{0,4}}"
# Forms that name somebody wherever they stand in the text.
_PLAIN = [
    rf"[Yy]our name(?: is|:|'s) [\"“]?({NAME})",
    rf"\b\w+['’]s name(?: is|:) [\"“]?({NAME})",
    rf"^[^\w\n]{{0,8}}(?i:(?:character(?:'s)? )?name)[^\w\n]{{0,4}}:[^\w\n]{{0,8}}({NAME})",
]
# Forms that name the character only near the beginning; later they may speak of anybody.
_OPENING = [
    rf"\b(?i:you|character|persona|bot|robot|AI)\b[^.!?\n]{{0,80}}?\b(?i:named|called) [\"“]?({NAME})",
    rf"\b(?i:you(?: are|['’]re| will be| play| will play)) (?:now |always )?[\"“]?(?:the )?({NAME})",
    rf"\b(?i:act|behave|speak|respond|answer|talk) (?:as|like) (?:if you (?:were|are) |the )?[\"“]?({NAME})",
    rf"\b(?i:(?:role|part|persona) of|role-?play as|pretend to be|impersonate) [\"“]?({NAME})",
    rf"\bbetween (?:a|the) (?:human|user|person) and (?:an? AI (?:named|called) )?({NAME})",
    rf"^({NAME})(?: is|,? who is) (?:a|an|the)\b",
]
_ROLE = re.compile(
    r"\b(?:act|behave|work|serve|function|respond|speak) (?:as|like) (?:an? |the |my )?"
    r"([a-z][\w'’ -]{2,40}?)(?=[.,;:!?\n(]| (?:who|that|and|for|with|in)\b)",
    re.IGNORECASE,
)
OPENING_CHARACTERS = 400
# Capitalised words that begin a sentence or name the machine, not the character.
_NOT_NAMES = {
    "AI",
    "I",
    "You",
    "The",
    "A",
    "An",
    "This",
    "It",
    "He",
    "She",
    "They",
    "Chat",
    "ChatGPT",
    "GPT",
    "If",
}
_NOT_NAMES |= {
    "Please",
    "Imagine",
    "Your",
    "My",
    "We",
    "In",
    "As",
    "When",
    "JSON",
    "User",
    "Human",
    "Title",
    "Here",
}


@dataclass(frozen=True)
class PromptText:
    """A character from a plain prompt, and what was odd about it."""

    character: Character
    warnings: tuple[str, ...]


def read_prompt_text(path: Path, *, name: str | None = None, fallback_name: str = "") -> PromptText:
    """Read a system prompt. Its words become ``prompt`` unchanged; only the name is guessed.

    A file in three parts (``###ENDPREAMBLE###``, ``###ENDSEEDCHAT###``: the format of the
    a16z companion app) gives its example turns to ``examples`` and the rest to ``prompt``.

    Args:
        path: The text file.
        name: The character's name, where it is not to be guessed.
        fallback_name: Taken when nothing in the text looks like a name.

    Raises:
        CharacterError: The file is missing, empty, or not text.
    """
    file = read_text_file(path, CharacterError, max_bytes=MAX_PROMPT_BYTES)
    warnings = list(file.warnings)
    prompt, seed_chat = _parts(file.text)
    guess = name or guess_name(prompt)
    if not guess:
        guess = fallback_name or "Nameless"
        warnings.append(f"{path}: no name was found in the text; {guess!r} was taken. Give one with --name.")
    if not prompt:
        raise CharacterError(f"{path}: holds example turns but no prompt before them.")
    if len(prompt.split()) > LONG_PROMPT_WORDS:
        warnings.append(
            f"{path}: has {len(prompt.split())} words, more than many small models can read at once."
        )
    character = Character(
        name=guess,
        prompt=prompt,
        examples=_seed_dialogues(seed_chat, guess),
        source={"kind": "prompt", "file": path.name},
    )
    return PromptText(character, tuple(warnings))


def guess_name(text: str) -> str | None:
    """The character's name as prompts usually tell it, or ``None``.

    "You are Princess Ophelia" gives "Princess Ophelia"; "I want you to act as a linux
    terminal" names a role, "Linux Terminal". Where several forms occur, the plainest one
    wins ("Your name is …" before "You are …").
    """
    if name := _find_name(_PLAIN, text[:20000]) or _find_name(_OPENING, text[:OPENING_CHARACTERS]):
        return name
    role = _ROLE.search(text[:2000])
    if role and "{" not in role[1]:
        return " ".join(word[:1].upper() + word[1:] for word in role[1].split())
    return None


def _find_name(patterns: list[str], text: str) -> str | None:
    for pattern in patterns:
        for match in re.finditer(pattern, text, re.MULTILINE):
            if name := _trim_name(match[1]):
                return name
    return None


def _trim_name(found: str) -> str | None:
    """Cut what belongs to the sentence: a final stop, a possessive, a word that is no name."""
    words = found.rstrip(".'’-").split()
    while words and words[0] in _NOT_NAMES:
        words.pop(0)
    for position, word in enumerate(words):
        if word.endswith((".", "!", "?")) and word not in ("Dr.", "Mr.", "Mrs.", "Ms.", "St.", "Prof."):
            words = [*words[:position], word.rstrip(".!?")]
            break
    name = re.sub(r"['’]s$", "", " ".join(words))
    return name if any(ch.isalpha() for ch in name) else None


def _parts(text: str) -> tuple[str, str]:
    """``(prompt, seed chat)`` of a file in three parts; another file is all prompt."""
    preamble, marker, rest = text.partition("###ENDPREAMBLE###")
    if not marker:
        return text.strip(), ""
    seed_chat, marker, backstory = rest.partition("###ENDSEEDCHAT###")
    return "\n\n".join(part.strip() for part in (preamble, backstory) if part.strip()), seed_chat


def _seed_dialogues(seed_chat: str, name: str) -> list[list[ExampleMessage]]:
    """Turns headed ``### Human:`` or ``User:``, cleaned of the source code around them."""
    turns: list[ExampleMessage] = []
    heads = list(re.finditer(r"^(?:### ?)?([\w' -]{1,40}):", seed_chat, re.MULTILINE))
    ends = [head.start() for head in heads[1:]] + [len(seed_chat)]
    for head, end in zip(heads, ends, strict=False):
        text = seed_chat[head.end() : end]
        text = " ".join(re.sub(r"(?:\\n)+`?;?|`;", " ", text).split())
        by_user = head[1].strip().casefold() in ("human", "user", "you")
        role: Literal["user", "assistant"] = "user" if by_user else "assistant"
        if text and not (turns and turns[-1].role == role):
            turns.append(ExampleMessage(role=role, content=text))
    return [turns] if any(turn.role == "assistant" for turn in turns) else []
