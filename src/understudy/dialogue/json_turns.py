"""Turns: JSON in which each conversation is a list of turns with speakers, or a tree of replies."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from understudy.dialogue.json_rows import JsonRows
from understudy.dialogue.leftovers import tidy
from understudy.dialogue.line import Alternative, Line, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.source_file import SourceFile
from understudy.errors import DialogueError

__all__ = ["looks_like_turns", "read_turns"]

LISTS = ("turns", "utterances", "dialogue", "dialog", "conversation", "content", "messages", "log")
SPEAKERS = ("speaker", "agent", "name", "author", "user", "sender", "from", "role", "character", "who")
TEXTS = ("utterance", "text", "message", "content", "value", "line", "mes")
NAMES = ("dialogue_id", "conversation_id", "id", "dialog_id", "message_tree_id")
# Labels of the side that answers, where the user names no speaker.
ASSISTANTS = ("assistant", "system", "bot", "agent", "gpt")
# Of these only where each row is a turn: "user" may be a question there.
SINGLE_SPEAKERS = ("speaker", "name", "author", "sender", "from", "role", "character", "who")
CONVERSATIONS = ("dialogue_id", "conversation_id", "dialog_id", "thread_id", "session_id", "chat_id")
MAX_DEPTH = 500
SAMPLE_ROWS = 5
MAX_NAME_CHARACTERS = 60


def looks_like_turns(file: SourceFile) -> bool:
    """Whether the JSON names turns with speakers, or trees of replies, in other words than chat files."""
    start = file.head.lstrip()[:20_000]
    if not start.startswith(("{", "[")):
        return False
    if '"message_tree_id"' in start and '"replies"' in start:
        return True
    if re.search(r'"mapping"\s*:\s*\{', start) and '"parent"' in start:
        return True
    if re.search(r'"(?:messages|conversations)"\s*:\s*\[', start):
        # A chat file says "role", or "from" and "value"; a messenger "from" and "text".
        return (
            '"role"' not in start and '"value"' not in start and _key(start, ("from",)) and '"text"' in start
        )
    if _are_single_turns(file):
        return True
    has_list = re.search(rf'"(?:{"|".join(LISTS)})"\s*:\s*\[\s*\{{', start)
    return bool(has_list and _key(start, SPEAKERS) and _key(start, TEXTS))


def _are_single_turns(file: SourceFile) -> bool:
    """Whether each row is a turn, with who says it and what."""
    rows = [row for _, row in islice(JsonRows(file), SAMPLE_ROWS)]
    return len(rows) > 1 and all(map(_is_turn, rows))


def _is_turn(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and not any(isinstance(row.get(key), list) for key in LISTS)
        and (speaker := _present(row, SINGLE_SPEAKERS)) is not None
        and len(row[speaker]) <= MAX_NAME_CHARACTERS
        and _present(row, TEXTS, taken=speaker) is not None
    )


def _key(text: str, names: tuple[str, ...]) -> bool:
    return re.search(rf'"(?:{"|".join(names)})"\s*:\s*"', text) is not None


def read_turns(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one line a turn; each conversation is a group.

    Of a tree of replies the best-ranked path is read, and the other replies to the same message are
    kept as worse ones.

    Raises:
        DialogueError: There is no list of turns with speakers.
    """
    reading = Reading("JSON turns", details={"encoding": file.encoding}, warnings=list(file.warnings))
    reading.written = True
    rows, keys = JsonRows(file), Counter[str]()
    single = _are_single_turns(file)
    for number, row in rows:
        if single:
            name = next((str(row[k]) for k in CONVERSATIONS if k in row), "") if isinstance(row, dict) else ""
            _read_turns(reading, [row], name, f"{file.path.name}:{number}", options, keys)
            continue
        for name, conversation in _conversations(row):
            group = name or str(number)
            source = f"{file.path.name}:{number}"
            if isinstance(conversation, dict):
                _read_tree(reading, conversation, group, source)
                keys["tree of replies"] += 1
            elif not _read_turns(reading, conversation, group, source, options, keys):
                reading.skipped["row without turns"] += 1
    reading.warnings += rows.problems
    if not any(line.speaker for line in reading.lines):
        raise DialogueError(
            "\n".join(
                [
                    f"{file.path}: holds no turns with speakers. Each conversation must be a list such as "
                    '{"turns": [{"speaker": "...", "text": "..."}]}',
                    *rows.problems,
                ]
            )
        )
    labels = {line.speaker for line in reading.lines if line.speaker}
    reading.characters = tuple(sorted(label for label in labels if label.casefold() in ASSISTANTS))
    reading.details["turns"] = ", ".join(key for key, _ in keys.most_common(3))
    return reading


