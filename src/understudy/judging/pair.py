"""Pair: two replies to the same messages; which of them is better is the whole question."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.cost.evidence import read_object, read_rows
from understudy.errors import EvaluationError
from understudy.judging.markup import plain_text

__all__ = ["COMPARISON", "Pair", "Pairs", "pairs_hash", "place", "read_pairs"]

COMPARISON = "comparison"
LEFT_OUT = ("drift", "crisis", "audience_safety")
"""Drift is a matter of many turns; an answer to a cry for help, or a refusal of what harms, is no play."""
Messages = tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class Pair:
    """``a`` and ``b`` are replies without markup; in a planted control ``a`` is the one that is better.

    kind: ``comparison``, or the kind of planted control.
    messages: The conversation, without system prompts.
    group: The cluster of every interval. fact: What is true, where a fact is asked for.
    """

    id: str
    kind: str
    category: str
    group: str
    messages: Messages
    a: str
    b: str
    sample: int = 0
    fact: str = ""

    @property
    def is_same(self) -> bool:
        """Nobody needs to be asked which of two equal replies is better."""
        return self.a == self.b

    def reply(self, side: str) -> str:
        return self.a if side == "a" else self.b


@dataclass(frozen=True)
class Pairs:
    """The pairs of two arms, and how many could not be made, with the reason."""

    pairs: tuple[Pair, ...]
    left_out: dict[str, int]


def place(seed: int, *parts: object) -> str:
    """A seeded place in an order: sorting by it shuffles, the same in every run."""
    return hashlib.sha256("\x1f".join(map(str, (seed, *parts))).encode()).hexdigest()


def read_pairs(
    run: Path,
    arms: tuple[str, str],
    *,
    name: str,
    facts: Mapping[str, str],
    most: int,
    seed: int,
    categories: Iterable[str] | None = None,
) -> Pairs:
    """At most ``most`` pairs of the published replies to single probes, spread over the groups.

    First samples come first, so that a smaller number still holds every probe.

    Args:
        name: The character's, to take off a reply that begins with it.
        facts: Statements by fact id.
        categories: Those that are compared; all but drift and crises where ``None``.

    Raises:
        EvaluationError: The run has no replies of both arms.
    """
    rows = read_rows(run / "replies.jsonl")
    asked = _facts_asked(run)
    table: dict[tuple[str, int], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("arm") in arms and row.get("part", "single") == "single":
            table.setdefault((row["probe_id"], int(row.get("sample") or 0)), {})[row["arm"]] = row
    left_out: dict[str, int] = {}
    pairs = []
    for (probe, sample), found in table.items():
        reason = _reason(found, arms, set(categories) if categories is not None else None)
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        first, second = found[arms[0]], found[arms[1]]
        pairs.append(
            Pair(
                id=f"{probe}#{sample}",
                kind=COMPARISON,
                category=first["category"],
                group=first["group"],
                messages=_conversation(first),
                a=plain_text(first["reply"], name),
                b=plain_text(second["reply"], name),
                sample=sample,
                fact=facts.get(asked.get(probe) or "", ""),
            )
        )
    if not pairs:
        raise EvaluationError(
            f"{run / 'replies.jsonl'}: holds no probe that {arms[0]} and {arms[1]} both answered. Evaluate "
            "first, or choose other arms with --arms."
        )
    chosen = _spread(pairs, most, seed)
    if len(chosen) < len(pairs):
        left_out["not drawn"] = len(pairs) - len(chosen)
    return Pairs(chosen, left_out)


def _facts_asked(run: Path) -> dict[str, str | None]:
    """The fact that each frozen probe asks for; sets lie beside the runs, in older runs in the run itself."""
    frozen = [read_object(path) for path in sorted((run.parent.parent / "probes").glob("*.json"))]
    rows = [*read_rows(run / "probes.jsonl"), *(row for body in frozen for row in body.get("probes") or ())]
    return {row["id"]: row.get("fact") for row in rows}


def _reason(
    found: Mapping[str, Mapping[str, Any]], arms: tuple[str, str], categories: set[str] | None
) -> str:
    """Why no pair is made, or nothing."""
    category = next(iter(found.values()))["category"]
    if category in LEFT_OUT or (categories is not None and category not in categories):
        return f"category {category}"
    if len(found) < 2 or any(row.get("finish_reason") == "refused" for row in found.values()):
        return "refused by the provider"
    if _conversation(found[arms[0]]) != _conversation(found[arms[1]]):
        return "histories differ"
    return ""


def _conversation(row: Mapping[str, Any]) -> Messages:
    return tuple(
        {"role": m["role"], "content": m["content"]} for m in row["messages"] if m["role"] != "system"
    )


def _spread(pairs: Sequence[Pair], most: int, seed: int) -> tuple[Pair, ...]:
    """One of each group in turn, so that a smaller number still holds every group."""
    groups: dict[tuple[int, str], list[Pair]] = {}
    for pair in sorted(pairs, key=lambda p: place(seed, p.id)):
        groups.setdefault((pair.sample, pair.group), []).append(pair)
    rounds = [
        ((pair.sample, number, place(seed, pair.group)), pair)
        for members in groups.values()
        for number, pair in enumerate(members)
    ]
    return tuple(pair for _, pair in sorted(rounds, key=lambda r: r[0])[:most])


def pairs_hash(pairs: Iterable[Pair]) -> str:
    """What ratings belong to: texts and order of all pairs."""
    rows = [[p.id, p.kind, [dict(m) for m in p.messages], p.a, p.b, p.fact] for p in pairs]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
