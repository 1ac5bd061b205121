"""Self-repetition: does the character say again what it said earlier in the same conversation?"""

from collections.abc import Sequence

from understudy.evaluation.probe import Answer, Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.statistics import bootstrap_mean
from understudy.evaluation.words import words

__all__ = ["repeated_share", "score_self_repetition"]

SIZE = 4
FEWEST_CONVERSATIONS = 3
UNIT = "share of word 4-grams said before"
METHOD = "scripted conversations with the arm's own replies as history; bootstrap over conversations"


def repeated_share(reply: str, earlier: Sequence[str], n: int = SIZE) -> float | None:
    """Share of the reply's word n-grams that stand in its earlier replies; ``None`` for a short one."""
    mine = _grams(reply, n)
    if not mine:
        return None
    before = {gram for text in earlier for gram in _grams(text, n)}
    return sum(gram in before for gram in mine) / len(mine)


def _grams(text: str, n: int) -> list[tuple[str, ...]]:
    tokens = words(text)
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def score_self_repetition(answers: Sequence[Answer], seed: int = 0) -> Measured:
    """Mean share of a reply's word 4-grams that the arm said earlier in the same conversation.

        mean over turns ≥ 2 of  #(4-grams of the reply that stand in its earlier replies) / #(4-grams)

    Catchphrases shorter than four words do not count. Replies of fewer than four words are left
    out. Cannot be computed with fewer than three conversations of two turns or more.

    Source: "seq-rep-4" of Welleck et al. 2020, arXiv 1908.04319, across the turns of a conversation.
    """
    asked, values = [], []
    for answer in answers:
        if answer.probe.category not in ("script", "drift"):
            continue
        earlier = [m["content"] for m in answer.probe.messages if m["role"] == "assistant"]
        share = repeated_share(answer.text, earlier) if earlier else None
        if share is not None:
            asked.append(answer)
            values.append(share)
    if len({a.probe.group for a in asked}) < FEWEST_CONVERSATIONS:
        reason = f"fewer than {FEWEST_CONVERSATIONS} conversations of two turns or more were held"
        return Measured(not_computed(reason, unit=UNIT, method=METHOD))
    interval = bootstrap_mean(values, [a.probe.group for a in asked], seed=seed)
    whole = sum(value >= 0.8 for value in values)
    note = f"{whole} of {len(values)} replies say almost nothing new"
    score = Score.of(interval, count=len(values), unit=UNIT, method=METHOD, note=note)
    return Measured.per_answer(score, asked, values)
