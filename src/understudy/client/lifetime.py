"""Lifetime: until when a hosted model answers, as the provider's model object says."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from understudy.errors import ProviderError

if TYPE_CHECKING:
    from openai import OpenAI

    from understudy.client.provider import Provider

__all__ = ["list_models", "model_end", "warning_of_end"]


def list_models(client: OpenAI, provider: Provider) -> list[dict[str, Any]]:
    """Every model of a provider: id, owner, and the day on which it stops, or ``None``.

    Raises:
        ProviderError: The provider does not answer or refuses.
    """
    import openai

    from understudy.client.job import explain

    try:
        models = [model.model_dump(mode="json") for model in client.models.list()]
    except openai.APIError as error:
        raise ProviderError(f"{provider.name}: {explain(error)}") from error
    rows = []
    for model in models:
        end = provider.dialect.end_of(model)
        rows.append(
            {
                "id": model.get("id"),
                "owned_by": model.get("owned_by"),
                "shutdown_date": end.isoformat() if end else None,
            }
        )
    return sorted(rows, key=lambda row: str(row["id"]))


def model_end(client: OpenAI, provider: Provider, name: str) -> date | None:
    """The day on which a model stops; ``None`` where the provider names none or cannot be asked."""
    import openai

    try:
        return provider.dialect.end_of(client.models.retrieve(name).model_dump(mode="json"))
    except (openai.APIError, ValueError):
        return None


def warning_of_end(client: OpenAI, provider: Provider, name: str) -> str | None:
    """What to say of a model whose end is known; nothing about models of this machine."""
    if not provider.paid:
        return None
    end = model_end(client, provider, name)
    if end is None:
        return None
    if end <= date.today():
        return f"{name} was shut down on {end} at {provider.name}. Choose another model."
    return f"{name} stops on {end} at {provider.name}, and so does every model tuned on it."
