"""Replies: what every arm said to the same probe, side by side; all of them travel with the page."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["ArmReplies", "Exchange", "Item", "Reply", "ReplyBook", "collect_replies"]

FIRST_LOOK = 2
CONVERSATIONS = ("script", "drift")


@dataclass(frozen=True)
class Reply:
    """One reply. ``passed`` is ``None`` where no rule judged it, ``why`` the rule that decided.

    ``remark``: the token limit ended it, or the provider refused the request.
    """

    text: str
    passed: bool | None
    why: str
    remark: str


@dataclass(frozen=True)
class ArmReplies:
    """All replies of one arm to one question, one for each sample."""

    arm: str
    replies: tuple[Reply, ...]

    @property
    def outcome(self) -> str:
        """``2 of 3 passed``, or nothing where no rule judged."""
        judged = [reply.passed for reply in self.replies if reply.passed is not None]
        if not judged:
            return ""
        if len(judged) == 1:
            return "passed" if judged[0] else "failed"
        return f"{sum(judged)} of {len(judged)} passed"

    @property
    def passed(self) -> bool | None:
        """Whether every reply passed."""
        judged = [reply.passed for reply in self.replies if reply.passed is not None]
        return all(judged) if judged else None


@dataclass(frozen=True)
class Exchange:
    """A question and every arm's replies; ``aside`` where the conversation goes on without it."""

    turn: int
    question: str
    arms: tuple[ArmReplies, ...]
    aside: bool = False


@dataclass(frozen=True)
class Item:
    """A single probe (one exchange, with the messages before it and the real reply), or a conversation."""

    id: str
    category: str
    kind: str
    before: tuple[tuple[str, str], ...]
    reference: str
    exchanges: tuple[Exchange, ...]

    @property
    def turn(self) -> int:
        return self.exchanges[0].turn

    @property
    def question(self) -> str:
        return self.exchanges[0].question

    @property
    def arms(self) -> tuple[ArmReplies, ...]:
        return self.exchanges[0].arms


@dataclass(frozen=True)
class ReplyBook:
    """Every reply of a run. ``first_look`` are a few items of each category, for the page without scripts."""

    items: tuple[Item, ...]

    @property
    def categories(self) -> dict[str, int]:
        """Items by category, in their order."""
        counts: dict[str, int] = {}
        for item in self.items:
            counts[item.category] = counts.get(item.category, 0) + 1
        return counts

    @property
    def count(self) -> int:
        """Replies in all."""
        return sum(len(arm.replies) for item in self.items for one in item.exchanges for arm in one.arms)

    @property
    def judged(self) -> bool:
        """Whether any reply was judged by a rule."""
        return any(arm.outcome for item in self.items for one in item.exchanges for arm in one.arms)

    @property
    def first_look(self) -> list[Item]:
        """The first of each category, single probes only."""
        seen: dict[str, int] = {}
        found = []
        for item in self.items:
            seen[item.category] = seen.get(item.category, 0) + 1
            if seen[item.category] <= FIRST_LOOK and len(item.exchanges) == 1:
                found.append(item)
        return found

    def as_json(self, category: str) -> str:
        """A category for the page's script, safe inside ``<script>``: no ``<`` is left in it."""
        rows = [_row(item) for item in self.items if item.category == category]
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def collect_replies(rows: Iterable[Mapping[str, Any]], arms: Sequence[str]) -> ReplyBook:
    """Group replies by probe, and those of scripted conversations by conversation; arms in this order."""
    order = {arm: place for place, arm in enumerate(arms)}
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(_key(row), []).append(row)
    return ReplyBook(tuple(_item(group, order) for group in grouped.values()))


def _key(row: Mapping[str, Any]) -> str:
    if row.get("part") in CONVERSATIONS:
        return f"conversation {row.get('group')}"
    return f"{row.get('probe_id')} {_turn(row)}"


