"""Weights: where the server of this machine keeps a tuned model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from understudy.errors import ModelError, ProviderError

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["ModelWeights", "find_weights"]


@dataclass(frozen=True)
class ModelWeights:
    """A tuned model: the base by its name and as a directory, and the adapter's directory."""

    model: str
    base_model: str
    base: Path
    adapter: Path


def find_weights(client: OpenAI, model: str) -> ModelWeights:
    """Ask the server where a tuned model lies.

    Raises:
        ModelError: There is no such tuned model, or its files are on another machine.
        ProviderError: The server keeps no weights that could be had.
    """
    import openai

    try:
        answer: Any = client.get(f"/understudy/weights/{quote(model, safe='')}", cast_to=object)
    except (openai.NotFoundError, openai.BadRequestError) as error:
        if error.param == "model":
            raise ModelError(f"{model}: {error.message}") from error
        raise ProviderError(
            f"{client.base_url} gives no weights away; only models of this machine's server can be exported."
        ) from error
    except openai.APIError as error:
        raise ProviderError(f"{model}: {error.message}") from error
    found = ModelWeights(
        model, answer["base_model"], Path(answer["base_directory"]), Path(answer["adapter_directory"])
    )
    if not found.adapter.is_dir():
        raise ModelError(f"{found.adapter}: is not on this machine. Export where the server runs.")
    return found
