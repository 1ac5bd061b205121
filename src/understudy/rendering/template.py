"""ChatTemplate: messages to text with the model's own Jinja template, in a sandbox with limits."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from understudy.errors import ModelError, RenderingError
from understudy.rendering.budget import Budget, spending
from understudy.rendering.sandbox import PINNED_DATE, compile_template
from understudy.rendering.tokens import read_json_file

__all__ = ["DEFAULT_TEMPLATE", "PINNED_DATE", "ChatTemplate", "load_template"]

# For a base model without a chat template. The turn ends with the tokenizer's own end token, which no
# content can forge; the names of the speakers are plain words that any vocabulary has.
DEFAULT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ message.role | capitalize }}:\n{{ message.content }}{{ eos_token }}\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:\n{% endif %}"
)


class ChatTemplate:
    """One compiled template and the special tokens it may write."""

    def __init__(self, source: str, named_tokens: Mapping[str, str], *, where: str = "chat template") -> None:
        self.source, self.where = source, where
        self._variables = {"bos_token": "", "eos_token": "", **named_tokens}
        try:
            self._template = compile_template(source)
        except jinja2.TemplateError as error:
            fault = (error.message or "").rstrip(".")
            raise ModelError(
                f"{where}: line {getattr(error, 'lineno', 1)}: {fault}. The chat template cannot be used; "
                "put a working one into chat_template.jinja."
            ) from error

    def render(self, messages: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool) -> str:
        """The text of the messages; with ``add_generation_prompt`` up to where a reply begins.

        Raises:
            RenderingError: The template refuses the messages, with its own words.
        """
        try:
            with spending(Budget.for_messages(messages)) as budget:
                return "".join(self._chunks(messages, add_generation_prompt, budget))
        except RenderingError as error:
            raise RenderingError(f"{self.where}: {error}") from error
        except Exception as error:  # a template can fail in any way that Python can
            raise RenderingError(
                f"{self.where}: cannot render these messages ({str(error)[:500]})."
            ) from error

    def _chunks(
        self, messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool, budget: Budget
    ) -> Iterator[str]:
        variables = {
            **self._variables,
            "messages": [dict(message) for message in messages],
            "add_generation_prompt": add_generation_prompt,
            "tools": None,
            "documents": None,
            # A character replies at once; models that can think aloud are told not to.
            "enable_thinking": False,
            "thinking": False,
        }
        for chunk in self._template.generate(variables):
            budget.spend(len(chunk))
            yield chunk


def _named_template(value: Any, where: Path) -> str | None:
    """A template given as text or as a list of ``{name, template}``."""
    if value is None or isinstance(value, str):
        return value or None
    rows = value if isinstance(value, list) else []
    named = {row.get("name"): row.get("template") for row in rows if isinstance(row, dict)}
    if isinstance(named.get("default"), str):
        return named["default"]
    texts = [text for text in named.values() if isinstance(text, str)]
    if len(texts) == 1:
        return texts[0]
    raise ModelError(
        f"{where}: chat_template names no 'default' among {sorted(map(str, named))}. "
        "Put the one you want into chat_template.jinja."
    )


def load_template(directory: Path, named_tokens: Mapping[str, str]) -> ChatTemplate:
    """The chat template of a model directory, or ``DEFAULT_TEMPLATE`` where it has none.

    Raises:
        ModelError: A template is there and cannot be used, or there is none and the tokenizer
            has no end token to close a turn with.
    """
    path = directory / "chat_template.jinja"
    if path.is_file():
        try:
            return ChatTemplate(path.read_text(encoding="utf-8-sig"), named_tokens, where=str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    for name in ("tokenizer_config.json", "chat_template.json"):
        source = _named_template(read_json_file(directory / name).get("chat_template"), directory / name)
        if source:
            return ChatTemplate(source, named_tokens, where=str(directory / name))
    if not named_tokens.get("eos_token"):
        raise ModelError(
            f"{directory}: has neither a chat template nor an end-of-sequence token. Choose a "
            "chat model, or add chat_template.jinja and an eos_token in tokenizer_config.json."
        )
    return ChatTemplate(DEFAULT_TEMPLATE, named_tokens, where="the default chat template")
