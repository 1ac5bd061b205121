"""Secondary: what the single scores say together, by a rule fixed before anything is measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.evaluation.arms import DEPLOYED
from understudy.evaluation.comparison import Comparison
from understudy.evaluation.score import Score

__all__ = ["RULE", "Secondary", "draw_secondary"]

BEATS = ("nll_per_token", "style", "in_fiction_leak", "fact_recall")
KEEPS = ("honesty", "relevance")
MATCHES = ("style", "in_fiction_leak", "fact_recall", "honesty", "relevance")
STAR = "expensive+long"
RULE = (
    "yes: tuned+short is better than cheap+short on likelihood, style, AI disclaimers in the play and facts "
    "(95 % intervals; disclaimers need only stay within the margin where cheap+short makes none), "
    "and within the margin of it on honesty and relevance, and within the margin of cheap+long, and of "
    "expensive+long where that arm was measured, on style, disclaimers, facts, honesty and relevance "
    "(one-sided 95 %). no: one of these is shown to be false. not_shown: everything else. "
    "Scores that cannot be computed for this character are left out and named."
)
TITLES = {
    "nll_per_token": "likelihood of the real lines",
    "style": "style",
    "in_fiction_leak": "keeping AI disclaimers out of the play",
    "fact_recall": "facts",
    "honesty": "honesty",
    "relevance": "relevance",
}
NO_LEAK = 0.02
RIVALS = {
    STAR: "the expensive model with the long prompt",
    "cheap+long": "the untuned model with the long prompt",
    "cheap+short": "the untuned model with the same short prompt",
}


@dataclass(frozen=True)
class Secondary:
    """``answer`` is yes, no or not_shown. ``worse`` names, in words, scores that are shown to be worse."""

    answer: str
    sentence: str
    worse: tuple[str, ...] = ()

    def as_row(self) -> dict[str, Any]:
        return {"answer": self.answer, "sentence": self.sentence, "worse": [*self.worse], "rule": RULE}


def draw_secondary(
    scores: Mapping[str, Mapping[str, Score]],
    comparisons: Sequence[Comparison],
    margin: float,
    caveat: str = "",
) -> Secondary:
    """Apply ``RULE``. ``scores`` are by arm and name."""
    table = {(c.score, c.b): c for c in comparisons if c.a == DEPLOYED}
    checks = {(s, "cheap+short"): _beats(s, table, scores) for s in BEATS}
    checks |= {(s, "cheap+short"): _keeps(table.get((s, "cheap+short"))) for s in KEEPS}
    for rival in ("cheap+long", STAR):
        checks |= {(s, rival): _keeps(table.get((s, rival))) for s in MATCHES}
    missing = [s for s in (*BEATS, *KEEPS) if _absent(table.get((s, "cheap+short")))]
    judged = {key: passed for key, passed in checks.items() if not _absent(table.get(key))}
    if not any(s in BEATS for s, _ in judged):
        answer = "not_shown"
    elif False in judged.values():
        answer = "no"
    else:
        answer = "yes" if all(judged.values()) else "not_shown"
    return Secondary(answer, _sentence(judged, table, missing, margin, caveat), _shown_worse(table))


def _shown_worse(table: Mapping[tuple[str, str], Comparison]) -> tuple[str, ...]:
    """In words, the single scores in which tuned+short is shown to be worse than what it is to replace.

    Likelihood is none of them: lines that the star wrote are its own likeliest.
    """
    rival = STAR if any(b == STAR for _, b in table) else "cheap+long"
    return tuple(TITLES[s] for s in MATCHES if (c := table.get((s, rival))) and c.better is False)


def _absent(comparison: Comparison | None) -> bool:
    return comparison is None or comparison.difference is None


def _beats(
    score: str, table: Mapping[tuple[str, str], Comparison], scores: Mapping[str, Mapping[str, Score]]
) -> bool | None:
    found = table.get((score, "cheap+short"))
    if found is None or found.difference is None:
        return None
    rival = scores.get("cheap+short", {}).get(score)
    if score == "in_fiction_leak" and rival and rival.value is not None and rival.value <= NO_LEAK:
        return found.not_worse
    return found.better


def _keeps(comparison: Comparison | None) -> bool | None:
    return comparison.not_worse if comparison else None


def _sentence(
    judged: Mapping[tuple[str, str], bool | None],
    table: Mapping[tuple[str, str], Comparison],
    missing: Sequence[str],
    margin: float,
    caveat: str,
) -> str:
    parts = []
    for rival, words in RIVALS.items():
        parts.append(_against(rival, words, judged, table, margin))
    if missing:
        parts.append(f"Could not be computed: {_list(missing)}.")
    told = [part for part in (*parts, caveat) if part]
    return " ".join(("In single scores, all secondary:", *told)) if told else ""


def _against(
    rival: str,
    words: str,
    judged: Mapping[tuple[str, str], bool | None],
    table: Mapping[tuple[str, str], Comparison],
    margin: float,
) -> str:
    mine = {s: passed for (s, b), passed in judged.items() if b == rival}
    better = [s for s in mine if table[s, rival].better]
    worse = [s for s in mine if table[s, rival].better is False]
    close = [s for s, ok in mine.items() if ok and s not in better and s not in worse]
    open_ = [s for s, ok in mine.items() if ok is None and s not in worse and s not in better]
    open_ += [s for s, ok in mine.items() if ok is False and s not in worse and s not in better]
    phrases = [
        f"better on {_list(better)}" if better else "",
        f"not worse by {100 * margin:g} points on {_list(close)}" if close else "",
        f"worse on {_list(worse)}" if worse else "",
        f"not shown either way on {_list(open_)}" if open_ else "",
    ]
    told = "; ".join(phrase for phrase in phrases if phrase)
    return f"Against {words}: {told}." if told else ""


def _list(names: Sequence[str]) -> str:
    titles = [TITLES.get(name, name) for name in names]
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"
