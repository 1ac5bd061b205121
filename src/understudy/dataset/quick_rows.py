"""Quick rows: examples in which there is nothing to find, told apart from the others at the speed of C.

What passes here breaks no rule; what does not is looked at again, rule by rule, to say what is wrong.
"""

import re
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from understudy.dataset.disclaimer import find_disclaimer
from understudy.dataset.tokens import TOKENS_PER_EXAMPLE, TOKENS_PER_MESSAGE, TOKENS_PER_NAME, token_counter

__all__ = ["QuickRow", "QuickRows"]

# Every reply in which ``find_disclaimer`` finds something holds one of these.
_MACHINE = (
    "language model", "artificial", "chatbot", "chat bot", "assistant", "computer program",
    "machine learning", "text-based", "feelings", "emotions", "opinions", "beliefs", "consciousness",
    "experiences", "preferences", "physical", "training data", "knowledge cut", "programming",
    "i was trained", "i was programmed", "i was created", "i was developed",
)  # fmt: skip
_AI = re.compile(r"ai(?![a-z])")


class _System(Struct, tag_field="role", tag="system", forbid_unknown_fields=True):
    content: str
    name: str | UnsetType = UNSET


class _User(Struct, tag_field="role", tag="user", forbid_unknown_fields=True):
    content: str
    name: str | UnsetType = UNSET


class _Assistant(Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True):
    content: str
    name: str | UnsetType = UNSET
    weight: Literal[0, 1] | UnsetType = UNSET


class _Row(Struct, forbid_unknown_fields=True):
    messages: list[_System | _User | _Assistant]


class QuickRow:
    """A sound example: messages as ``(role, text)``, billed tokens, learned replies, one spelling of it."""

    __slots__ = ("canonical", "learned", "messages", "tokens")

    def __init__(self, messages: list[tuple[str, str]], tokens: int, learned: int, canonical: bytes) -> None:
        self.messages, self.tokens, self.learned, self.canonical = messages, tokens, learned, canonical


class QuickRows:
    """Reads lines of chat format for one vocabulary."""

    def __init__(self, encoding: str) -> None:
        self.decode = msgspec.json.Decoder(_Row).decode
        self.encode = msgspec.json.Encoder().encode
        self.count = token_counter(encoding)
        # A system prompt stands in every example; each is counted once.
        self.count_system = lru_cache(maxsize=4096)(self.count)
        self.role_tokens = {role: self.count(role) for role in ("system", "user", "assistant")}

    def read(self, data: bytes) -> QuickRow | None:
        """The example, or ``None`` where a rule might be broken."""
        try:
            row = self.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if not row.messages:
            return None
        last = row.messages[-1]
        if type(last) is not _Assistant or last.weight == 0:
            return None
        messages: list[tuple[str, str]] = []
        tokens, learned = TOKENS_PER_EXAMPLE, 0
        for message in row.messages:
            content = message.content
            kind = type(message)
            if kind is _System:
                role, counted = "system", self.count_system(content)
            elif not content.strip():
                return None
            else:
                role, counted = ("user" if kind is _User else "assistant"), self.count(content)
            learned += kind is _Assistant and message.weight != 0  # type: ignore[union-attr]
            tokens += TOKENS_PER_MESSAGE + self.role_tokens[role] + counted
            if message.name is not UNSET:
                tokens += TOKENS_PER_NAME + self.count(message.name)
            messages.append((role, content))
            if "<|" in content:
                return None
            if kind is _Assistant and _speaks_as_a_machine(content):
                return None
        return QuickRow(messages, tokens, learned, self.encode(row))


def _speaks_as_a_machine(reply: str) -> bool:
    """The careful look only where a word calls for it: most replies hold none."""
    lower = reply.lower()
    if _AI.search(lower) is not None:
        return find_disclaimer(reply) is not None
    for word in _MACHINE:
        if word in lower:
            return find_disclaimer(reply) is not None
    return False
