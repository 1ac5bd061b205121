"""A conversation with one model: streams replies, keeps the history, trims it when it is too long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from understudy.errors import InferenceError

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["Conversation"]


@dataclass
class Conversation:
    """What was said so far, and the model that answers next.

    Attributes:
        system_prompt: Sent first on every turn; empty for none.
        history: Turns so far as chat messages, the character's greeting included.
        forgotten: How many of the oldest messages no longer fit the model's context.
    """

    client: OpenAI
    model: str
    system_prompt: str = ""
    temperature: float = 0.3
    max_tokens: int = 200
    seed: int | None = None
    history: list[dict[str, str]] = field(default_factory=list)
    forgotten: int = 0

    def reply(self, text: str) -> Iterator[str]:
        """Say ``text`` and stream the reply piece by piece.

        An interrupted or failed reply leaves the history as it was before.

        Raises:
            InferenceError: The model cannot answer, or even one message is too long for it.
        """
        before = list(self.history)
        self.history.append({"role": "user", "content": text})
        said: list[str] = []
        try:
            for piece in self._stream():
                said.append(piece)
                yield piece
        except BaseException:
            self.history = before
            raise
        self.history.append({"role": "assistant", "content": "".join(said)})

    def _messages(self) -> list[dict[str, str]]:
        system = [{"role": "system", "content": self.system_prompt}] if self.system_prompt else []
        return system + self.history

    def _stream(self) -> Iterator[str]:
        import openai

        while True:
            try:
                stream: Any = self.client.chat.completions.create(
                    model=self.model,
                    messages=self._messages(),  # type: ignore[arg-type]
                    temperature=self.temperature,
                    max_tokens=self.max_tokens,
                    seed=self.seed,
                    stream=True,
                )
                break
            except openai.BadRequestError as error:
                if error.code != "context_length_exceeded" or not self._forget_oldest():
                    raise InferenceError(_named(self.model, _said(error))) from error
            except openai.APIError as error:
                raise InferenceError(_named(self.model, _said(error))) from error
        try:
            for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content
        except openai.APIError as error:
            raise InferenceError(f"{self.model}: the reply broke off. {_said(error)}") from error
        finally:
            stream.close()

    def _forget_oldest(self) -> bool:
        """Drop the oldest exchange, up to the next user message; false when only one is left."""
        later_users = [i for i, m in enumerate(self.history) if i > 0 and m["role"] == "user"]
        if not later_users:
            return False
        self.forgotten += later_users[0]
        self.history = self.history[later_users[0] :]
        return True


def _named(model: str, said: str) -> str:
    """What was said, with the model's name before it unless it begins with that already."""
    return said if said.startswith(f"{model}:") else f"{model}: {said}"


def _said(error: Any) -> str:
    """The provider's own sentence, without the client's wrapping."""
    body = getattr(error, "body", None)
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return body["message"]
    return str(error)
