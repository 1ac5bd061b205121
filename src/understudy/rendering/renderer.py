"""Renderer: messages to token ids, and which of them are learned. Training, inference and scoring share it.

A training text is always *prompt + reply + end of turn*, where the prompt is rendered exactly as
inference renders it. Where the prompts of later turns begin with the text so far, one example
holds the whole conversation; where they do not (a template strips thinking blocks from history),
each such reply gets an example of its own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.errors import ModelError
from understudy.rendering.capabilities import (
    PROBE,
    Capabilities,
    fit_messages,
    fit_prompt,
    probe_capabilities,
)
from understudy.rendering.pieces import (
    EncodedPiece,
    choose_mark,
    encode_marked,
    mark_lookalikes,
)
from understudy.rendering.template import ChatTemplate, load_template
from understudy.rendering.tokens import Tokenizer, control_pattern, read_json_file

__all__ = ["IGNORE_INDEX", "LearnedTurn", "RenderedExample", "RenderedPrompt", "Renderer", "learned_nothing"]

IGNORE_INDEX = -100  # PyTorch's cross_entropy skips these positions


@dataclass(frozen=True)
class RenderedPrompt:
    """What a model reads before it replies."""

    ids: list[int]
    text: str


@dataclass(frozen=True)
class LearnedTurn:
    """One learned reply of an example: its index in the messages, and its tokens ``[first, end)``."""

    position: int
    first: int
    end: int


@dataclass(frozen=True)
class RenderedExample:
    """One training example.

    ``ids`` and ``labels`` have the same length T; a label is the id where it is learned and
    ``IGNORE_INDEX`` elsewhere. ``learned`` are the same places as character spans of ``text``.
    ``truncated``: the end was cut off to fit the token limit.
    """

    ids: list[int]
    labels: list[int]
    text: str
    learned: list[tuple[int, int]]
    truncated: bool
    turns: list[LearnedTurn] = field(default_factory=list)


def learned_nothing(example: RenderedExample) -> bool:
    """Whether no token of the example is learned: training on it would do nothing."""
    return all(label == IGNORE_INDEX for label in example.labels)


@dataclass(frozen=True)
class _Closing:
    """How the template surrounds a reply.

    opening: Belongs to the prompt, though the template writes it only together with a reply.
    before: Blanks that the model writes itself. end: What ends the reply. trims: Whether blanks
    around a reply are taken off.
    """

    opening: str
    before: str
    end: str
    trims: bool


@dataclass(frozen=True)
class _Turn:
    """A reply within fitted messages: the prompt before it and the texts that follow."""

    position: int
    learned: bool
    prompt: str
    reply: str


class Renderer:
    """Tokenizer, chat template and what the template can do, of one model directory."""

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate) -> None:
        self.tokenizer, self.template = tokenizer, template
        self.capabilities: Capabilities = probe_capabilities(template)
        self._closing = self._probe_closing()
        special = [token for token in tokenizer.added if token.special]
        scaffold = self._probe_text()
        self._names = control_pattern(special)
        self._user_names = control_pattern(
            [
                *special,
                *(
                    t
                    for t in tokenizer.added
                    if not t.special and t.content.strip() and t.content in scaffold
                ),
            ]
        )
        end = tokenizer.token_id(self._closing.end.strip()) or tokenizer.token_id(
            self._last_control(self._closing.end)
        )
        # Blanks that the model writes before each reply, because its template or tokenizer does. Inference
        # cuts them off.
        self.reply_prefix = self._probe_prefix()
        self.stop_ids: frozenset[int] = tokenizer.eos_ids | ({end} if end is not None else set())

    @classmethod
    def load(cls, model_directory: Path) -> "Renderer":
        """Read tokenizer and template of a model directory.

        Raises:
            ModelError: A file is missing or damaged, or a reply could never end.
            RenderingError: The template cannot render a question and its answer.
        """
        tokenizer = Tokenizer.load(Path(model_directory))
        named = dict(tokenizer.named)
        if not _has_template(Path(model_directory)) and not tokenizer.adds_bos:
            named["bos_token"] = ""  # the default template must not add what the model never saw
        return cls(tokenizer, load_template(Path(model_directory), named))

    # What the template does, found out once

    def _probe_text(self) -> str:
        messages = [{"role": "user", "content": PROBE}]
        reply = {"role": "assistant", "content": PROBE}
        return "".join(
            [
                self.template.render(messages, add_generation_prompt=True),
                self.template.render([*messages, reply, *messages], add_generation_prompt=True),
            ]
        )

    def _controls(self) -> re.Pattern[str] | None:
        return control_pattern(token for token in self.tokenizer.added if token.special)

    def _last_control(self, text: str) -> str:
        controls = self._controls()
        found = controls.findall(text) if controls else []
        return found[-1] if found else ""

    def _probe_closing(self) -> _Closing:
        user, spaced = {"role": "user", "content": PROBE + "u"}, f" {PROBE}a "
        prompt = self.template.render([user], add_generation_prompt=True)
        full, blank = (
            self.template.render([user, {"role": "assistant", "content": reply}], add_generation_prompt=False)
            for reply in (PROBE + "a", spaced)
        )
        head, _, tail = full.rpartition(PROBE + "a")
        written = head[len(prompt) :] if head.startswith(prompt) else _close_thoughts(prompt)
        opening, before = (written, "") if written.strip() else ("", written)
        controls = self._controls()
        match = controls.search(tail) if controls else None
        end = tail[: match.end()] if match else self.tokenizer.eos
        if not end:
            raise ModelError(
                f"{self.template.where}: nothing ends a reply: the template writes no control token "
                "after it, and the tokenizer has no eos_token. Name one in tokenizer_config.json."
            )
        return _Closing(opening, before, end, trims=before + spaced not in blank[len(head) - len(before) :])

    def _probe_prefix(self) -> str:
        probe = [{"role": "user", "content": PROBE}, {"role": "assistant", "content": PROBE}]
        example = self.examples(probe)[0]
        turn = example.turns[0]
        return self.decode(example.ids[turn.first : turn.end]).partition(PROBE)[0]

    @property
    def reply_end(self) -> str:
        """What ends a reply, up to and including its control token; the model learns to write it."""
        return self._closing.end

    # Messages to text

    def _marked(self, messages: Sequence[Mapping[str, Any]], mark: str) -> list[dict[str, Any]]:
        """The messages with marks where content looks like a control token.

        An assistant's thinking tags stay as they are, because the template itself takes them out.
        """
        marked = []
        for message in messages:
            names = self._names if message["role"] == "assistant" else self._user_names
            row = {**message, "content": mark_lookalikes(message["content"], names, mark)}
            if "name" in message:
                row["name"] = mark_lookalikes(str(message["name"]), names, mark)
            if message["role"] == "assistant" and self._closing.trims:
                row["content"] = row["content"].strip()
            marked.append(row)
        return marked

    def _prompt_text(self, marked: Sequence[Mapping[str, Any]]) -> str:
        known = ({key: m[key] for key in ("role", "content", "name") if key in m} for m in marked)
        return self.template.render(list(known), add_generation_prompt=True) + self._closing.opening

    def _turns(self, marked: Sequence[Mapping[str, Any]]) -> list[_Turn]:
        return [
            _Turn(
                m["position"],
                m.get("weight", 1) != 0,
                self._prompt_text(marked[:i]),
                self._closing.before + m["content"],
            )
            for i, m in enumerate(marked)
            if m["role"] == "assistant"
        ]

    def _in_place(self, turn: _Turn, text: str) -> bool:
        """Whether a later text begins with this turn exactly as it was prompted and answered."""
        return text.startswith(turn.prompt + turn.reply + self._closing.end)

    def _mark_for(self, messages: Sequence[Mapping[str, Any]]) -> str:
        texts = [m["content"] + str(m.get("name", "")) for m in messages]
        return choose_mark([*texts, self.template.source])

    def prompt(self, messages: Sequence[Mapping[str, Any]]) -> RenderedPrompt:
        """What the model reads before its next reply, byte for byte as in training.

        Raises:
            RenderingError: The messages cannot be rendered.
        """
        fitted = fit_prompt(messages, self.capabilities)
        mark = self._mark_for(fitted)
        marked = self._marked(fitted, mark)
        text = self._prompt_text(marked)
        cuts = [len(turn.prompt) for turn in self._turns(marked) if self._in_place(turn, text)]
        pieces = encode_marked(self.tokenizer, text, mark, cuts)
        return RenderedPrompt([i for piece in pieces for i in piece.ids], text.replace(mark, ""))

    def examples(
        self, messages: Sequence[Mapping[str, Any]], *, max_tokens: int | None = None
    ) -> list[RenderedExample]:
        """Training examples of one conversation; normally one.

        Several only where the template shows a reply differently once it is history; then each
        example learns the replies that the others do not. Longer than ``max_tokens``: cut off at
        the end, as the hosted service does. An example that learns nothing is returned only when
        the whole conversation teaches nothing (see ``learned_nothing``).

        Raises:
            RenderingError: The messages cannot be rendered.
        """
        fitted = fit_messages(messages, self.capabilities)
        mark = self._mark_for(fitted)
        turns = self._turns(self._marked(fitted, mark))
        waiting = [turn for turn in turns if turn.learned]
        if not waiting:
            return [self._unlearned(messages)]
        found: list[RenderedExample] = []
        while waiting:
            last = waiting[-1]
            placed = [t for t in turns if t is not last and self._in_place(t, last.prompt)]
            learned = [t for t in waiting if t is last or t in placed]
            found.append(self._example([*placed, last], learned, mark, max_tokens))
            waiting = [t for t in waiting if t not in learned]
        found.reverse()
        return [example for example in found if not learned_nothing(example)] or found[:1]

    def _unlearned(self, messages: Sequence[Mapping[str, Any]]) -> RenderedExample:
        prompt = self.prompt(messages)
        return RenderedExample(prompt.ids, [IGNORE_INDEX] * len(prompt.ids), prompt.text, [], False)

    def _example(
        self, turns: list[_Turn], learned: list[_Turn], mark: str, max_tokens: int | None
    ) -> RenderedExample:
        last = turns[-1]
        text = last.prompt + last.reply + self._closing.end
        pieces = encode_marked(self.tokenizer, text, mark, [len(turn.prompt) for turn in turns])
        spans = [_unmarked_span(text, turn, self._closing.end, mark) for turn in learned]
        return _label(pieces, text.replace(mark, ""), spans, [t.position for t in learned], max_tokens)

    # Ids to text

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, added tokens included."""
        return self.tokenizer.vocabulary_size

    def decode(self, ids: Sequence[int], *, special: bool = True) -> str:
        """The text of these ids; ``special=False`` leaves control tokens out."""
        kept = ids if special else [i for i in ids if i not in self.tokenizer.control_ids]
        return self.tokenizer.decode(list(kept))

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that a token adds to the text."""
        return self.tokenizer.token_bytes(token_id)

    def count(self, messages: Sequence[Mapping[str, Any]]) -> int:
        """Tokens of the conversation, or of the prompt where a reply is still to come."""
        if messages and isinstance(messages[-1], Mapping) and messages[-1].get("role") == "assistant":
            *context, last = messages
            return len(self.examples([*context, {**last, "weight": 1}])[-1].ids)
        return len(self.prompt(messages).ids)


def _close_thoughts(prompt: str) -> str:
    """What ends the thinking that a prompt opens and the template shows in no reply."""
    return "\n</think>\n\n" if prompt.rstrip().endswith("<think>") else ""


def _has_template(directory: Path) -> bool:
    return (directory / "chat_template.jinja").is_file() or any(
        read_json_file(directory / name).get("chat_template")
        for name in ("tokenizer_config.json", "chat_template.json")
    )


def _unmarked_span(text: str, turn: _Turn, end: str, mark: str) -> tuple[int, int]:
    """Characters of the reply and its end of turn, in the text without marks."""
    start = len(turn.prompt) - turn.prompt.count(mark)
    return start, start + len((turn.reply + end).replace(mark, ""))


def _label(
    pieces: list[EncodedPiece],
    text: str,
    spans: list[tuple[int, int]],
    positions: list[int],
    max_tokens: int | None,
) -> RenderedExample:
    """Ids and labels of the pieces: a piece is learned if it begins inside a span."""
    ids: list[int] = []
    labels: list[int] = []
    ends: list[int] = []
    bounds: dict[int, list[int]] = {}
    for piece in pieces:
        number = next((n for n, (start, end) in enumerate(spans) if start <= piece.start < end), None)
        if number is not None:
            bounds.setdefault(number, [len(ids), 0])[1] = len(ids) + len(piece.ids)
        labels += piece.ids if number is not None else [IGNORE_INDEX] * len(piece.ids)
        ids += piece.ids
        ends += piece.ends
    limit = len(ids) if max_tokens is None else min(max_tokens, len(ids))
    cut = limit < len(ids)
    text_end = (ends[limit - 1] if limit else 0) if cut else len(text)
    turns = [
        LearnedTurn(positions[n], first, min(end, limit))
        for n, (first, end) in bounds.items()
        if first < limit
    ]
    learned = [(start, min(end, text_end)) for start, end in spans if start < text_end]
    return RenderedExample(ids[:limit], labels[:limit], text[:text_end], learned, cut, turns)
