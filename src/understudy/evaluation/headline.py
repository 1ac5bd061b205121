"""Headline: the primary endpoint's answer in one word and one honest sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["RULE", "Headline", "draw_headline"]

RULE = (
    "yes: the lower one-sided 95 % bound of the difference in probes passed, tuned+short less expensive+long "
    "(less cheap+long where no star was measured), lies above minus the margin, for every training seed that "
    "was evaluated. no: for every one of them the upper bound lies below minus the margin. not_shown: "
    "everything else."
)
ANSWERS = {"non_inferior": "yes", "inferior": "no", "not_shown": "not_shown"}
OPENINGS = {
    "yes": "Yes: with its short prompt the tuned model can stand in for {character}'s long one.",
    "no": "No: with its short prompt the tuned model does not take over the part of {character}.",
    "not_shown": "Not shown: whether the tuned model with its short prompt can take over from {character}'s "
    "prompt.",
}


@dataclass(frozen=True)
class Headline:
    """``answer`` is yes, no or not_shown."""

    answer: str
    sentence: str

    def as_row(self) -> dict[str, str]:
        return {"answer": self.answer, "sentence": self.sentence, "rule": RULE}


def draw_headline(
    character: str, primary: Mapping[str, Any], secondary: str = "", worse: Sequence[str] = ()
) -> Headline:
    """Apply ``RULE`` to the primary endpoint as the verdict holds it; ``secondary`` is appended.

    A yes names at once in which single scores (``worse``) the tuned model is shown to be worse, because a
    share of probes can hide a category that fails altogether.

    Several training seeds give one answer only where they agree: the best of them is never chosen.
    """
    seeds = [row for row in primary["seeds"] if row["conclusion"] != "not_evaluated"]
    conclusions = {row["conclusion"] for row in seeds} | {primary["conclusion"]}
    answer = ANSWERS[conclusions.pop()] if len(conclusions) == 1 else "not_shown"
    parts = [OPENINGS[answer].format(character=character)]
    if answer == "yes" and worse:
        named = worse[0] if len(worse) == 1 else f"{', '.join(worse[:-1])} and {worse[-1]}"
        parts[0] = f"{parts[0].removesuffix('.')}, but it is worse on {named}."
    if primary["b_reason"]:
        parts.append(f"{primary['b_reason'][:1].upper()}{primary['b_reason'][1:]}.")
    parts.append(primary["sentence"])
    parts.append(_seeds(seeds))
    parts.append(_superior(primary["superiority"]))
    parts.append(secondary)
    return Headline(answer, " ".join(part for part in parts if part))


def _seeds(seeds: Sequence[Mapping[str, Any]]) -> str:
    if len(seeds) < 2:
        return ""
    shown = sum(row["conclusion"] == "non_inferior" for row in seeds)
    rates = ", ".join(f"{100 * row['a_rate']['value']:.0f}" for row in seeds)
    return f"Of {len(seeds)} training seeds, {shown} show it (passed: {rates} %)."


def _superior(rows: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for row in rows:
        value = row["difference"]["value"]
        if value is None:
            continue
        superior = row["conclusion"] == "superior"
        words = "it passes more probes than" if superior else "it is not shown to pass more than"
        parts.append(f"{words} {row['b']} ({100 * value:+.1f} points)")
    return f"{parts[0][:1].upper()}{'; '.join(parts)[1:]}." if parts else ""
