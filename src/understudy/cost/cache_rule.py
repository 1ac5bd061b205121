"""Cache rule: which beginning of a prompt a provider keeps, and for how long."""

from dataclasses import dataclass

from understudy.cost.price import Price, price_rows

__all__ = ["CacheRule", "cache_rule", "rule_of"]


@dataclass(frozen=True)
class CacheRule:
    """From how many tokens on, in which steps, and for how long after its last use a prefix is kept.

    The discount and the surcharge for writing are prices and stand in ``Price``. ``explicit``: only what a
    request marks is kept; the figures here take it that the client marks it.
    """

    minimum_tokens: int
    step_tokens: int
    kept_minutes: float
    source: str
    as_of: str
    provider: str = "openai"
    explicit: bool = False


def cache_rule(provider: str = "openai", model: str = "") -> CacheRule | None:
    """The rule of a provider, for a model where its models differ; ``None`` where the table has none."""
    row = price_rows()["caching"].get(provider)
    if row is None:
        return None
    starts = [name for name in row.get("minimum_of", {}) if model.startswith(name)]
    return CacheRule(
        minimum_tokens=row["minimum_of"][max(starts, key=len)] if starts else row["minimum_tokens"],
        step_tokens=row["step_tokens"],
        kept_minutes=row["kept_minutes"],
        source=row["source"],
        as_of=str(row["as_of"]),
        provider=provider,
        explicit=bool(row.get("explicit")),
    )


def rule_of(price: Price) -> CacheRule | None:
    """The rule by which a model's prompts are cached; ``None`` where it sells no cached input."""
    if price.cached_input is None:
        return None
    return cache_rule(price.provider, price.model.removeprefix("ft:"))
