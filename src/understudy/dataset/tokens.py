"""Tokens as OpenAI counts them, without network."""

import importlib.util
import json
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.machinery import PathFinder
from typing import Any

from understudy.errors import ConfigError

__all__ = [
    "base_model_name",
    "context_limit",
    "count_example_tokens",
    "count_text_tokens",
    "encoding_name",
    "token_counter",
]

# Longest example that training reads; longer ones are cut off at the end.
# Source: OpenAI fine-tuning guide, limits table, as of 2026-11.
CONTEXT_LIMITS = (
    ("gpt-3.5-turbo-0613", 4096),
    ("gpt-3.5", 16_385),
    ("gpt-4.1", 65_536),
    ("gpt-4o", 65_536),
    ("gpt-4", 8192),
)
DEFAULT_CONTEXT = 65_536
# GPT-4 and GPT-3.5 used cl100k; everything since gpt-4o uses o200k. Prefixes, first match wins.
ENCODINGS = (
    ("gpt-4o", "o200k_base"),
    ("gpt-4.1", "o200k_base"),
    ("gpt-4.5", "o200k_base"),
    ("gpt-3.5", "cl100k_base"),
    ("gpt-35", "cl100k_base"),
    ("gpt-4", "cl100k_base"),
    ("babbage-002", "cl100k_base"),
    ("davinci-002", "cl100k_base"),
)
DEFAULT_ENCODING = "o200k_base"
# Source: OpenAI cookbook, "Data preparation and analysis for chat model fine-tuning".
TOKENS_PER_MESSAGE = 3
TOKENS_PER_NAME = 1
TOKENS_PER_EXAMPLE = 3
# The tokenizer refuses texts of many megabytes; each cut adds at most a token or two.
LONGEST_PIECE = 500_000


def base_model_name(model: str) -> str:
    """The base model of a fine-tuned one: ``ft:gpt-4.1-mini-2025-04-14:org::id`` is gpt-4.1-mini.

    Raises:
        ConfigError: ``ft:`` names no base model.
    """
    name = model
    if model.startswith("ft:"):
        name = model.split(":")[1]
        if not name:
            raise ConfigError(f"{model!r}: names no base model. Write ft:BASE:ORGANIZATION:SUFFIX:ID.")
    return re.sub(r"-\d{4}-\d{2}-\d{2}$", "", name)


def encoding_name(model: str) -> str:
    """The tokenizer of an OpenAI model, also of a fine-tuned one.

    The base name decides: looking up the full name by prefix, as other tools do, takes
    ``ft:gpt-4.1`` for a GPT-4 and counts with the wrong tokenizer.
    """
    base = base_model_name(model)
    return next((encoding for prefix, encoding in ENCODINGS if base.startswith(prefix)), DEFAULT_ENCODING)


def context_limit(model: str) -> int:
    """Tokens of the longest example that the service reads in training."""
    base = base_model_name(model)
    return next((limit for prefix, limit in CONTEXT_LIMITS if base.startswith(prefix)), DEFAULT_CONTEXT)


def _piece_counter(encoding: str) -> Callable[[str], int]:
    """Counts the tokens of texts of up to ``LONGEST_PIECE`` characters, without half characters."""
    # The package itself reads all its tables four times when it is imported; its compiled part does not.
    with suppress(ImportError, AttributeError):
        return _bindings().tokenizer_for_encoding(encoding).count
    with warnings.catch_warnings():
        # Its import reads the tables, with a function that Python 3.11 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        import bpe_openai
    encode = bpe_openai.get_encoding(encoding).encode_ordinary
    return lambda text: len(encode(text))


def _bindings() -> Any:
    """The compiled part of bpe-openai, known by its own name, so that it is never loaded twice.

    Raises:
        ImportError: The package has no such part.
    """
    name = "bpe_openai._bindings"
    if name in sys.modules:
        return sys.modules[name]
    package = importlib.util.find_spec("bpe_openai")
    spec = PathFinder.find_spec(name, package.submodule_search_locations) if package else None
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module
    return module


@lru_cache(maxsize=4)
def token_counter(encoding: str = DEFAULT_ENCODING) -> Callable[[str], int]:
    """A function that counts the tokens of a text; names of control tokens in it count as ordinary text."""
    count_piece = _piece_counter(encoding)

    def count(text: str) -> int:
        if len(text) <= LONGEST_PIECE:
            try:
                return count_piece(text)
            except UnicodeEncodeError:
                pass
        # A lone surrogate, as broken JSON escapes leave it, has no UTF-8 form; the service counts "?" too.
        text = text.encode("utf-8", "replace").decode()
        pieces = (text[start : start + LONGEST_PIECE] for start in range(0, len(text), LONGEST_PIECE))
        return sum(map(count_piece, pieces))

    return count


def count_text_tokens(text: str, *, encoding: str = DEFAULT_ENCODING) -> int:
    """Tokens of a text; names of control tokens in it count as ordinary text."""
    return token_counter(encoding)(text)


def _value_tokens(value: Any, encoding: str) -> int:
    if value is None:
        return 0
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return count_text_tokens(text, encoding=encoding)


def _system_tokens(value: Any, encoding: str) -> int:
    """A system prompt stands in every example; it is counted once."""
    return _counted_once(value, encoding) if isinstance(value, str) else _value_tokens(value, encoding)


@lru_cache(maxsize=256)
def _counted_once(text: str, encoding: str) -> int:
    return count_text_tokens(text, encoding=encoding)


def count_example_tokens(
    messages: Sequence[Mapping[str, Any]], *, model: str = "gpt-4o-mini", limit: int | None = None
) -> int:
    """Billed tokens of one training example: 3 per message, its values, 1 per name, 3 per example.

    Args:
        messages: OpenAI chat messages; ``weight`` is a setting and not counted.
        model: Decides the tokenizer.
        limit: The most that one example counts, ``context_limit(model)`` when the service trains.

    Source: OpenAI cookbook, ``num_tokens_from_messages``.
    """
    encoding = encoding_name(model)
    total = TOKENS_PER_EXAMPLE
    for message in messages:
        total += TOKENS_PER_MESSAGE + TOKENS_PER_NAME * ("name" in message)
        is_system = message.get("role") == "system"
        count = _system_tokens if is_system else _value_tokens
        total += sum(count(value, encoding) for key, value in message.items() if key != "weight")
    return total if limit is None else min(total, limit)
