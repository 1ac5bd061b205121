"""Training quote: what one fine-tuning job costs at OpenAI, at hosts of open models, and at home."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from understudy.cost.hosting import OwnMachine
from understudy.cost.price import base_name, find_price, list_tunable, training_hosts
from understudy.errors import ConfigError

__all__ = ["MEASURED_TOKENS_PER_SECOND", "Quote", "quote_training"]

# understudy/mini on two cores: 164,768 tokens in 56 s (docs/results.md, 2026-11-24). Larger bases are slower.
MEASURED_TOKENS_PER_SECOND = 2900.0


@dataclass(frozen=True)
class Quote:
    """The price of a job at one place, in US dollars; ``None`` where the place tells none."""

    place: str
    usd: float | None
    detail: str
    source: str
    as_of: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def quote_training(
    trained_tokens: float,
    *,
    model: str = "gpt-4o-mini",
    billions: float = 8.0,
    tokens_per_second: float | None = None,
    own_prices: Mapping[str, float] | None = None,
    machine: OwnMachine | None = None,
    today: date | None = None,
) -> list[Quote]:
    """Quotes for training on so many tokens (tokens of the file x epochs).

    Args:
        trained_tokens: As OpenAI's tokenizer counts; other models cut text a little differently.
        model: An OpenAI model that is asked for by name; otherwise the cheapest that can be tuned.
        billions: Size of the open model that a host would train.
        tokens_per_second: Speed of one's own machine; default: measured for ``understudy/mini``.
        own_prices: Dollars per million tokens by host, where the user knows better than the table.
        machine: Watts and price of electricity at home.
        today: The day of the quote.

    Raises:
        ConfigError: No host in the table trains a model of that size.
    """
    day = today or date.today()
    prices = {host.casefold(): usd for host, usd in (own_prices or {}).items()}
    quotes = [_openai(trained_tokens, model, day, prices)]
    for row in training_hosts(billions):
        if row.usd_per_million is None and row.host.casefold() not in prices:
            quotes.append(Quote(row.host, None, row.note, row.source, row.as_of))
            continue
        rate = prices.get(row.host.casefold(), row.usd_per_million or 0.0)
        usd = max(row.minimum_usd, trained_tokens * rate / 1e6)
        least = f", at least {row.minimum_usd:.2f} dollars a job" if row.minimum_usd else ""
        detail = (
            f"an adapter on up to {row.up_to_billions:g} billion parameters, {rate:.2f} per million{least}"
        )
        own = row.host.casefold() in prices
        source, as_of = ("yours", day.isoformat()) if own else (row.source, row.as_of)
        quotes.append(Quote(row.host, usd, detail, source, as_of))
    quotes.append(_home(trained_tokens, tokens_per_second, machine or OwnMachine()))
    return quotes


def _openai(tokens: float, model: str, day: date, prices: Mapping[str, float]) -> Quote:
    name = base_name(model)
    tunable = list_tunable(day)
    if not tunable:
        return Quote(
            "OpenAI", None, "no new jobs: fine-tuning has closed", "OpenAI deprecations page", "2026-11"
        )
    if name not in tunable:
        name = min(tunable, key=lambda candidate: find_price(f"ft:{candidate}").training or float("inf"))
    price = find_price(f"ft:{name}")
    rate = prices.get("openai", price.training or 0.0)
    until = f", new jobs before {price.tunable_until}" if price.tunable_until else ""
    return Quote(
        "OpenAI", tokens * rate / 1e6, f"{name}, {rate:.2f} per million{until}", price.source, price.as_of
    )


def _home(tokens: float, tokens_per_second: float | None, machine: OwnMachine) -> Quote:
    rate = tokens_per_second or MEASURED_TOKENS_PER_SECOND
    if rate <= 0:
        raise ConfigError("Tokens per second must be above 0.")
    seconds = tokens / rate
    whose = "your figure" if tokens_per_second else "understudy/mini on two cores"
    detail = (
        f"electricity of {_duration(seconds)} at {rate:,.0f} tokens/s ({whose}), "
        f"{machine.watts:g} W, {machine.usd_per_kilowatt_hour:.2f} dollars per kWh"
    )
    return Quote("this machine", machine.usd(seconds), detail, "measured and assumed", "2026-11-24")


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
