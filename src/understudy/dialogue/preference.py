"""Preference: two replies to the same messages, one better than the other, and the file of them."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.atomic import write_jsonl
from understudy.dialogue.dialogue import Dialogue, Message
from understudy.dialogue.line import Alternative
from understudy.errors import DialogueError
from understudy.textfile import json_fault

__all__ = ["Preference", "find_preferences", "load_preferences", "preference_id", "save_preferences"]

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Preference:
    """``chosen`` is the better reply to ``messages``, ``rejected`` the worse one.

    ``group`` is that of the dialogue it belongs to, so that no split cuts it. ``source`` says who
    decided: a file, a model whose reply was rejected, or ratings.
    """

    id: str
    group: str
    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    source: str = ""


def preference_id(messages: Iterable[Message], chosen: str, rejected: str) -> str:
    """An id that the same words always get."""
    words = json.dumps([[[m.role, m.content] for m in messages], chosen, rejected], ensure_ascii=False)
    return f"preference-{hashlib.sha256(words.encode('utf-8', 'replace')).hexdigest()[:12]}"


def find_preferences(
    dialogues: Iterable[Dialogue], alternatives: Iterable[Alternative], source: str
) -> list[Preference]:
    """Place each rejected reply under the messages that it answered.

    An alternative whose chosen reply stands in no dialogue is left out: without the messages before
    it there is nothing to prefer.
    """
    wanted: dict[str, list[Alternative]] = defaultdict(list)
    for alternative in alternatives:
        if alternative.rejected.strip() and alternative.rejected.strip() != alternative.chosen.strip():
            wanted[alternative.chosen].append(alternative)
    found: dict[str, Preference] = {}
    for dialogue in dialogues if wanted else ():
        for position in dialogue.replies():
            chosen = dialogue.messages[position].content
            before = dialogue.messages[:position]
            for alternative in wanted.get(chosen, ()):
                if before and before[-1].content.endswith(alternative.before):
                    identity = preference_id(before, chosen, alternative.rejected)
                    found[identity] = Preference(
                        identity, dialogue.group, before, chosen, alternative.rejected, source
                    )
    return list(found.values())


def load_preferences(path: Path) -> list[Preference]:
    """Read ``preferences.jsonl``; a missing file holds none.

    Raises:
        DialogueError: All faulty lines at once, each as ``file:line: what is wrong``.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DialogueError(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    preferences, problems = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            preferences.append(_preference(json.loads(line), number))
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, DialogueError) else f"is not JSON ({json_fault(error)})"
            problems.append(f"{path}:{number}: {reason}.")
    if problems:
        raise DialogueError("\n".join(problems))
    return preferences


def save_preferences(path: Path, preferences: Iterable[Preference]) -> None:
    """Write ``preferences.jsonl`` in one step."""
    write_jsonl(path, map(_row, preferences))


def _row(preference: Preference) -> dict[str, Any]:
    return {
        "id": preference.id,
        "group": preference.group,
        "source": preference.source,
        "messages": [message.as_chat() for message in preference.messages],
        "chosen": preference.chosen,
        "rejected": preference.rejected,
    }


def _preference(row: Any, number: int) -> Preference:
    if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
        raise DialogueError("must be an object with a list 'messages', 'chosen' and 'rejected'")
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if not (isinstance(chosen, str) and isinstance(rejected, str) and chosen.strip() and rejected.strip()):
        raise DialogueError("'chosen' and 'rejected' must be text")
    if chosen.strip() == rejected.strip():
        raise DialogueError("'chosen' and 'rejected' are the same, so nothing is preferred")
    messages = []
    for message in row["messages"]:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise DialogueError(f"a message must be an object with a role of {', '.join(ROLES)}")
        if not isinstance(message.get("content"), str):
            raise DialogueError("'content' must be text")
        messages.append(Message(message["role"], message["content"]))
    if not messages:
        raise DialogueError("'messages' is empty, so there is nothing to reply to")
    identity = str(row.get("id") or f"preference-{number}")
    return Preference(
        identity,
        str(row.get("group") or identity),
        tuple(messages),
        chosen,
        rejected,
        str(row.get("source") or ""),
    )
