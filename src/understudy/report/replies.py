"""Replies: what every arm said to the same probe, side by side."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["ArmReply", "Probe", "Replies", "collect_replies"]

# Keeps the page under a megabyte; the rest stays in replies.jsonl.
MOST_CHARACTERS = 420_000
REPLY_MARKUP_CHARACTERS = 120
FIRST_LOOK = 2


@dataclass(frozen=True)
class ArmReply:
    """One reply; ``remark`` where the token limit ended it or the provider refused the request."""

    arm: str
    text: str
    remark: str


@dataclass(frozen=True)
class Probe:
    """A question with the conversation before it, the real reply where it is known, and all replies."""

    id: str
    category: str
    turn: int
    question: str
    before: tuple[tuple[str, str], ...]
    reference: str
    replies: tuple[ArmReply, ...]

    @property
    def characters(self) -> int:
        """Room on the page, roughly."""
        texts = [self.question, self.reference, *(text for _, text in self.before)]
        replies = sum(len(reply.text) + REPLY_MARKUP_CHARACTERS for reply in self.replies)
        return sum(map(len, texts)) + replies + 3 * REPLY_MARKUP_CHARACTERS


@dataclass(frozen=True)
class Replies:
    """The probes of the page, the categories in their order, and how many probes there are in all.

    ``picked`` are the positions of a few of each category, for a first look.
    """

    probes: tuple[Probe, ...]
    categories: tuple[tuple[str, int], ...]
    total: int

    @property
    def picked(self) -> frozenset[int]:
        """The first ``FIRST_LOOK`` of each category."""
        seen: dict[str, int] = {}
        found = set()
        for place, probe in enumerate(self.probes):
            seen[probe.category] = seen.get(probe.category, 0) + 1
            if seen[probe.category] <= FIRST_LOOK:
                found.add(place)
        return frozenset(found)


def collect_replies(rows: list[dict[str, Any]], arms: list[str]) -> Replies:
    """Group replies by probe; where they would fill the page, show an equal share of each category."""
    grouped: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((str(row.get("probe_id")), _turn(row)), []).append(row)
    probes = [_probe(key, group, arms) for key, group in grouped.items()]
    shown = _fit(probes)
    counts: dict[str, int] = {}
    for probe in shown:
        counts[probe.category] = counts.get(probe.category, 0) + 1
    return Replies(tuple(shown), tuple(counts.items()), len(probes))


def _turn(row: dict[str, Any]) -> int:
    turn = row.get("turn")
    return turn if isinstance(turn, int) else 1


def _probe(key: tuple[str, int], rows: list[dict[str, Any]], arms: list[str]) -> Probe:
    order = {arm: place for place, arm in enumerate(arms)}
    rows = sorted(rows, key=lambda row: order.get(str(row.get("arm")), len(order)))
    messages = [m for m in rows[0].get("messages") or [] if m.get("role") in ("user", "assistant")]
    question = str(messages[-1].get("content") or "") if messages else ""
    return Probe(
        id=key[0],
        category=str(rows[0].get("category") or "other"),
        turn=key[1],
        question=question,
        before=tuple((str(m["role"]), str(m.get("content") or "")) for m in messages[:-1]),
        reference=str(rows[0].get("reference") or ""),
        replies=tuple(
            ArmReply(str(row.get("arm")), str(row.get("reply") or ""), _remark(row)) for row in rows
        ),
    )


def _remark(row: dict[str, Any]) -> str:
    if row.get("finish_reason") == "length":
        return "cut at the token limit"
    if row.get("finish_reason") == "refused":
        return f"refused: {row.get('error') or 'no reason given'}"
    return "" if row.get("reply") else "empty reply"


def _fit(probes: Iterable[Probe]) -> list[Probe]:
    """Probes by category in their own order, taken in turns until the room is used."""
    queues: dict[str, list[Probe]] = {}
    for probe in probes:
        queues.setdefault(probe.category, []).append(probe)
    taken: dict[str, list[Probe]] = {category: [] for category in queues}
    room = MOST_CHARACTERS
    while any(queues.values()):
        for category, queue in queues.items():
            if not queue:
                continue
            probe = queue.pop(0)
            room -= probe.characters
            if room < 0:
                return [one for group in taken.values() for one in group]
            taken[category].append(probe)
    return [one for group in taken.values() for one in group]
