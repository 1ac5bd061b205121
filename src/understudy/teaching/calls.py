"""Calls: every request to a model is written down with its answer, and never made a second time.

``calls.jsonl`` grows by a row before a request goes out and by another with the answer. A run that was
killed finds every answer again by what was asked. Requests that were under way when it was killed may have
been charged; they are asked again, and a budget counts them at their highest price.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.evaluation.connection import ChatReply, Connection, RequestRefused
from understudy.evaluation.replies import RowFile
from understudy.folder import CharacterFolder
from understudy.teaching.budget import Budget, Rate, most_prompt_tokens

__all__ = ["Bill", "CallStore", "Desk", "Stopped", "calls_path"]

Messages = Sequence[dict[str, str]]


class Stopped(Exception):
    """No further request is sent; what is under way is still written down."""


def calls_path(folder: CharacterFolder) -> Path:
    return folder.root / "calls.jsonl"


class CallStore:
    """The file of calls. Rows with ``sent`` alone are requests whose answer never came."""

    def __init__(self, path: Path) -> None:
        self._file = RowFile(path)

    def answer(self, key: str) -> dict[str, Any] | None:
        row = self._file.rows.get(key)
        return row if row is not None and "sent" not in row else None

    def note_sent(self, key: str, worst_usd: float) -> None:
        self._file.append({"key": key, "sent": True, "usd": round(worst_usd, 8)})

    def note_failed(self, key: str) -> None:
        """The provider gave no answer, and charges nothing."""
        self._file.append({"key": key, "sent": False, "usd": 0.0})

    def keep(self, key: str, row: dict[str, Any]) -> None:
        self._file.append({"key": key, **row})

    def is_finished(self, key: str) -> bool:
        return key in self._file.rows

    def lost(self) -> int:
        """Requests whose answer was not waited for."""
        return sum(row.get("sent") is True for row in self._file.rows.values())

    def usd(self) -> float:
        """Everything that was spent, lost requests at their highest price."""
        return sum(float(row.get("usd") or 0.0) for row in self._file.rows.values())

    def close(self) -> None:
        self._file.close()


@dataclass
class Bill:
    """What a plan took: ``requests`` with those of earlier runs, ``fresh`` those made now."""

    requests: int = 0
    fresh: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    models: Counter[str] = field(default_factory=Counter)


class Desk:
    """Where all questions to models go out: found again if they were asked before, paid once if not."""

    def __init__(
        self,
        connection: Connection,
        store: CallStore,
        *,
        place: str,
        rates: dict[str, Rate] | None = None,
        budget: Budget | None = None,
    ) -> None:
        """
        Args:
            place: Address of the provider, part of what a call is found again by.
            rates: Price by model; a model without one costs nothing.
        """
        self.connection = connection
        self.store = store
        self.place = place
        self.rates = rates or {}
        self.budget = budget or Budget()
        self.bill = Bill()
        self.stopped = False
        self._under_way: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._billed: set[str] = set()

    def stop(self) -> None:
        """Send nothing more."""
        self.stopped = True

    async def close(self) -> None:
        """Close the connection, where it is one that can be closed."""
        close = getattr(self.connection, "close", None)
        if close is not None:
            await close()

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    async def ask(
        self, model: str, messages: Messages, *, temperature: float, max_tokens: int, seed: int
    ) -> ChatReply:
        """The answer to exactly this request.

        Raises:
            RequestRefused: The provider refused it for good, now or in an earlier run.
            BudgetReached, Stopped: It was not sent.
            ProviderError: The provider stopped answering.
        """
        key = call_key(self.place, model, messages, temperature, max_tokens, seed)
        row = self.store.answer(key)
        if row is None and key in self._under_way:
            row = await asyncio.shield(self._under_way[key])
        if row is None:
            row = await self._send(key, model, messages, temperature, max_tokens, seed)
            self.bill.fresh += 1
        self._count(key, model, row)
        if "refused" in row:
            raise RequestRefused(row["refused"])
        return ChatReply(row["text"], row["finish_reason"], row["prompt_tokens"], row["completion_tokens"])

    async def _send(
        self, key: str, model: str, messages: Messages, temperature: float, max_tokens: int, seed: int
    ) -> dict[str, Any]:
        if self.stopped:
            raise Stopped
        rate = self.rates.get(model)
        worst = rate.usd(most_prompt_tokens(model, messages), max_tokens) if rate else 0.0
        await self.budget.reserve(worst)
        if self.stopped:
            await self.budget.settle(worst, 0.0)
            raise Stopped
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._under_way[key] = answer
        usd = 0.0
        try:
            self.store.note_sent(key, worst)
            row = await self._row(rate, worst, model, messages, temperature, max_tokens, seed)
            usd = row["usd"]
            self.store.keep(key, row)
            answer.set_result(row)
            return row
        except Exception as error:
            answer.set_exception(error)
            self.store.note_failed(key)
            raise
        finally:
            del self._under_way[key]
            await self.budget.settle(worst, usd)

    async def _row(
        self,
        rate: Rate | None,
        worst: float,
        model: str,
        messages: Messages,
        temperature: float,
        max_tokens: int,
        seed: int,
    ) -> dict[str, Any]:
        try:
            reply = await self.connection.reply(
                model, messages, temperature=temperature, max_tokens=max_tokens, seed=seed
            )
        except RequestRefused as error:
            return {"model": model, "refused": str(error)[:300], "usd": 0.0}
        tokens = (reply.prompt_tokens, reply.completion_tokens)
        # Where a provider does not count, the highest price is taken.
        usd = worst if rate and None in tokens else rate.usd(tokens[0] or 0, tokens[1] or 0) if rate else 0.0
        return {
            "model": model,
            "text": reply.text,
            "finish_reason": reply.finish_reason,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "usd": round(usd, 8),
        }

    def _count(self, key: str, model: str, row: dict[str, Any]) -> None:
        if key in self._billed:
            return
        self._billed.add(key)
        self.bill.requests += 1
        self.bill.models[model] += 1
        self.bill.prompt_tokens += row.get("prompt_tokens") or 0
        self.bill.completion_tokens += row.get("completion_tokens") or 0
        self.bill.usd += float(row.get("usd") or 0.0)


def call_key(
    place: str, model: str, messages: Messages, temperature: float, max_tokens: int, seed: int
) -> str:
    """What a call is found again by: everything that its answer depends on."""
    asked = [place, model, list(messages), temperature, max_tokens, seed]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