def _turn(row: Mapping[str, Any]) -> int:
    turn = row.get("turn")
    return turn if isinstance(turn, int) else 1


def _item(rows: Sequence[Mapping[str, Any]], order: Mapping[str, int]) -> Item:
    # An arm that shows examples sends more than the others; what all of them send is the shortest.
    first = min(rows, key=lambda row: len(row.get("messages") or []))
    conversation = first.get("part") in CONVERSATIONS
    exchanges: dict[tuple[int, bool, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        aside = row.get("part") == "drift"
        exchanges.setdefault((_turn(row), aside, str(row.get("probe_id"))), []).append(row)
    # What was said before a scripted turn stands in the turns before it.
    before = () if conversation else _messages(first)[:-1]
    return Item(
        id=str(first.get("group") if conversation else first.get("probe_id")),
        category=_category(first),
        kind="" if conversation else str(first.get("kind") or ""),
        before=tuple((str(m["role"]), str(m.get("content") or "")) for m in before),
        reference=str(first.get("reference") or ""),
        exchanges=tuple(
            _exchange(turn, aside, found, order) for (turn, aside, _), found in sorted(exchanges.items())
        ),
    )


def _category(row: Mapping[str, Any]) -> str:
    """The further identity and attack probes stand apart from those of the endpoint."""
    part = str(row.get("part") or "")
    if part in CONVERSATIONS:
        return "script"
    return part if part == "further" else str(row.get("category") or "other")


def _messages(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [m for m in row.get("messages") or [] if m.get("role") in ("user", "assistant")]


def _exchange(
    turn: int, aside: bool, rows: Sequence[Mapping[str, Any]], order: Mapping[str, int]
) -> Exchange:
    messages = _messages(rows[0])
    by_arm: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_arm.setdefault(str(row.get("arm")), []).append(row)
    names = sorted(by_arm, key=lambda arm: (order.get(arm, len(order)), arm))
    question = str(messages[-1].get("content") or "") if messages else ""
    arms = tuple(
        ArmReplies(
            arm, tuple(_reply(row) for row in sorted(by_arm[arm], key=lambda r: int(r.get("sample") or 0)))
        )
        for arm in names
    )
    return Exchange(turn, question, arms, aside)


def _reply(row: Mapping[str, Any]) -> Reply:
    passed = row.get("passed")
    return Reply(
        text=str(row.get("reply") or ""),
        passed=passed if isinstance(passed, bool) else None,
        why=str(row.get("why") or ""),
        remark=_remark(row),
    )


def _remark(row: Mapping[str, Any]) -> str:
    if row.get("finish_reason") == "length":
        return "cut at the token limit"
    if row.get("finish_reason") == "refused":
        return f"refused: {row.get('error') or 'no reason given'}"
    return "" if row.get("reply") else "empty reply"


def _row(item: Item) -> dict[str, Any]:
    """Short keys, nothing that is empty: this is most of the page."""
    row: dict[str, Any] = {"x": [_exchange_row(one) for one in item.exchanges]}
    if item.before:
        row["b"] = [[role == "assistant", text] for role, text in item.before]
    if item.reference:
        row["f"] = item.reference
    if item.kind:
        row["k"] = item.kind
    return row


def _exchange_row(exchange: Exchange) -> dict[str, Any]:
    row: dict[str, Any] = {
        "q": exchange.question,
        "r": [[arm.arm, [_reply_row(reply) for reply in arm.replies]] for arm in exchange.arms],
    }
    if exchange.turn > 1 or exchange.aside:
        row["t"] = exchange.turn
    if exchange.aside:
        row["a"] = 1
    return row


def _reply_row(reply: Reply) -> list[Any]:
    row: list[Any] = [
        reply.text,
        None if reply.passed is None else int(reply.passed),
        reply.why,
        reply.remark,
    ]
    while len(row) > 1 and row[-1] in (None, ""):
        row.pop()
    return row
