"""Repetition: replies that loop, and the same reply to different questions."""

from collections import Counter
from collections.abc import Sequence

from understudy.evaluation.probe import Answer, Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.statistics import share
from understudy.evaluation.words import normalised, words

__all__ = ["distinct_bigrams", "looped_share", "score_repetition"]

LOOP = 0.3
BUDGET = 1000


def looped_share(reply: str, n: int = 3) -> float:
    """Share of the reply's word n-grams that occurred in it before; 0 for a short reply.

    Source: "seq-rep-n" of Welleck et al. 2020, arXiv 1908.04319.
    """
    tokens = words(reply)
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def distinct_bigrams(replies: Sequence[str], budget: int = BUDGET) -> float | None:
    """Distinct word pairs per word pair within the first ``budget`` pairs; ``None`` for fewer.

    The budget is fixed because the ratio falls with the amount of text.

    Source: distinct-n, Li et al. 2016, arXiv 1510.03055.
    """
    pairs = [pair for reply in replies for pair in zip(words(reply), words(reply)[1:], strict=False)][:budget]
    return len(set(pairs)) / budget if len(pairs) == budget else None


def score_repetition(answers: Sequence[Answer]) -> Measured:
    """Share of replies that are empty, loop, or were also given to another group's question.

        a reply counts if seq-rep-3 ≥ 0.3, or the same normalised text answers another group's probe

    The note gives distinct-2 over the first 1,000 word pairs. Cannot be computed without replies.
    """
    method = "seq-rep-3 of 0.3 or more, or a duplicate across groups; Wilson 95 % interval"
    asked = [a for a in answers if a.probe.category != "drift"]
    if not asked:
        return Measured(not_computed("no replies", unit="share of replies", method=method))
    holders: dict[str, set[str]] = {}
    for answer in asked:
        holders.setdefault(normalised(answer.text), set()).add(answer.probe.group)
    flags = [_repeats(answer, holders) for answer in asked]
    variety = distinct_bigrams([a.text for a in asked])
    note = f"{sum(flags):.0f} of {len(flags)}"
    note += f"; distinct-2 {variety:.2f} over {BUDGET} word pairs" if variety is not None else ""
    commonest, times = Counter(normalised(a.text) for a in asked).most_common(1)[0]
    if times > 1:
        note += f"; most frequent reply {times} times: “{commonest[:60]}”"
    interval = share(flags, [a.probe.group for a in asked])
    score = Score.of(interval, count=len(flags), unit="share of replies", method=method, note=note)
    return Measured.per_answer(score, asked, flags, binary=True)


def _repeats(answer: Answer, holders: dict[str, set[str]]) -> float:
    text = normalised(answer.text)
    return float(not text or looped_share(answer.text) >= LOOP or len(holders[text]) > 1)
