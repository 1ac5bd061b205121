"""Dialect: what a provider of OpenAI's API shape supports and how it differs, from a dated table."""

import functools
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from typing import Any

__all__ = ["OTHER", "Dialect", "dialect_of", "dialects"]


@dataclass(frozen=True)
class Dialect:
    """One row of ``providers.yaml``, which says what each field means and where it was read."""

    name: str
    title: str
    chat: bool
    training: bool
    note: str
    source: str
    as_of: date | None
    hosts: tuple[str, ...] = ()
    base_url: str = ""
    key: str = "UNDERSTUDY_API_KEY"
    key_header: str = ""
    methods: tuple[str, ...] = ()
    checkpoints: bool = True
    metadata: bool = True
    suffix: int = 18
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    byte_order_mark: bool = False
    deployment: bool = False
    models_end: str = "shutdown_date"

    def is_at(self, host: str) -> bool:
        """Whether a host name belongs to the provider."""
        return any(host == known or (known.startswith(".") and host.endswith(known)) for known in self.hosts)

    def end_of(self, model: dict[str, Any]) -> date | None:
        """The day on which a model stops, as its object says; ``None`` where it names none."""
        value: Any = model
        for part in self.models_end.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return _day(value)


# Whatever names no provider of the table: this project's server, vLLM, a proxy.
OTHER = Dialect(
    "other", "any other server", chat=True, training=True, note="Taken to speak OpenAI's API.",
    source="", as_of=None, methods=("supervised", "dpo"),
)  # fmt: skip


@functools.cache
def dialects() -> dict[str, Dialect]:
    """Every row of the table by name."""
    import yaml

    text = files("understudy.client").joinpath("providers.yaml").read_text(encoding="utf-8")
    rows: dict[str, dict[str, Any]] = yaml.safe_load(text)["providers"]
    for row in rows.values():
        row.update({key: tuple(row[key]) for key in ("hosts", "methods") if key in row})
    return {name: Dialect(name, **row) for name, row in rows.items()}


def dialect_of(host: str) -> Dialect:
    """The dialect that a server speaks, told by its name; ``OTHER`` where the table has none."""
    return next((dialect for dialect in dialects().values() if dialect.is_at(host.lower())), OTHER)


def _day(value: Any) -> date | None:
    """A date from ISO text or Unix seconds."""
    try:
        if isinstance(value, str):
            return date.fromisoformat(value[:10])
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            return date.fromtimestamp(value)
    except (ValueError, OverflowError, OSError):
        return None
    return None
