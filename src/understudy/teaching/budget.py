"""Budget: money that is set aside before a request goes out, so that a limit is never passed."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from understudy.dataset import count_text_tokens
from understudy.errors import ConfigError, UnderstudyError

__all__ = ["Budget", "BudgetReached", "Rate", "find_rate", "parse_rate"]

TOKENS_PER_MESSAGE = 8
COUNTED_EXACTLY = ("gpt-", "ft:gpt-", "o1", "o3", "o4")


class BudgetReached(Exception):
    """The next request might cost more than is left."""


@dataclass(frozen=True)
class Rate:
    """US dollars per million tokens read and written, with where the figures are from."""

    input: float
    output: float
    source: str

    def usd(self, prompt_tokens: float, reply_tokens: float) -> float:
        return (prompt_tokens * self.input + reply_tokens * self.output) / 1e6

    def halved(self) -> "Rate":
        """The price in batches."""
        return Rate(self.input / 2, self.output / 2, f"{self.source}, half price in batches")


def parse_rate(text: str) -> Rate:
    """``0.40/1.60``: what a model costs per million tokens, read and written.

    Raises:
        ConfigError: These are not two numbers of 0 or more.
    """
    try:
        read, written = (float(part) for part in text.split("/"))
        if not (0 <= read < float("inf") and 0 <= written < float("inf")):
            raise ValueError
    except ValueError:
        raise ConfigError(
            f"--price {text!r}: write two prices in US dollars per million tokens, read and written, for "
            "example 0.40/1.60."
        ) from None
    return Rate(read, written, "--price")


def find_rate(model: str) -> Rate | None:
    """The price of a model, or ``None`` where it is not known here."""
    from understudy.cost.price import find_price

    try:
        price = find_price(model)
    except UnderstudyError:
        return None
    return Rate(price.input, price.output, f"{price.source}, {price.as_of}")


class Budget:
    """What was spent and what is set aside for requests under way.

    ``limit_usd`` ``None``: nothing is limited, and only counted. ``spent_usd``: before this run.
    """

    def __init__(self, limit_usd: float | None = None, spent_usd: float = 0.0) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = spent_usd
        self._reserved = 0.0
        self._under_way = 0
        self._settled = asyncio.Condition()

    async def reserve(self, worst_usd: float) -> None:
        """Set the highest price of a request aside; waits while only requests under way stand against it.

        Raises:
            BudgetReached: It does not fit, whatever the requests under way cost.
        """
        async with self._settled:
            while self.limit_usd is not None and self.spent_usd + self._reserved + worst_usd > self.limit_usd:
                if not self._under_way:
                    raise BudgetReached
                await self._settled.wait()
            self._reserved += worst_usd
            self._under_way += 1

    async def settle(self, worst_usd: float, usd: float) -> None:
        """A request has ended: what it cost is spent, the rest is free again."""
        async with self._settled:
            self._under_way -= 1
            # Exactly 0 when nothing is under way, so that rounding never stands against the last request.
            self._reserved = max(0.0, self._reserved - worst_usd) if self._under_way else 0.0
            self.spent_usd += usd
            self._settled.notify_all()


def most_prompt_tokens(model: str, messages: Sequence[Mapping[str, str]]) -> int:
    """Tokens that the messages cannot exceed: counted for OpenAI's models, else one for each byte."""
    if model.startswith(COUNTED_EXACTLY):
        sizes = [count_text_tokens(message["content"]) for message in messages]
    else:
        sizes = [len(message["content"].encode()) for message in messages]
    return sum(sizes) + TOKENS_PER_MESSAGE * (len(messages) + 1)
