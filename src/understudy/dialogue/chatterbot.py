"""ChatterBot: YAML with lists of lines that two speakers say in turn.

Source: the corpus format of ChatterBot: ``categories`` and ``conversations``.
"""

import re
from typing import Any

from understudy.dialogue.dialogue import Dialogue, Message
from understudy.dialogue.line import Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.pairs import Pair, make_pair
from understudy.dialogue.scene import dialogue_id
from understudy.dialogue.source_file import SourceFile
from understudy.errors import DialogueError

__all__ = ["looks_like_chatterbot", "read_chatterbot"]

_MARK = re.compile(r"^(?:\{\s*)?[\"']?conversations[\"']?\s*:", re.MULTILINE)


def looks_like_chatterbot(file: SourceFile) -> bool:
    """Whether it is YAML with conversations."""
    is_yaml = bool({suffix.casefold() for suffix in file.path.suffixes} & {".yml", ".yaml"})
    return _MARK.search(file.head) is not None and (
        is_yaml or re.search(r"^- - ", file.head, re.M) is not None
    )


def read_chatterbot(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one dialogue a conversation; the second line, the fourth and so on are the character's.

    Raises:
        DialogueError: It is not YAML, or holds no conversation of two lines.
    """
    document = _load(file)
    conversations = document.get("conversations") if isinstance(document, dict) else None
    if not isinstance(conversations, list):
        raise DialogueError(
            f"{file.path}: has no list 'conversations'. Write it as\nconversations:\n- - question\n  - answer"
        )
    categories = document.get("categories")
    category = next((c for c in categories if isinstance(c, str)), "") if isinstance(categories, list) else ""
    reading = Reading("ChatterBot YAML", warnings=list(file.warnings))
    reading.details = {"encoding": file.encoding, "category": category or "none"}
    for number, lines in enumerate(conversations, 1):
        texts = lines if isinstance(lines, list) else []
        if not all(isinstance(text, str) for text in texts):
            reading.skipped["conversation with lines that are not text"] += 1
            continue
        said = [" ".join(text.split()) for text in texts if text.strip()]
        if len(said) < 2:
            reading.skipped["conversation of fewer than two lines"] += 1
            continue
        if len(said) % 2:
            reading.skipped["last line, to which nobody replies"] += 1
        reading.dialogues.append(_dialogue(said[: len(said) // 2 * 2], file, number, category))
    if not reading.dialogues:
        raise DialogueError(f"{file.path}: holds no conversation of two lines or more.")
    return reading


def _dialogue(said: list[str], file: SourceFile, number: int, category: str) -> Dialogue:
    if len(said) == 2:
        pair = make_pair(Pair(said[0], said[1], "yaml"), file.path, number)
        return Dialogue(pair.id, pair.group, pair.messages, category, pair.source)
    messages = tuple(Message("assistant" if i % 2 else "user", text) for i, text in enumerate(said))
    identity = dialogue_id(messages, file.path.stem)
    return Dialogue(identity, identity, messages, category, f"{file.path.name}:{number}")


def _load(file: SourceFile) -> Any:
    """The document with every scalar as text: a bare ``Yes`` stays a word."""
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        return yaml.load(file.text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file.path}:{mark.line + 1}" if mark else str(file.path)
        reason = getattr(error, "problem", None) or "not readable"
        raise DialogueError(
            f"{where}: is not YAML ({reason}). Put lines with a colon or a quotation mark between quotes."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DialogueError(f"{file.path}: is not YAML that can be read (nested too deeply).") from error
