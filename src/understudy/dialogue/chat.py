"""Chat: rows of JSON as dialogues, one a row: OpenAI, ShareGPT, Alpaca, and preference pairs."""

import re
from collections import Counter
from typing import Any, cast

from understudy.dialogue.dialogue import ROLES, Dialogue, Message, Role
from understudy.dialogue.json_rows import JsonRows
from understudy.dialogue.leftovers import tidy
from understudy.dialogue.line import Alternative, Reading
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.pairs import find_pair, make_pair, tidy_pair
from understudy.dialogue.scene import dialogue_id
from understudy.dialogue.source_file import SourceFile
from understudy.dialogue.speaker import normalize_label
from understudy.errors import DialogueError

__all__ = ["looks_like_chat", "read_chat"]

# ShareGPT writes {"conversations": [{"from": "human", "value": "..."}]}.
LISTS = ("messages", "conversations", "conversation")
OUTPUTS = (("preferred_output", "non_preferred_output"), ("preferred_completion", "non_preferred_completion"))
ROLE_NAMES = {
    "human": "user", "prompter": "user", "developer": "system", "gpt": "assistant", "bot": "assistant",
    "chatbot": "assistant", "chatgpt": "assistant", "ai": "assistant", "model": "assistant",
    "character": "assistant", "char": "assistant", "bing": "assistant", "bard": "assistant",
    "claude": "assistant",
}  # fmt: skip
# Distinct system messages that are counted; in data with one of its own in each row, the first show enough.
MAX_SYSTEM_MESSAGES = 1000


class _Unusable(ValueError):
    """A row that is sound but cannot become a dialogue; the message is the reason."""


def looks_like_chat(file: SourceFile) -> bool:
    """Whether the file begins as JSON does. What is wrong inside is told by the reader."""
    is_json_file = {suffix.casefold() for suffix in file.path.suffixes} & {".json", ".jsonl", ".ndjson"}
    return bool(is_json_file) or re.match(r"\s*(?:\{\s*\"|\[\s*\{)", file.head) is not None


def read_chat(file: SourceFile, options: ImportOptions) -> Reading:
    """Read one dialogue a row; system messages stay out, because the character's sheet replaces them.

    Rows with tool calls, pictures or no reply cannot teach a character to talk; they are
    counted with the reason. Lines that are not JSON are named and left out, unless no line is.
    Of a preference pair the better reply is read, and the worse one kept beside it.

    Raises:
        DialogueError: No row of the file is a chat.
    """
    reading = Reading("chat", details={"encoding": file.encoding}, warnings=list(file.warnings))
    rows, reader = JsonRows(file), _Rows(file, options, reading)
    for number, row in rows:
        try:
            reading.dialogues.append(reader.dialogue(row, number))
        except _Unusable as reason:
            reading.skipped[str(reason)] += 1
    if not reading.dialogues:
        raise DialogueError(_nothing_read(file, rows.problems, reading.skipped))
    reader.finish()
    if rows.problems:
        reading.skipped["line that is not JSON"] += rows.faults
        reading.warnings += rows.problems
        if rows.faults > len(rows.problems):
            reading.warnings.append(f"{file.path}: … and {rows.faults - len(rows.problems)} lines more.")
    return reading


def _nothing_read(file: SourceFile, problems: list[str], skipped: Counter[str]) -> str:
    reasons = ", ".join(f"{count} x {reason}" for reason, count in skipped.most_common())
    told = f" ({reasons})" if reasons else ""
    return "\n".join(
        [
            f"{file.path}: holds no chat that can be used{told}. Each line must be a JSON object such as "
            '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}',
            *problems,
        ]
    )


