"""Pacing: as fast as a provider allows, and no faster; its own word on when to come back is kept."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from understudy.evaluation.connection import OpenAIConnection

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["PatientConnection"]

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
MOST_TRIES = 10
FINAL_CODES = ("insufficient_quota", "billing_hard_limit_reached")


class PatientConnection(OpenAIConnection):
    """Waits and asks again where a provider is busy. One that waits lets all wait.

    After a "too many requests" nothing is sent before the time that the provider names
    (``Retry-After``), or before a wait that doubles each time, with chance in it.
    """

    def __init__(self, client: AsyncOpenAI, *, requests_per_minute: float | None = None) -> None:
        super().__init__(client.with_options(max_retries=0))
        self.waits = 0
        self._spacing = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._next = 0.0
        self._chance = random.Random(0)

    async def close(self) -> None:
        """Give the connections back."""
        await self.client.close()

    async def _send(self, request: Callable[[], Awaitable[Any]]) -> Any:
        import openai

        for attempt in range(MOST_TRIES):
            await self._turn()
            try:
                return await request()
            except (openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError) as error:
                if (
                    attempt == MOST_TRIES - 1
                    or getattr(error, "code", None) in FINAL_CODES
                    or _is_gone(error)
                ):
                    raise
                self.waits += 1
                self._next = max(self._next, time.monotonic() + self._wait_seconds(error, attempt))
        raise AssertionError("unreachable")

    async def _turn(self) -> None:
        """Wait for this request's place: one after another at the spacing, none before ``_next``."""
        while (wait := self._next - time.monotonic()) > 0:
            if self._spacing:
                self._next += self._spacing
                await asyncio.sleep(wait)
                return
            await asyncio.sleep(wait)
        self._next = time.monotonic() + self._spacing if self._spacing else self._next

    def _wait_seconds(self, error: Any, attempt: int) -> float:
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
            try:
                return min(LONGEST_WAIT_SECONDS * 10, max(0.0, float(headers[name]) * unit))
            except (KeyError, ValueError):
                continue
        longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)
        return longest * self._chance.uniform(0.5, 1.0)


def _is_gone(error: Any) -> bool:
    """Nobody listens at the address: waiting would not help."""
    cause = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError) or "refused" in str(cause).lower():
            return True
        cause = cause.__cause__ or cause.__context__
    return "all connection attempts failed" in str(error).lower()
