"""Spending: what a teaching will ask for, counted before it asks."""

from collections.abc import Iterable
from dataclasses import dataclass

from understudy.dataset import count_text_tokens
from understudy.teaching.budget import Rate
from understudy.teaching.outline import Outline
from understudy.teaching.settings import TeachingSettings

__all__ = ["TeachingCost", "foresee_cost"]

TOKENS_PER_MESSAGE = 4
USER_PROMPT_TOKENS = 180  # the shipped instruction of the simulated user, filled in
LINE_TOKENS = 30


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
    outlines: Iterable[Outline],
    model: str,
    prompt: str,
    settings: TeachingSettings,
    *,
    paid: bool,
    rate: Rate | None = None,
    played: bool = False,
    usual_reply: int | None = None,
) -> TeachingCost:
    """Count the requests for ``outlines``: each sends the long prompt and everything said before.

    Args:
        rate: Price, where it is known.
        played: Whether the model plays the user too, which takes a request for each free line.
        usual_reply: Tokens of a reply; ``None`` supposes that each is as long as allowed.
    """
    reply = usual_reply or settings.max_tokens
    system = count_text_tokens(prompt) + TOKENS_PER_MESSAGE
    counts = [_tokens(outline, system, reply, played) for outline in outlines]
    requests, prompt_tokens = sum(n for n, _ in counts), sum(tokens for _, tokens in counts)
    reply_tokens = requests * reply
    usd, priced = None, "on this machine, free"
    if rate is not None:
        usd, priced = rate.usd(prompt_tokens, reply_tokens), rate.source
    elif paid:
        priced = f"the price of {model} is not known here; look at the provider's price page"
    return TeachingCost(requests, prompt_tokens, reply_tokens, usd, priced, settings.repeats)


def _tokens(outline: Outline, system: int, reply: int, played: bool) -> tuple[int, int]:
    """Requests of one conversation, and their prompt tokens with replies of that length."""
    history = system + sum(_size(m.content) for m in outline.opening)
    total, requests = 0, 0
    for turn, line in enumerate(outline.lines):
        if played and turn in outline.free:
            requests += 1
            total += history - system + USER_PROMPT_TOKENS
        elif not line.content:
            continue
        requests += 1
        history += max(_size(line.content), LINE_TOKENS if turn in outline.free else 0)
        total += history
        history += reply + TOKENS_PER_MESSAGE
    return requests, total


def _size(text: str) -> int:
    return count_text_tokens(text) + TOKENS_PER_MESSAGE
