"""Spending: what a teaching will ask for, counted before it asks."""

from collections.abc import Iterable
from dataclasses import dataclass

from understudy.dataset import count_text_tokens
from understudy.errors import UnderstudyError
from understudy.teaching.outline import Outline
from understudy.teaching.settings import TeachingSettings

__all__ = ["TeachingCost", "foresee_cost"]

TOKENS_PER_MESSAGE = 4


@dataclass(frozen=True)
class TeachingCost:
    """Requests and tokens if no reply is refused and each is as long as allowed.

    ``usd`` is ``None`` where the price is not known; ``priced`` tells the source and its day.
    """

    requests: int
    prompt_tokens: int
    reply_tokens: int
    usd: float | None
    priced: str
    repeats: int

    def __str__(self) -> str:
        money = f"at most {self.usd:.2f} USD ({self.priced})" if self.usd is not None else self.priced
        return (
            f"{self.requests:,} requests, at most {self.prompt_tokens:,} prompt tokens and "
            f"{self.reply_tokens:,} reply tokens: {money}. A refused reply is asked again, up to "
            f"{self.repeats} times; that comes on top."
        )


def foresee_cost(
    outlines: Iterable[Outline], model: str, prompt: str, settings: TeachingSettings, *, paid: bool
) -> TeachingCost:
    """Count the requests for ``outlines``: each sends the long prompt and everything said before."""
    system = count_text_tokens(prompt) + TOKENS_PER_MESSAGE
    counts = [_tokens(outline, system, settings.max_tokens) for outline in outlines]
    requests, prompt_tokens = sum(n for n, _ in counts), sum(tokens for _, tokens in counts)
    reply_tokens = requests * settings.max_tokens
    usd, priced = _price(model, prompt_tokens, reply_tokens) if paid else (None, "on this machine, free")
    return TeachingCost(requests, prompt_tokens, reply_tokens, usd, priced, settings.repeats)


def _tokens(outline: Outline, system: int, reply: int) -> tuple[int, int]:
    """Requests of one conversation, and their prompt tokens with replies as long as allowed."""
    history = system + sum(_size(m.content) for m in outline.opening)
    total = 0
    for line in outline.lines:
        history += _size(line.content)
        total += history
        history += reply + TOKENS_PER_MESSAGE
    return len(outline.lines), total


def _size(text: str) -> int:
    return count_text_tokens(text) + TOKENS_PER_MESSAGE


def _price(model: str, prompt_tokens: int, reply_tokens: int) -> tuple[float | None, str]:
    from understudy.cost.price import find_price

    try:
        price = find_price(model)
    except UnderstudyError:
        return None, f"the price of {model} is not known here; look at the provider's price page"
    usd = (price.input * prompt_tokens + price.output * reply_tokens) / 1e6
    return usd, f"{price.source}, {price.as_of}"