class _Rows:
    """Turns rows into dialogues, and counts how they are written."""

    def __init__(self, file: SourceFile, options: ImportOptions, reading: Reading) -> None:
        self.file, self.options, self.reading = file, options, reading
        self.spellings: Counter[str] = Counter()
        self.system_messages: Counter[str] = Counter()
        self.rows = 0

    def dialogue(self, row: Any, number: int) -> Dialogue:
        self.rows += 1
        if not isinstance(row, dict):
            raise _Unusable("row that is not an object")
        path, asked = self.file.path, (self.options.question_column, self.options.answer_column)
        if not any(asked):
            if (better := _preferred(row)) is not None:
                return self._preference(row, better, number)
            name = next((name for name in LISTS if isinstance(row.get(name), list)), None)
            if name is not None:
                return self._turns(row, name, number)
        pair = find_pair(row, *asked)
        if pair is None:
            raise _Unusable("row without 'messages'" if not any(asked) else "row without the asked-for keys")
        self.spellings[pair.spelling] += 1
        pair = tidy_pair(pair, self.reading.skipped)
        if not pair.question or not pair.answer:
            raise _Unusable("row without a question or an answer")
        return make_pair(pair, path, number)

    def _turns(self, row: dict[str, Any], name: str, number: int) -> Dialogue:
        messages = self._messages(row[name])
        while messages and messages[-1].role == "user":
            messages.pop()
        made = _dialogue(row, messages, self.file.path.stem, f"{self.file.path.name}:{number}")
        first = row[name][0]
        old = isinstance(first, dict) and "from" in first
        self.spellings[
            "ShareGPT (conversations of from and value)" if old else f"{name} of role and content"
        ] += 1
        return made

    def _preference(self, row: dict[str, Any], outputs: tuple[Any, Any, Any], number: int) -> Dialogue:
        """A dialogue that ends with the better reply."""
        given, better, worse = outputs
        if not isinstance(given, list):
            raise _Unusable("preference pair without messages")
        before = self._messages(given)
        chosen, rejected = self._messages(better), self._messages(worse)
        if not (chosen and rejected) or chosen[-1].role != "assistant" or rejected[-1].role != "assistant":
            raise _Unusable("preference pair without two replies")
        # Other projects' files repeat the question in both outputs.
        if chosen[: len(before)] == before:
            chosen = chosen[len(before) :]
        made = _dialogue(
            row, _merge([*before, *chosen]), self.file.path.stem, f"{self.file.path.name}:{number}"
        )
        reply = made.messages[-1].content
        last = made.messages[-2].content
        self.reading.alternatives.append(Alternative(last, reply, rejected[-1].content))
        self.spellings["preference pairs"] += 1
        return made

    def _messages(self, turns: Any) -> list[Message]:
        if isinstance(turns, str):
            turns = [{"role": "assistant", "content": turns}]
        if not isinstance(turns, list):
            raise _Unusable("row with messages that are not a list")
        return _merge([message for turn in turns if (message := self._message(turn))])

    def _message(self, turn: Any) -> Message | None:
        if not isinstance(turn, dict):
            raise _Unusable("row with a message that is not an object")
        role = turn.get("role", turn.get("from"))
        role = self._role(role) if isinstance(role, str) else role
        if (
            role in ("tool", "function", "function_call", "observation")
            or turn.get("tool_calls")
            or turn.get("function_call")
        ):
            raise _Unusable("row with tool calls")
        if role not in ROLES:
            raise _Unusable(f"row with an unknown role {str(role)[:20]!r}")
        content = tidy(_content(turn.get("content", turn.get("value"))), self.reading.skipped)
        if role == "system":
            self.reading.skipped["system message (the character's sheet replaces it)"] += 1
            if content in self.system_messages or len(self.system_messages) < MAX_SYSTEM_MESSAGES:
                self.system_messages[content] += 1
            return None
        if not content:
            raise _Unusable("row with an empty message")
        name, weight = turn.get("name", turn.get("speaker")), turn.get("weight")
        weight = weight if role == "assistant" and weight in (0, 1) and not isinstance(weight, bool) else None
        return Message(cast(Role, role), content, name if isinstance(name, str) else None, weight)

    def _role(self, label: str) -> str:
        """The role that a label stands for; the character's own name is the assistant."""
        role = label.strip().casefold()
        if role not in ROLES and normalize_label(label) in map(normalize_label, self.options.speakers):
            return "assistant"
        return ROLE_NAMES.get(role, role if role in ROLES else label)

    def finish(self) -> None:
        """Show how the rows are written, and the commonest system message: it may be the prompt."""
        if self.spellings:
            self.reading.format = f"chat, {self.spellings.most_common(1)[0][0]}"
        if len(self.spellings) > 1:
            told = (f"{count} x {what}" for what, count in self.spellings.most_common())
            self.reading.details["rows"] = ", ".join(told)
        if self.system_messages:
            text, count = self.system_messages.most_common(1)[0]
            short = " ".join(text.split())
            short = short if len(short) <= 80 else short[:79] + "…"
            self.reading.details["system message, left out"] = f"{short!r} ({count} of {self.rows} rows)"


def _preferred(row: dict[str, Any]) -> tuple[Any, Any, Any] | None:
    """Messages, better and worse output: OpenAI's format, and the one with chosen and rejected."""
    for better, worse in OUTPUTS:
        if better in row:
            given = row.get("input")
            return (given.get("messages") if isinstance(given, dict) else None, row[better], row.get(worse))
    if "chosen" in row and "rejected" in row:
        prompt = row.get("prompt", row.get("question", row.get("messages", [])))
        turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return turns, row["chosen"], row["rejected"]
    return None


def _dialogue(row: dict[str, Any], messages: list[Message], prefix: str, source: str) -> Dialogue:
    if not any(message.role == "assistant" for message in messages):
        raise _Unusable("row without an assistant's reply")
    if not any(message.role == "user" for message in messages):
        raise _Unusable("row without a user's message")
    identity = dialogue_id(messages, prefix)
    group = row.get("group") if isinstance(row.get("group"), str) else None
    category = row.get("category") if isinstance(row.get("category"), str) else None
    return Dialogue(
        identity, f"{prefix}/{group}" if group else identity, tuple(messages), category or "", source
    )


def _content(content: Any) -> str:
    """Text, or the joined text parts of a list of parts."""
    if isinstance(content, str):
        return content.strip()
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        if any(part.get("type") not in ("text", "input_text") for part in content):
            raise _Unusable("row with a picture, sound or file")
        return "\n".join(str(part.get("text") or part.get("value") or "") for part in content).strip()
    return ""


def _merge(messages: list[Message]) -> list[Message]:
    """Messages of one role in a row become one, unless their weights differ."""
    merged: list[Message] = []
    for message in messages:
        last = merged[-1] if merged else None
        if last and last.role == message.role and last.weight == message.weight:
            merged[-1] = Message(last.role, f"{last.content}\n{message.content}", last.speaker, last.weight)
        else:
            merged.append(message)
    return merged
