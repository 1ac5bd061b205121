"""Conversation: the tokens of a chat as it grows, because its history is sent again every turn."""

from dataclasses import dataclass
from typing import Literal

from understudy.cost.cache_rule import CacheRule
from understudy.cost.price import Price
from understudy.errors import ConfigError

__all__ = [
    "ALL_HISTORY",
    "Caching",
    "Shape",
    "Trimming",
    "Turn",
    "conversation_usd",
    "grow",
    "parse_trimming",
]
__all__ += ["chance_still_cached"]

# What the chat format adds to the text: three tokens and the role per message, three before the reply.
# Source: OpenAI cookbook, "How to count tokens with tiktoken".
MESSAGE_TOKENS = 4
REPLY_PRIMER_TOKENS = 3


@dataclass(frozen=True)
class Shape:
    """Text tokens of a typical conversation: averages, so fractions are meant.

    ``greeting_tokens`` is the character's first line, where it speaks first.
    """

    prompt_tokens: float
    user_tokens: float
    reply_tokens: float
    turns: int
    greeting_tokens: float = 0.0

    def __post_init__(self) -> None:
        if self.turns < 1:
            raise ConfigError(f"A conversation needs at least one turn, not {self.turns}. Give --turns 10.")
        if min(self.prompt_tokens, self.user_tokens, self.reply_tokens, self.greeting_tokens) < 0:
            raise ConfigError("Token counts cannot be negative.")


@dataclass(frozen=True)
class Trimming:
    """What of the history is sent.

    ``all``: everything. ``last``: the last ``limit`` turns. ``tokens``: whole turns, newest
    first, while the history stays below ``limit`` tokens. ``halve``: when more than ``limit``
    turns would be sent, only the newer half of them stays, so that the beginning changes
    seldom and the cache holds in between.
    """

    kind: Literal["all", "last", "tokens", "halve"] = "all"
    limit: int = 0

    def __str__(self) -> str:
        return "all" if self.kind == "all" else f"{self.kind}-{self.limit}"


ALL_HISTORY = Trimming()


@dataclass(frozen=True)
class Caching:
    """When the provider still holds the beginning of a prompt.

    ``within``: probability that the previous request of the same conversation is still cached;
    ``first``: that another conversation left the system prompt there.
    """

    rule: CacheRule
    within: float = 1.0
    first: float = 0.0


@dataclass(frozen=True)
class Turn:
    """One request: ``fresh + cached + written`` are its prompt tokens (expected values)."""

    number: int
    prompt_tokens: float
    fresh_tokens: float
    cached_tokens: float
    written_tokens: float
    reply_tokens: float
    dropped_turns: int


def parse_trimming(text: str) -> Trimming:
    """``all``, ``last-6`` (turns), ``halve-12`` (turns) or ``tokens-1000``.

    Raises:
        ConfigError: It is none of these.
    """
    kind, _, limit = text.partition("-")
    if text == "all":
        return ALL_HISTORY
    if limit.isdecimal():
        if kind == "last":
            return Trimming("last", int(limit))
        if kind == "tokens":
            return Trimming("tokens", int(limit))
        if kind == "halve" and int(limit) > 1:
            return Trimming("halve", int(limit))
    raise ConfigError(
        f"--history {text!r} is not one of: all, last-6 (turns), halve-12 (turns, from 2), "
        "tokens-1000 (tokens)."
    )


def chance_still_cached(conversations_per_day: float, kept_minutes: float) -> float:
    """Probability that another conversation began within the time for which a prefix is kept.

    Arrivals are taken as a Poisson process, even over the day: 1 - exp(-rate x minutes kept).
    """
    from math import exp

    return 1.0 - exp(-max(0.0, conversations_per_day) / (24 * 60) * kept_minutes)


def grow(shape: Shape, *, caching: Caching | None = None, trimming: Trimming = ALL_HISTORY) -> list[Turn]:
    """The requests of one conversation, first to last.

    Turn t sends the system prompt, the history that trimming leaves, and the new message.
    With caching, turn t can read what turn t-1 sent, rounded down to the provider's step and
    only from its minimum on; where trimming dropped a turn in between, the texts differ right
    after the system prompt, so only that remains readable. That is why trimming can cost
    more than it saves.
    """
    system = shape.prompt_tokens + MESSAGE_TOKENS if shape.prompt_tokens else 0.0
    head = system + (shape.greeting_tokens + MESSAGE_TOKENS if shape.greeting_tokens else 0.0)
    exchange = shape.user_tokens + shape.reply_tokens + 2 * MESSAGE_TOKENS
    turns: list[Turn] = []
    for number in range(1, shape.turns + 1):
        past = number - 1
        kept = _kept_turns(past, exchange, trimming)
        # The greeting is the oldest part of the history: it goes with the first turn dropped.
        start = head if kept == past else system
        prompt = start + kept * exchange + shape.user_tokens + MESSAGE_TOKENS + REPLY_PRIMER_TOKENS
        same_start = bool(turns) and past - kept == turns[-1].dropped_turns
        shared = turns[-1].prompt_tokens if same_start else system
        cached, written = _cached(prompt, shared, head if kept == past else system, past > 0, caching)
        fresh = prompt - cached - written
        turns.append(Turn(number, prompt, fresh, cached, written, shape.reply_tokens, past - kept))
    return turns


def conversation_usd(turns: list[Turn], price: Price) -> float:
    """What the requests of one conversation cost."""
    return sum(
        price.request_usd(turn.fresh_tokens, turn.cached_tokens, turn.written_tokens, turn.reply_tokens)
        for turn in turns
    )


def _kept_turns(past: int, exchange_tokens: float, trimming: Trimming) -> int:
    if trimming.kind == "last":
        return min(past, trimming.limit)
    if trimming.kind == "tokens":
        return min(past, int(trimming.limit // exchange_tokens))
    if trimming.kind == "halve" and past > trimming.limit:
        half = trimming.limit // 2
        return half + (past - trimming.limit - 1) % (trimming.limit - half + 1)
    return past


def _cached(
    prompt: float, shared: float, head: float, continued: bool, caching: Caching | None
) -> tuple[float, float]:
    """Expected tokens read from and written to the cache by one request."""
    if caching is None:
        return 0.0, 0.0
    from_others = caching.first * _cacheable(head, caching.rule)
    read = from_others
    if continued:
        read = caching.within * _cacheable(shared, caching.rule) + (1 - caching.within) * from_others
    return read, max(0.0, _cacheable(prompt, caching.rule) - read)


def _cacheable(tokens: float, rule: CacheRule) -> float:
    """Tokens of a prefix that the provider keeps: none below the minimum, then whole steps."""
    if tokens < rule.minimum_tokens:
        return 0.0
    return rule.minimum_tokens + (tokens - rule.minimum_tokens) // rule.step_tokens * rule.step_tokens
