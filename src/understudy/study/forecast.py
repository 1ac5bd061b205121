"""Forecast: what cells take in tokens, time and money, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from understudy.errors import UnderstudyError
from understudy.study.cell_plan import CellPlan
from understudy.study.pace import Pace

if TYPE_CHECKING:
    from understudy.client.provider import Provider

__all__ = ["Forecast", "forecast"]

# understudy/mini, trained and measured on two shared cores with one thread (docs/results.md, 2026-11-24).
MINI_LEARNED_TOKENS_PER_SECOND = 600.0
MINI_MEASURING_SECONDS = 40.0


@dataclass(frozen=True)
class Forecast:
    """Totals over cells. ``seconds`` and ``usd`` are ``None`` where they are not known; the notes say why."""

    cells: int
    tokens: int
    learned_tokens: int
    seconds: float | None
    seconds_note: str
    usd: float | None
    price_note: str

    def __str__(self) -> str:
        time = self.seconds_note
        if self.seconds is not None:
            time = f"about {duration(self.seconds)} ({self.seconds_note})"
        price = f"about {self.usd:.2f} USD ({self.price_note})" if self.usd is not None else self.price_note
        return (
            f"{self.cells} cells to train and measure, {self.tokens:,} tokens to train on, "
            f"{self.learned_tokens:,} of them learned\ntime: {time}\nprice: {price}"
        )


def forecast(provider: Provider, plans: Sequence[CellPlan], pace: Pace, workers: int = 1) -> Forecast:
    """Add up what is still to be trained.

    Args:
        plans: Cells that were not measured yet.
        pace: Of those that were.
    """
    seconds, note = pace.seconds(plans, workers), "at the pace of the cells measured so far"
    if seconds is None:
        seconds, note = _by_miniature(provider, plans, workers)
    usd, price_note = _price(provider, plans)
    return Forecast(
        len(plans),
        sum(plan.tokens for plan in plans),
        sum(plan.learned_tokens for plan in plans),
        seconds,
        note,
        usd,
        price_note,
    )


def duration(seconds: float) -> str:
    """``95`` -> ``1 min 35 s``, ``5400`` -> ``1 h 30 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def _by_miniature(provider: Provider, plans: Sequence[CellPlan], workers: int) -> tuple[float | None, str]:
    if provider.name != "local" or any(plan.cell.base != "understudy/mini" for plan in plans):
        return None, "not known before one cell was measured"
    learned = sum(plan.learned_tokens for plan in plans)
    seconds = learned / MINI_LEARNED_TOKENS_PER_SECOND + MINI_MEASURING_SECONDS * len(plans)
    return seconds / max(1, workers), "measured for understudy/mini on two shared cores"


def _price(provider: Provider, plans: Sequence[CellPlan]) -> tuple[float | None, str]:
    """Training alone, by the provider's price list."""
    if not provider.paid:
        return None, "on this machine, free"
    if provider.name != "openai":
        return None, f"the price of {provider.name} is not known here; look at its price page"
    from understudy.cost.price import base_name, find_price

    total, sources = 0.0, set()
    for plan in plans:
        try:
            price = find_price(f"ft:{base_name(plan.cell.base)}")
        except UnderstudyError:
            return (
                None,
                f"the training price of {plan.cell.base} is not known here; look at OpenAI's price page",
            )
        if price.training is None:
            return (
                None,
                f"the training price of {plan.cell.base} is not known here; look at OpenAI's price page",
            )
        total += price.training * plan.tokens / 1e6
        sources.add(f"{price.source}, {price.as_of}")
    return total, f"training; {'; '.join(sorted(sources))}; measuring comes on top"
