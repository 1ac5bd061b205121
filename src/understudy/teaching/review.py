"""Review: ``review.md``, what was kept, repaired and dropped, for a person to read before training."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from understudy.atomic import write_text
from understudy.folder import CharacterFolder
from understudy.teaching.teacher import Exchange, Written

__all__ = ["ReviewCounts", "count_review", "review_path", "save_review"]


@dataclass(frozen=True)
class ReviewCounts:
    """Replies of the teacher. repaired: good at last, after others were refused or something was mended."""

    kept: int
    repaired: int
    dropped: int


def review_path(folder: CharacterFolder) -> Path:
    return folder.root / "review.md"


def count_review(written: Sequence[Written]) -> ReviewCounts:
    exchanges = [e for w in written for e in w.exchanges if not e.by_student]
    good = [e for e in exchanges if e.reply is not None]
    repaired = sum(bool(e.refused) or e.mended for e in good)
    return ReviewCounts(len(good) - repaired, repaired, len(exchanges) - len(good))


def save_review(
    folder: CharacterFolder, written: Sequence[Written], model: str, phrases: Sequence[tuple[str, int]]
) -> None:
    """Write the file. Dropped ones come first, then repaired ones, then what was kept at once."""
    counts = count_review(written)
    reasons = Counter(r.fault for w in written for e in w.exchanges for r in e.refused)
    lines = [
        f"# What {model} wrote",
        "",
        f"{counts.kept:,} replies kept at once, {counts.repaired:,} repaired, {counts.dropped:,} dropped.",
    ]
    if reasons:
        lines += ["", "| Refused because | Times |", "|---|---|"]
        lines += [f"| {_cell(reason)} | {times:,} |" for reason, times in reasons.most_common()]
    if phrases:
        lines += [
            "",
            "Said very often; if that is no catchphrase, write it into the sheet as something to avoid:",
            "",
        ]
        lines += [f"- “{text}”, {times:,} times" for text, times in phrases]
    for title, keep in (
        ("Dropped", lambda e: e.reply is None and not e.by_student),
        ("Repaired", lambda e: e.reply is not None and (bool(e.refused) or e.mended)),
    ):
        lines += ["", f"## {title}", *_section(written, keep)]
    lines += ["", "## Kept", *_kept(written)]
    write_text(review_path(folder), "\n".join(lines) + "\n")


def _section(written: Sequence[Written], keep: object) -> Iterator[str]:
    assert callable(keep)
    for w in written:
        for turn, exchange in enumerate(w.exchanges):
            if keep(exchange):
                yield ""
                yield f"**{w.outline.category or 'conversation'}**, `{w.outline.id}`, turn {turn + 1}"
                yield from _exchange(exchange)


def _exchange(exchange: Exchange) -> Iterator[str]:
    yield f"> {_one_line(exchange.line.content)}"
    for refused in exchange.refused:
        yield f"- ~~{_one_line(refused.text) or '(nothing)'}~~ {refused.fault}"
    if exchange.reply is not None:
        yield f"- {'(mended) ' if exchange.mended else ''}{_one_line(exchange.reply)}"


def _kept(written: Sequence[Written]) -> Iterator[str]:
    """Whole conversations, so that one can see whether they hang together."""
    for w in written:
        said = w.messages()
        if any(m.role == "assistant" for m in said):
            yield ""
            yield f"**{w.outline.category or 'conversation'}**, `{w.outline.id}`"
            yield ""
            for m in said:
                mark = " *(the student's own)*" if m.weight == 0 else ""
                yield f"> {_one_line(m.content)}" if m.role == "user" else f"- {_one_line(m.content)}{mark}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
