"""Dialogue: messages with speakers, a category, a source, and a group that no split cuts."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from understudy.atomic import write_jsonl
from understudy.errors import DialogueError
from understudy.folder import typed
from understudy.textfile import json_fault

__all__ = ["Dialogue", "Message", "load_dialogues", "render_dialogues", "save_dialogues"]

Role = Literal["system", "user", "assistant"]
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Message:
    """One turn. ``speaker`` is who says it in the source, where the source names one.

    ``weight`` follows the OpenAI training format: 0 keeps an assistant message as context
    without learning it, 1 or ``None`` learns it.
    """

    role: Role
    content: str
    speaker: str | None = None
    weight: int | None = None

    def as_chat(self) -> dict[str, str]:
        """The message as the chat API takes it."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True)
class Dialogue:
    """A conversation in which the assistant is the character.

    ``group`` is a scene, an episode or a family of paraphrases: everything that shares it
    stays on one side of every split. ``source`` says where it came from (``file:line``).
    """

    id: str
    group: str
    messages: tuple[Message, ...]
    category: str = ""
    source: str = ""

    def replies(self) -> list[int]:
        """Positions of the character's own messages."""
        return [i for i, message in enumerate(self.messages) if message.role == "assistant"]


def _message(row: Any, where: str) -> Message:
    if not isinstance(row, dict):
        raise DialogueError(f"{where}: a message must be an object with 'role' and 'content'.")
    role, content = row.get("role"), row.get("content")
    if role not in ROLES:
        raise DialogueError(f"{where}: role {role!r} is not one of {', '.join(ROLES)}.")
    if not isinstance(content, str):
        raise DialogueError(f"{where}: 'content' must be text.")
    weight = row.get("weight")
    if weight not in (None, 0, 1):
        raise DialogueError(f"{where}: 'weight' must be 0 or 1.")
    return Message(role, content, row.get("speaker"), weight)


def _dialogue(row: Any, where: str, number: int) -> Dialogue:
    if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
        raise DialogueError(f"{where}: a dialogue must be an object with a list 'messages'.")
    messages = tuple(_message(m, where) for m in row["messages"])
    identity = str(row.get("id") or f"dialogue-{number}")
    return Dialogue(
        identity,
        str(row.get("group") or identity),
        messages,
        str(row.get("category") or ""),
        str(row.get("source") or ""),
    )


def load_dialogues(path: Path) -> list[Dialogue]:
    """Read ``dialogues.jsonl``.

    Raises:
        DialogueError: All faulty lines at once, each as ``file:line: what is wrong``.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DialogueError(
            f"{path}: no such file. Import or write dialogues first, for example: "
            f"understudy import {typed(path.parent)} transcript.csv --speaker NAME"
        ) from None
    except UnicodeDecodeError as error:
        raise DialogueError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from error
    except OSError as error:
        raise DialogueError(f"{path}: cannot be read ({error.strerror}).") from error
    dialogues: list[Dialogue] = []
    problems: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            dialogues.append(_dialogue(json.loads(line), where, number))
        except json.JSONDecodeError as error:
            problems.append(f"{where}: is not JSON ({json_fault(error)}).")
        except DialogueError as error:
            problems.append(str(error))
        except (ValueError, RecursionError) as error:
            problems.append(f"{where}: is not readable JSON ({json_fault(error)}).")
    if problems:
        raise DialogueError("\n".join(problems))
    return dialogues


def _as_row(dialogue: Dialogue) -> dict[str, Any]:
    messages = []
    for message in dialogue.messages:
        row: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.speaker is not None:
            row["speaker"] = message.speaker
        if message.weight is not None:
            row["weight"] = message.weight
        messages.append(row)
    return {
        "id": dialogue.id,
        "group": dialogue.group,
        "category": dialogue.category,
        "source": dialogue.source,
        "messages": messages,
    }


def render_dialogues(dialogues: Iterable[Dialogue]) -> str:
    """The text of ``dialogues.jsonl``: one JSON object a line."""
    return "".join(json.dumps(_as_row(dialogue), ensure_ascii=False) + "\n" for dialogue in dialogues)


def save_dialogues(path: Path, dialogues: Iterable[Dialogue]) -> None:
    """Write ``dialogues.jsonl`` in one step."""
    write_jsonl(path, map(_as_row, dialogues))
