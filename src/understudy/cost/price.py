"""Price: what a model costs per million tokens, with the date and the source of every figure."""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from understudy.errors import ConfigError

__all__ = ["Gpu", "OpenTraining", "Price", "TrainingHost", "base_name", "find_gpu", "find_price"]
__all__ += ["list_models", "list_tunable", "open_training", "price_rows", "training_hosts"]

MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens. ``None`` means that the provider does not offer it.

    ``cached_input`` is the price of prompt tokens read from the provider's cache, ``cache_write``
    the price of prompt tokens when they are put there (``None``: like ordinary input).
    ``training`` is per trained token, which is tokens in the file times epochs.
    """

    model: str
    input: float
    cached_input: float | None
    cache_write: float | None
    output: float
    training: float | None
    source: str
    as_of: str
    tuned: bool = False
    tunable_until: date | None = None
    shutdown: date | None = None
    provider: str = "openai"

    def request_usd(
        self, fresh_tokens: float, cached_tokens: float, written_tokens: float, reply_tokens: float
    ) -> float:
        """One request: fresh + cached + written = prompt tokens, each kind at its own price."""
        cached = self.input if self.cached_input is None else self.cached_input
        write = self.input if self.cache_write is None else self.cache_write
        prompt_usd = fresh_tokens * self.input + cached_tokens * cached + written_tokens * write
        return (prompt_usd + reply_tokens * self.output) / MILLION

    def training_usd(self, trained_tokens: float) -> float:
        """Training of ``trained_tokens`` (tokens x epochs)."""
        return trained_tokens * (self.training or 0.0) / MILLION


@dataclass(frozen=True)
class Gpu:
    """A rented GPU."""

    name: str
    host: str
    usd_per_hour: float
    source: str
    as_of: str


@dataclass(frozen=True)
class OpenTraining:
    """Hosted LoRA training of an open model."""

    host: str
    up_to_billions: float
    usd_per_million: float
    minimum_usd: float
    source: str
    as_of: str

    def training_usd(self, trained_tokens: float) -> float:
        """Price of a job; hosts charge a minimum."""
        return max(self.minimum_usd, trained_tokens * self.usd_per_million / MILLION)


@dataclass(frozen=True)
class TrainingHost:
    """A host that trains open models. ``usd_per_million`` is ``None`` where it prints no price."""

    host: str
    up_to_billions: float
    usd_per_million: float | None
    minimum_usd: float
    note: str
    source: str
    as_of: str


@cache
def price_rows() -> dict[str, Any]:
    """The dated table of ``prices.yaml``, by section."""
    import yaml

    table: dict[str, Any] = yaml.safe_load(
        files("understudy.cost").joinpath("prices.yaml").read_text(encoding="utf-8")
    )
    return table


def base_name(model: str) -> str:
    """``ft:gpt-4.1-mini-2025-04-14:acme::Ab3dE9fG`` -> ``gpt-4.1-mini``: no prefix, owner or date."""
    name = model.split(":")[1] if model.startswith("ft:") and ":" in model[3:] else model.removeprefix("ft:")
    return re.sub(r"-(\d{4}-\d{2}-\d{2}|\d{4})$", "", name)


def find_price(model: str, *, on: date | None = None) -> Price:
    """The price of a model, base or fine-tuned, on a day (default: today).

    A base model's price of today is asked of the package genai-prices, whatever else of the
    dated table; fine-tuned models, training and past days come from the table alone.

    Raises:
        ConfigError: Neither knows the model, or not on that day.
    """
    name, tuned = base_name(model), model.startswith("ft:")
    row = _find_row("tuned" if tuned else "models", name, on)
    price = _price(row, tuned) if row else None
    if not tuned and on is None:
        price = _ask_library(name, price) or price
    if price is None:
        day = f" on {on.isoformat()}" if on else ""
        raise ConfigError(
            f"No price of {model!r} is known{day}. Known are {', '.join(_known(tuned))}; "
            "for another model add a row with its source and date to cost/prices.yaml."
        )
    return price


def list_tunable(on: date | None = None) -> list[str]:
    """Base models that can still be fine-tuned at their provider on a day."""
    day = on or date.today()
    rows = price_rows()["tuned"]
    return [row["name"] for row in rows if row.get("tunable_until") and day < row["tunable_until"]]


def list_models(on: date | None = None) -> list[str]:
    """Hosted base models of the table that answer on a day (default: today)."""
    day = on or date.today()
    rows = [row for row in price_rows()["models"] if "until" not in row]
    return [row["name"] for row in rows if day < row.get("shutdown", date.max)]


def find_gpu(name: str) -> Gpu:
    """A rented GPU by name (``A100``, ``H100``, ``RTX 4090``) or ``NAME@HOST``; the cheapest row wins.

    Raises:
        ConfigError: No row of that name.
    """
    wanted, _, host = name.partition("@")
    rows = [Gpu(**{**row, "as_of": str(row["as_of"])}) for row in price_rows()["gpus"]]
    found = [
        gpu
        for gpu in rows
        if gpu.name.casefold().startswith(wanted.strip().casefold())
        and (not host or gpu.host.casefold() == host.strip().casefold())
    ]
    if not found:
        known = ", ".join(sorted({f"{gpu.name}@{gpu.host}" for gpu in rows}))
        raise ConfigError(f"No price of the GPU {name!r} is known. Known are {known}.")
    return min(found, key=lambda gpu: gpu.usd_per_hour)


def open_training(billions: float) -> OpenTraining:
    """The cheapest hosted LoRA training of an open model of that size.

    Raises:
        ConfigError: No host in the table trains a model of that size.
    """
    rows = [row for row in price_rows()["open_training"] if billions <= row["up_to_billions"]]
    if not rows:
        raise ConfigError(f"No host in the price table trains a model of {billions:g} billion parameters.")
    row = min(rows, key=lambda row: (row["training"], row["host"]))
    return OpenTraining(
        row["host"],
        row["up_to_billions"],
        row["training"],
        row["minimum_usd"],
        row["source"],
        str(row["as_of"]),
    )


def training_hosts(billions: float) -> list[TrainingHost]:
    """Every host that trains adapters of models of that size, cheapest first; then those without price."""
    rows: dict[str, TrainingHost] = {}
    for row in sorted(price_rows()["open_training"], key=lambda row: row["training"]):
        if billions <= row["up_to_billions"]:
            host = TrainingHost(
                row["host"],
                row["up_to_billions"],
                row["training"],
                row["minimum_usd"],
                "",
                row["source"],
                str(row["as_of"]),
            )
            rows.setdefault(row["host"], host)
    for row in price_rows()["unpriced_hosts"]:
        rows[row["host"]] = TrainingHost(
            row["host"], billions, None, 0.0, row["note"], row["source"], str(row["as_of"])
        )
    return list(rows.values())


def _find_row(section: str, name: str, on: date | None) -> dict[str, Any] | None:
    """The row that holds on a day; without a day, the one that holds now and no past one."""
    for row in price_rows()[section]:
        if row["name"] != name:
            continue
        if on is None and "until" not in row:
            return dict(row)
        if on is not None and row.get("from", date.min) <= on < row.get("until", date.max):
            return dict(row)
    return None


def _price(row: dict[str, Any], tuned: bool) -> Price:
    return Price(
        model=f"ft:{row['name']}" if tuned else row["name"],
        input=row["input"],
        cached_input=row.get("cached"),
        cache_write=row.get("cache_write"),
        output=row["output"],
        training=row.get("training"),
        source=row["source"],
        as_of=str(row["as_of"]),
        tuned=tuned,
        tunable_until=row.get("tunable_until"),
        shutdown=row.get("shutdown"),
    )


def _known(tuned: bool) -> list[str]:
    section = "tuned" if tuned else "models"
    return sorted({("ft:" if tuned else "") + row["name"] for row in price_rows()[section]})


def _ask_library(name: str, row: Price | None) -> Price | None:
    """Today's price from genai-prices, with the dates that only the table knows.

    Asked for 1,000 tokens, because a million in one request would reach long-context prices.
    The library's own check date stands in its comments; without one, its version is the date.
    """
    import genai_prices
    from genai_prices import Usage, calc_price

    def per_million(usage: Usage, provider: str | None) -> float:
        return round(float(calc_price(usage, name, provider_id=provider).total_price) * 1000, 6)

    provider = "openai" if row else None
    try:
        found = calc_price(Usage(input_tokens=1000), name, provider_id=provider)
    except LookupError:
        return None
    kinds = vars(found.model_price)
    cached, write = (
        Usage(input_tokens=1000, cache_read_tokens=1000),
        Usage(input_tokens=1000, cache_write_tokens=1000),
    )
    checked = re.findall(r"\d{4}-\d{2}-\d{2}", found.model.price_comments or "")
    return Price(
        model=name,
        input=per_million(Usage(input_tokens=1000), provider),
        cached_input=per_million(cached, provider) if kinds.get("cache_read_mtok") is not None else None,
        cache_write=per_million(write, provider) if kinds.get("cache_write_mtok") is not None else None,
        output=per_million(Usage(output_tokens=1000), provider),
        training=None,
        source=f"genai-prices {genai_prices.__version__}, provider {found.provider.name}",
        as_of=max(checked) if checked else f"version {genai_prices.__version__}",
        tunable_until=row.tunable_until if row else None,
        shutdown=row.shutdown if row else None,
        provider=found.provider.id,
    )
