"""Connection: how an evaluation reaches the models, small enough that a test can stand in for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from understudy.errors import ProviderError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = [
    "ChatReply",
    "Connection",
    "OpenAIConnection",
    "RequestRefused",
    "ScoredMessage",
]

Messages = Sequence[dict[str, str]]


@dataclass(frozen=True)
class ChatReply:
    """A reply with what it cost in tokens, where the provider tells."""

    text: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True)
class ScoredMessage:
    """Log-probability (nats) of one given assistant message, its end-of-turn token included."""

    index: int
    logprob: float
    tokens: int
    bytes: int


class RequestRefused(Exception):
    """The provider refused this one request for good (too long, not supported); others may pass."""


class Connection(Protocol):
    """Somewhere models answer and score."""

    async def reply(
        self, model: str, messages: Messages, *, temperature: float, max_tokens: int, seed: int
    ) -> ChatReply:
        """One sampled reply. Raises ``RequestRefused`` or ``ProviderError``."""
        ...

    async def score(self, model: str, messages: Messages) -> list[ScoredMessage]:
        """Likelihood of the given assistant messages. Raises ``RequestRefused`` or ``ProviderError``."""
        ...


class OpenAIConnection:
    """The official asynchronous client, and the scoring endpoint where the server has it."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self.client = client

    async def reply(
        self, model: str, messages: Messages, *, temperature: float, max_tokens: int, seed: int
    ) -> ChatReply:
        body = {
            "model": model,
            "messages": list(messages),
            "temperature": temperature,
            "seed": seed,
            "max_tokens": max_tokens,
        }
        # Not `chat.completions.create`: matching each message against the client's types takes more
        # processor time than everything else about a request, and limits how many may be in flight.
        answer = await self._ask(
            lambda: self.client.post("/chat/completions", body=body, cast_to=object), model
        )
        return _chat_reply(answer, model)

    async def score(self, model: str, messages: Messages) -> list[ScoredMessage]:
        body = {"model": model, "messages": list(messages)}
        answer: Any = await self._ask(
            lambda: self.client.post("/understudy/score", body=body, cast_to=object), model
        )
        return [
            ScoredMessage(int(row["index"]), float(row["logprob"]), int(row["tokens"]), int(row["bytes"]))
            for row in answer["messages"]
        ]

    async def close(self) -> None:
        """Let go of the client's sockets; it does not outlive the event loop that it was used in."""
        await self.client.close()

    async def _send(self, request: Callable[[], Awaitable[Any]]) -> Any:
        """Send a request once; a more patient connection may send it again."""
        return await request()

    async def _ask(self, request: Callable[[], Awaitable[Any]], model: str) -> Any:
        """Translate the client's exceptions: this request refused, or the provider gone."""
        import openai

        try:
            return await self._send(request)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            raise RequestRefused(str(error)) from error
        except openai.NotFoundError as error:
            if error.code == "model_not_found":
                raise ProviderError(
                    f"{model}: the provider has no such model. Train again, or name it."
                ) from error
            raise RequestRefused("this provider has no such endpoint") from error
        except openai.APIConnectionError as error:
            raise ProviderError(
                f"The server stopped answering ({error}). Run the command again: replies are kept."
            ) from error
        except openai.APIError as error:
            raise ProviderError(
                f"{model}: {error.message}. Run the command again: replies are kept."
            ) from error


def _chat_reply(answer: Any, model: str) -> ChatReply:
    """What a chat completion says.

    Raises:
        ProviderError: It is none.
    """
    try:
        choice, usage = answer["choices"][0], answer.get("usage") or {}
        return ChatReply(
            choice["message"].get("content") or "",
            choice.get("finish_reason") or "",
            usage.get("prompt_tokens"),
            usage.get("completion_tokens"),
        )
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ProviderError(
            f"{model}: what came back is no chat completion ({str(answer)[:80]!r}). Check the provider's "
            "address: it usually ends with /v1."
        ) from None
