"""Spending: what a teaching will ask for, counted before it asks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from understudy.dataset import count_text_tokens
from understudy.teaching.budget import Rate
from understudy.teaching.judge import MOST_TOKENS as JUDGE_TOKENS
from understudy.teaching.judge import Judge
from understudy.teaching.outline import Outline
from understudy.teaching.settings import TeachingSettings

__all__ = ["TeachingCost", "foresee_cost", "with_judge"]

TOKENS_PER_MESSAGE = 4
USER_PROMPT_TOKENS = 180  # the shipped instruction of the simulated user, filled in
LINE_TOKENS = 30
NAME_TOKENS = 12  # a name and the number of the reply


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


def with_judge(
    cost: TeachingCost,
    judge: Judge,
    outlines: Sequence[Outline],
    reply: int,
    *,
    rate: Rate | None,
    paid: bool,
) -> TeachingCost:
    """The cost with a judge who reads each conversation once, its replies supposed to have ``reply`` tokens.

    Args:
        rate: The judge's price, where it is known.
    """
    reading = count_text_tokens(judge.instruction()) + TOKENS_PER_MESSAGE
    prompt_tokens = sum(reading + _conversation(outline, reply) for outline in outlines)
    reply_tokens = JUDGE_TOKENS * len(outlines)
    usd, priced = cost.usd, cost.priced
    if usd is not None and rate is not None:
        usd += rate.usd(prompt_tokens, reply_tokens)
        priced = priced if rate.source in priced else f"{priced}; {rate.source}"
    elif rate is None and (paid or usd is not None):
        usd, priced = None, f"the price of {judge.model} is not known here; look at the provider's price page"
    return replace(
        cost,
        requests=cost.requests + len(outlines),
        prompt_tokens=cost.prompt_tokens + prompt_tokens,
        reply_tokens=cost.reply_tokens + reply_tokens,
        usd=usd,
        priced=priced,
    )


def _conversation(outline: Outline, reply: int) -> int:
    """Tokens of a whole conversation as a judge reads it, with the speakers' names."""
    said = [*outline.opening, *outline.lines]
    return sum(max(_size(m.content), LINE_TOKENS) for m in said) + len(outline.lines) * (
        reply + NAME_TOKENS + TOKENS_PER_MESSAGE
    )


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
