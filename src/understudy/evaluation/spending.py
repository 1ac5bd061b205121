"""Spending: what an evaluation will ask of a provider that charges, counted before it asks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from understudy.dataset import count_text_tokens
from understudy.errors import UnderstudyError
from understudy.evaluation.arms import Arm
from understudy.evaluation.probe import Probe
from understudy.evaluation.probes import ProbeSet
from understudy.evaluation.scores.skill import skill_probes
from understudy.evaluation.scripts import Script
from understudy.evaluation.settings import Settings

__all__ = ["Spending", "foresee_spending"]

TOKENS_PER_MESSAGE = 4


@dataclass(frozen=True)
class Spending:
    """Requests and tokens, at most. ``usd`` is ``None`` where a price is not known."""

    requests: int
    prompt_tokens: int
    reply_tokens: int
    usd: float | None
    priced: str

    def __str__(self) -> str:
        money = f"at most {self.usd:.2f} USD ({self.priced})" if self.usd is not None else self.priced
        return (
            f"{self.requests:,} requests, about {self.prompt_tokens:,} prompt tokens and at most "
            f"{self.reply_tokens:,} reply tokens: {money}"
        )


def foresee_spending(
    arms: Sequence[Arm], probes: ProbeSet, plain: Sequence[Probe], settings: Settings
) -> Spending:
    """Count what is asked: every probe, task and conversation with every arm, and the style questions.

    Each request is counted as it is sent: with the arm's prompt and its example exchanges in front.
    """
    measured = [arm for arm in arms if arm.measured]
    limit = settings.max_tokens or 0
    wanted = [(settings.samples(probe.part), _tokens(probe)) for probe in probes.probes]
    wanted += [(1, _tokens(probe)) for probe in skill_probes()[: settings.skills]]
    wanted += [(1, tokens) for script in probes.scripts for tokens in _script_tokens(script, limit)]
    requests = sum(times for times, _ in wanted)
    history = sum(times * tokens for times, tokens in wanted)
    usage = [(arm.model, requests * _count(arm.messages([])) + history, requests * limit) for arm in measured]
    if measured and plain:
        usage.append((measured[0].base_model, sum(map(_tokens, plain)), len(plain) * limit))
    usd, priced = _price(usage)
    return Spending(
        len(measured) * requests + len(plain),
        sum(tokens for _, tokens, _ in usage),
        sum(tokens for *_, tokens in usage),
        usd,
        priced,
    )


def _script_tokens(script: Script, limit: int) -> list[int]:
    """Prompt tokens of every request of a conversation, whose history grows by the longest replies."""
    found, history = [], 0
    for turn, line in enumerate(script.lines, start=1):
        history += count_text_tokens(line) + TOKENS_PER_MESSAGE
        found.append(history)
        history += limit + TOKENS_PER_MESSAGE
        if turn in script.branches:
            found.append(history + count_text_tokens(script.branches[turn]) + TOKENS_PER_MESSAGE)
    return found


def _tokens(probe: Probe) -> int:
    return _count(probe.messages)


def _count(messages: Iterable[Mapping[str, str]]) -> int:
    return sum(count_text_tokens(m["content"]) + TOKENS_PER_MESSAGE for m in messages)


def _price(usage: Sequence[tuple[str, int, int]]) -> tuple[float | None, str]:
    from understudy.cost.price import find_price

    total, notes = 0.0, {}
    for model, prompt, reply in usage:
        try:
            price = find_price(model)
        except UnderstudyError:
            return None, f"the price of {model} is not known here; look at the provider's price page"
        total += (price.input * prompt + price.output * reply) / 1e6
        notes[price.source] = price.as_of
    return total, ", ".join(f"{source}, {as_of}" for source, as_of in notes.items())