def _conversations(row: Any) -> Iterator[tuple[str, Any]]:
    """``(id, turns or tree)`` of a row, or of each value of an object of conversations."""
    if not isinstance(row, dict):
        yield "", row if isinstance(row, list) else []
        return
    if isinstance(row.get("mapping"), dict):
        yield str(row.get("title") or ""), _last_branch(row)
        return
    prompt = row.get("prompt")
    name = next((str(row[key]) for key in NAMES if isinstance(row.get(key), str | int)), "")
    if isinstance(prompt, dict) and isinstance(prompt.get("replies"), list):
        yield name, prompt
        return
    turns = next((row[key] for key in LISTS if isinstance(row.get(key), list)), None)
    if turns is not None:
        yield name, turns
        return
    for key, value in row.items():
        inner = (
            next((value[k] for k in LISTS if isinstance(value.get(k), list)), None)
            if isinstance(value, dict)
            else None
        )
        if inner is not None:
            yield str(key), inner
    if not any(isinstance(value, dict) for value in row.values()):
        yield name, []


def _last_branch(row: dict[str, Any]) -> list[dict[str, str]]:
    """The turns of a saved ChatGPT conversation from its first message to the one that was seen last.

    Source: conversations.json of ChatGPT's data export, 2023 to 2026.
    """
    nodes, turns = row["mapping"], list[dict[str, str]]()
    at = row.get("current_node")
    if at not in nodes:  # The last one without answers.
        at = next((key for key, n in reversed(nodes.items()) if _is_leaf(n)), None)
    for _ in range(len(nodes)):
        node = nodes.get(at)
        if not isinstance(node, dict):
            break
        message = node.get("message")
        if isinstance(message, dict) and isinstance(message.get("author"), dict):
            content = message.get("content")
            parts = content.get("parts") if isinstance(content, dict) else None
            text = "\n".join(p for p in parts if isinstance(p, str)) if isinstance(parts, list) else ""
            role = message["author"].get("role")
            if role in ("user", "assistant") and text.strip():
                turns.append({"speaker": role, "text": text})
        at = node.get("parent")
    return turns[::-1]


def _is_leaf(node: Any) -> bool:
    return isinstance(node, dict) and not node.get("children")


def _read_turns(
    reading: Reading, turns: Any, group: str, source: str, options: ImportOptions, keys: Counter[str]
) -> bool:
    """Add the turns of one conversation; whether there was one with a speaker."""
    found = False
    for turn in turns if isinstance(turns, list) else []:
        speaker_key = _present(turn, SPEAKERS, options.speaker_column)
        text_key = _present(turn, TEXTS, options.text_column, taken=speaker_key)
        if speaker_key is None or text_key is None:
            reading.skipped["turn without speaker or text"] += 1
            continue
        keys[f"{speaker_key} and {text_key}"] += 1
        speaker, text = turn[speaker_key].strip(), tidy(_text(turn[text_key]), reading.skipped)
        reading.lines.append(Line(speaker, text, group, "", source))
        found = True
    return found


def _present(
    turn: Any, names: tuple[str, ...], asked: str | None = None, taken: str | None = None
) -> str | None:
    """The first key that holds text; ``taken`` is the one that holds the speaker."""
    if not isinstance(turn, dict):
        return None
    wanted = (asked,) if asked else names
    read = _text if taken else lambda value: value if isinstance(value, str) else ""
    return next((n for n in wanted if n != taken and read(turn.get(n)).strip()), None)


def _text(value: Any) -> str:
    """Text, or the joined parts of a messenger's text with links and emphasis."""
    if isinstance(value, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in value)
        return "".join(part for part in parts if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _read_tree(reading: Reading, node: dict[str, Any], group: str, source: str) -> None:
    """The best-ranked path from the root; its siblings are worse replies."""
    before = ""
    for _ in range(MAX_DEPTH):
        text, speaker = node.get("text"), node.get("role")
        if not (isinstance(text, str) and text.strip() and isinstance(speaker, str)):
            break
        reading.lines.append(Line(speaker, text.strip(), group, "", source))
        listed = node.get("replies")
        replies = [reply for reply in listed if _is_sound(reply)] if isinstance(listed, list) else []
        if not replies:
            break
        ranked = sorted(replies, key=_rank)
        before = text.strip()
        reading.alternatives += [
            Alternative(before, ranked[0]["text"].strip(), reply["text"].strip())
            for reply in ranked[1:]
            if _rank(reply) > _rank(ranked[0])
        ]
        node = ranked[0]


def _is_sound(reply: Any) -> bool:
    return (
        isinstance(reply, dict)
        and isinstance(reply.get("text"), str)
        and bool(reply["text"].strip())
        and not reply.get("deleted")
    )


def _rank(reply: dict[str, Any]) -> float:
    rank = reply.get("rank")
    return rank if isinstance(rank, int | float) and not isinstance(rank, bool) else float("inf")
