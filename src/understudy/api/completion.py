"""Completion: one chat completion as it grows, and the objects that tell of it."""

import time
from dataclasses import dataclass, field
from typing import Any

from understudy.api.identity import new_id
from understudy.api.policies import Direction
from understudy.api.protocol import ChatRequest

__all__ = ["Completion"]


@dataclass
class _Choice:
    """One reply as it grows."""

    text: list[str] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None


class Completion:
    """One completion as it grows, and the objects that tell of it.

    Args:
        fingerprint: Of the engine, where it is not the usual one.
    """

    def __init__(self, wanted: ChatRequest, direction: Direction, fingerprint: str | None = None) -> None:
        self.wanted = wanted
        self.fingerprint = fingerprint
        self.direction = direction
        self.id = new_id("chatcmpl-")
        self.created = int(time.time())
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.completion_tokens = 0
        self.choices = [_Choice() for _ in range(wanted.n or 1)]

    def take(self, event: dict[str, Any]) -> None:
        """Note one event of the inference process."""
        kind = event["event"]
        if kind == "start":
            self.prompt_tokens = int(event["prompt_tokens"])
            self.cached_tokens = int(event.get("cached_tokens") or 0)
        elif kind == "delta":
            choice = self.choices[event["index"]]
            choice.text.append(event.get("text") or "")
            choice.logprobs += event.get("logprobs") or []
        elif kind == "finish":
            self.choices[event["index"]].text.append(self.direction.reminder)
            self.choices[event["index"]].finish_reason = event["finish_reason"]
            self.completion_tokens += int(event["completion_tokens"])

    def usage(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def document(self) -> dict[str, Any]:
        """The whole completion."""
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.wanted.model,
            "choices": [
                {
                    "index": index,
                    "message": {
                        "role": "assistant",
                        "content": "".join(choice.text),
                        "refusal": None,
                        "annotations": [],
                    },
                    "logprobs": self._logprobs(choice.logprobs),
                    "finish_reason": choice.finish_reason or "stop",
                }
                for index, choice in enumerate(self.choices)
            ],
            "usage": self.usage(),
            "service_tier": "default",
            "system_fingerprint": self.fingerprint,
            **self._applied(),
        }

    def chunk(
        self, index: int, delta: dict[str, Any], reason: str | None = None, logprobs: Any = None
    ) -> dict[str, Any]:
        """One piece of the stream."""
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": self._logprobs(logprobs) if logprobs else None,
            "finish_reason": reason,
        }
        return self._chunk([choice], None)

    def usage_chunk(self) -> dict[str, Any]:
        """The piece that carries the token counts and no choice."""
        return self._chunk([], self.usage())

    @property
    def shows_usage(self) -> bool:
        return bool(self.wanted.stream_options and self.wanted.stream_options.include_usage)

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> dict[str, Any]:
        chunk: dict[str, Any] = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.wanted.model,
            "service_tier": "default",
            "system_fingerprint": self.fingerprint,
            "choices": choices,
            **self._applied(),
        }
        if self.shows_usage:
            chunk["usage"] = usage
        return chunk

    def _applied(self) -> dict[str, Any]:
        applied = list(self.direction.applied)
        return {"understudy_policies": applied} if applied else {}

    def _logprobs(self, content: list[dict[str, Any]]) -> dict[str, Any] | None:
        return {"content": content, "refusal": None} if self.wanted.logprobs else None
