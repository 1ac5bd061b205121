"""ChatTemplate: messages to text with the model's own Jinja template, in a sandbox with limits."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from understudy.errors import ModelError, RenderingError
from understudy.rendering.tokens import read_json_file

__all__ = ["DEFAULT_TEMPLATE", "PINNED_DATE", "ChatTemplate", "load_template"]

# Templates that print today's date would train on one day and answer on another. Both sides see this
# one instead; Llama 3's own template falls back to the same day.
PINNED_DATE = datetime(2024, 7, 26)
SECONDS_LIMIT = 10.0
CHARACTERS_LIMIT = 16_000_000
STEPS_LIMIT = 2_000_000

# For a base model without a chat template. The turn ends with the tokenizer's own end token, which no
# content can forge; the names of the speakers are plain words that any vocabulary has.
DEFAULT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ message.role | capitalize }}:\n{{ message.content }}{{ eos_token }}\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:\n{% endif %}"
)


@dataclass
class _Budget:
    """What one rendering may still use."""

    deadline: float = field(default_factory=lambda: time.monotonic() + SECONDS_LIMIT)
    steps: int = STEPS_LIMIT
    characters: int = CHARACTERS_LIMIT

    def spend(self, steps: int = 1, characters: int = 0) -> None:
        self.steps -= steps
        self.characters -= characters
        if self.characters < 0:
            raise RenderingError(f"The chat template wrote more than {CHARACTERS_LIMIT} characters.")
        if self.steps < 0 or time.monotonic() > self.deadline:
            raise RenderingError("The chat template ran longer than a chat template may.")


_budget: ContextVar[_Budget] = ContextVar("template_budget")


def _counted(items: Iterable[Any]) -> Iterator[Any]:
    """The same items, each one charged to the budget, so that no loop runs for ever."""
    for item in items:
        _budget.get().spend()
        yield item


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As transformers defines it: plain JSON, nothing escaped for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _strftime_now(format_string: str) -> str:
    return PINNED_DATE.strftime(format_string)


class _GenerationTag(Extension):
    """``{% generation %}`` marks replies for transformers; here its body is just written."""

    tags = {"generation"}  # noqa: RUF012 (the base class declares a plain set)

    def parse(self, parser: Any) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["*", "**"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        sizes = [len(v) if hasattr(v, "__len__") else abs(v) for v in (left, right)]
        if (operator == "**" and max(sizes) > 1000) or sizes[0] * sizes[1] > CHARACTERS_LIMIT:
            raise RenderingError(f"The chat template computes {operator!r} of values that are too large.")
        return super().call_binop(context, operator, left, right)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        _budget.get().spend()
        if any(isinstance(value, int) and value > CHARACTERS_LIMIT for value in (*args, *kwargs.values())):
            raise RenderingError("The chat template asks for more text than a chat template may write.")
        return super().call(*args, **kwargs)


def _environment() -> _Sandbox:
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, loopcontrols])
    del environment.filters["center"]  # makes text of any length from a number
    environment.filters["tojson"] = _tojson
    environment.filters["counted"] = _counted
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment


class ChatTemplate:
    """One compiled template and the special tokens it may write."""

    def __init__(self, source: str, named_tokens: Mapping[str, str], *, where: str = "chat template") -> None:
        self.source, self.where = source, where
        self._variables = {"bos_token": "", "eos_token": "", **named_tokens}
        environment = _environment()
        try:
            tree = environment.parse(source)
            for loop in tree.find_all(nodes.For):
                loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None)
            self._template = environment.from_string(tree)
        except jinja2.TemplateSyntaxError as error:
            fault = (error.message or "").rstrip(".")
            raise ModelError(
                f"{where}: line {error.lineno}: {fault}. The chat template cannot be used; put a working one "
                "into chat_template.jinja."
            ) from error

    def render(self, messages: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool) -> str:
        """The text of the messages; with ``add_generation_prompt`` up to where a reply begins.

        Raises:
            RenderingError: The template refuses the messages, with its own words.
        """
        token = _budget.set(_Budget())
        try:
            return "".join(self._chunks(messages, add_generation_prompt))
        except RenderingError as error:
            raise RenderingError(f"{self.where}: {error}") from error
        except Exception as error:  # a template can fail in any way that Python can
            raise RenderingError(f"{self.where}: cannot render these messages ({error}).") from error
        finally:
            _budget.reset(token)

    def _chunks(self, messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool) -> Iterator[str]:
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
            _budget.get().spend(characters=len(chunk))
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
