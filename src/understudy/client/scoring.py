"""Scoring: how likely a model finds given replies, through this server's extension of the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from understudy.errors import InferenceError, ProviderError

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["MessageScore", "score"]


@dataclass(frozen=True)
class MessageScore:
    """One assistant message's score.

    Attributes:
        index: Position in the messages that were given.
        logprob: Sum over the message's tokens in nats, the end of the turn included.
        tokens: Number of these tokens.
        bytes: Length of the message in UTF-8.
    """

    index: int
    logprob: float
    tokens: int
    bytes: int


def score(client: OpenAI, model: str, messages: Sequence[Mapping[str, Any]]) -> list[MessageScore]:
    """Score every assistant message given what stands before it.

    Raises:
        ProviderError: This provider cannot score.
        InferenceError: It could not score these messages.
    """
    import openai

    body = {"model": model, "messages": [dict(message) for message in messages]}
    try:
        answer: Any = client.post("/understudy/score", body=body, cast_to=object)
    except (openai.NotFoundError, openai.PermissionDeniedError) as error:
        if error.code == "model_not_found":
            raise InferenceError(f"{model}: {error.message}") from error
        raise ProviderError(
            f"{client.base_url} cannot score given replies; that is an extension of the understudy server."
        ) from error
    except openai.APIError as error:
        raise InferenceError(f"{model}: {error.message}") from error
    return [
        MessageScore(int(row["index"]), float(row["logprob"]), int(row["tokens"]), int(row["bytes"]))
        for row in answer["messages"]
    ]
