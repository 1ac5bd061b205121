"""Markers: how far the habits of speech lie from the character's own rates, above or below."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from understudy.evaluation.probe import IDENTITY, SINCERE, Answer, Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.statistics import Interval, bootstrap_statistic
from understudy.evaluation.words import normalised, plain, sentences, words

__all__ = ["MARKERS", "StyleMarkers", "learn_catchphrases", "learn_markers", "score_markers"]

FEWEST_LINES = 20
FEWEST_REPLIES = 20
UNIT = "mean distance in the character's standard deviations (0: its own rates)"
METHOD = "habits of speech against the character's own lines; group bootstrap, widened to hold the value"
LONGEST_PHRASE = 4
MOST_PHRASES = 40
Floats = NDArray[np.float64]

_CONTRACTION = re.compile(r"\b\w+(?:n't|'(?:s|m|re|ve|ll|d))\b", re.I)
_INTERJECTION = re.compile(r"^\W*(?:oh|ah|ha|hey|hm+|arr+|aye|o|alas|well|wow|ooh|ugh|yo|hah|ho|bah)\b", re.I)


def _per_sentence(pattern: str) -> Callable[[str], float]:
    searcher = re.compile(pattern)
    return lambda text: len(searcher.findall(text)) / max(1, len(sentences(text)))


def _per_word(pattern: str) -> Callable[[str], float]:
    searcher = re.compile(pattern, re.I)
    return lambda text: len(searcher.findall(text)) / max(1, len(words(text)))


MARKERS: dict[str, Callable[[str], float]] = {
    "exclamation marks per sentence": _per_sentence(r"!"),
    "questions per sentence": _per_sentence(r"\?"),
    "dots and dashes per sentence": _per_sentence(r"\.\.\.|\s-+\s"),
    "commas per word": _per_word(r","),
    "stage directions per sentence": _per_sentence(r"\*[^*]+\*|\([^)]+\)"),
    "words in capitals": _per_word(r"(?-i:\b[A-Z]{3,}\b)"),
    "words per sentence (log)": lambda text: float(
        np.log(1 + len(words(text)) / max(1, len(sentences(text))))
    ),
    "letters per word": lambda text: sum(map(len, words(text))) / max(1, len(words(text))),
    "contractions per word": lambda text: len(_CONTRACTION.findall(text)) / max(1, len(words(text))),
    "first person per word": _per_word(r"\b(?:i|me|my|mine|myself)\b"),
    "second person per word": _per_word(r"\b(?:you|your|yours|ye|thou|thee|thy)\b"),
    "begins with an interjection": lambda text: float(bool(_INTERJECTION.search(text))),
}
"""Each habit as a number for one reply; catchphrases come from the character's lines."""


@dataclass(frozen=True)
class StyleMarkers:
    """The habits that a character's training lines show: their means and spreads, and its catchphrases."""

    means: Floats
    spreads: Floats
    catchphrases: tuple[str, ...]
    count: int

    @property
    def names(self) -> list[str]:
        return [*MARKERS, "catchphrases per reply"]

    def measure(self, texts: Sequence[str]) -> Floats:
        """Replies × habits."""
        return _table(texts, self.catchphrases)

    def distance(self, rates: Floats, target: Floats) -> Floats:
        """Mean over habits of |rate − target| / spread; ``rates`` is … × habits."""
        return np.asarray((np.abs(rates - target) / self.spreads).mean(axis=-1), dtype=np.float64)


@lru_cache(maxsize=50_000)
def _rates(text: str) -> tuple[float, ...]:
    clean = plain(text)
    return tuple(marker(clean) for marker in MARKERS.values())


def _table(texts: Sequence[str], catchphrases: Sequence[str]) -> Floats:
    if not texts:
        return np.zeros((0, len(MARKERS) + 1))
    spoken = re.compile("|".join(rf"\b{re.escape(p)}\b" for p in catchphrases) or r"(?!)")
    said = [float(len(spoken.findall(normalised(text)))) for text in texts]
    return np.column_stack([np.array([_rates(text) for text in texts]), said])


def learn_catchphrases(real: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """Phrases of two to four words that the character repeats and others do not.

    Ranked by the z-score of the log-odds with a Dirichlet prior; kept above 1.96 and where at least
    three lines and one in a hundred hold them. A phrase within a longer one that is as frequent is
    left out.

    Source: Monroe, Colaresi & Quinn 2008, "Fightin' Words", Political Analysis 16:372.
    """
    mine, theirs = _phrases(real), _phrases(others)
    fewest = max(3, len(real) // 100)
    total_mine, total_theirs = sum(mine.values()), max(1, sum(theirs.values()))
    prior = 0.05
    found: list[tuple[float, str]] = []
    for phrase, count in mine.items():
        if count < fewest:
            continue
        other = theirs.get(phrase, 0)
        log_odds = np.log((count + prior) / (total_mine - count)) - np.log(
            (other + prior) / (total_theirs - other + prior)
        )
        z = log_odds / np.sqrt(1 / (count + prior) + 1 / (other + prior))
        if z > 1.96 or (other == 0 and count >= 2 * fewest):
            found.append((float(count * len(phrase.split())), phrase))
    chosen: list[str] = []
    for _, phrase in sorted(found, key=lambda row: (-row[0], row[1])):
        if not any(f" {phrase} " in f" {longer} " and mine[longer] > 0.7 * mine[phrase] for longer in chosen):
            chosen.append(phrase)
    return tuple(sorted(chosen[:MOST_PHRASES], key=lambda p: (-len(p), p)))


def _phrases(texts: Sequence[str]) -> Counter[str]:
    """In how many texts each phrase stands."""
    counts: Counter[str] = Counter()
    for text in texts:
        seen = set()
        for sentence in sentences(text):
            tokens = words(sentence)
            seen |= {
                " ".join(tokens[i : i + n])
                for n in range(2, LONGEST_PHRASE + 1)
                for i in range(len(tokens) - n + 1)
            }
        counts.update(seen)
    return counts


def learn_markers(real: Sequence[str], others: Sequence[str]) -> StyleMarkers | None:
    """The habits of the character's training lines; ``None`` for fewer than 20 lines."""
    real = [text for text in real if text.strip()]
    if len(real) < FEWEST_LINES:
        return None
    phrases = learn_catchphrases(real, others)
    table = _table(real, phrases)
    floor = np.full(table.shape[1], 0.02)  # a habit that the lines never show has no spread of its own
    return StyleMarkers(table.mean(axis=0), np.maximum(table.std(axis=0), floor), phrases, len(real))


def score_markers(answers: Sequence[Answer], markers: StyleMarkers | None, seed: int = 0) -> Measured:
    """Mean distance of thirteen habits of speech from the character's own rates.

        distance = mean over habits of |rate of the arm − real rate| / spread of the real lines

    Too many exclamations count like too few: overshooting is caricature. The real rate is that of
    the real replies to the same questions where at least twenty are known, else of the training
    lines. Chance keeps the distance of even the real lines a little above 0; what held-out real
    lines get stands in ``classifiers``. The note names the habits that lie farthest off, with their
    direction. Sincere, identity and crisis questions are left out. Cannot be computed for fewer than
    20 training lines or replies.

    Source: standardised mean difference (Cohen 1988) on stylometric markers.
    """
    if markers is None:
        reason = f"fewer than {FEWEST_LINES} training lines to learn the habits from"
        return Measured(not_computed(reason, unit=UNIT, method=METHOD))
    asked = [a for a in answers if a.probe.category not in (SINCERE, IDENTITY, "crisis", "drift", "skill")]
    known = [a for a in asked if a.probe.reference]
    paired = len(known) >= FEWEST_REPLIES
    asked = known if paired else asked
    if len(asked) < FEWEST_REPLIES:
        return Measured(not_computed(f"fewer than {FEWEST_REPLIES} replies", unit=UNIT, method=METHOD))
    table = markers.measure([a.text for a in asked])
    real = markers.measure([a.probe.reference or "" for a in asked]) if paired else None
    target = real.mean(axis=0) if real is not None else markers.means
    sums = _group_sums(np.column_stack([table, np.ones(len(table))]), [a.probe.group for a in asked])
    interval = bootstrap_statistic(
        sums, lambda total: markers.distance(total[:, :-1] / total[:, -1:], target), seed=seed
    )
    if interval.value is not None and interval.low is not None and interval.high is not None:
        # Resampling adds noise, and noise only adds to a distance: the bounds may both lie above it.
        low, high = min(interval.low, interval.value), max(interval.high, interval.value)
        interval = Interval(interval.value, low, high)
    note = _farthest(markers, table.mean(axis=0), target)
    note += "; against the real replies to the same questions" if paired else "; against the training lines"
    return Measured(Score.of(interval, count=len(asked), unit=UNIT, method=METHOD, note=note))


def _group_sums(columns: Floats, groups: Sequence[str]) -> Floats:
    order = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    sums = np.zeros((len(order), columns.shape[1]))
    np.add.at(sums, [order[group] for group in groups], columns)
    return sums


def _farthest(markers: StyleMarkers, rates: Floats, target: Floats) -> str:
    """The three habits that lie farthest off."""
    off = (rates - target) / markers.spreads
    parts = [
        f"{markers.names[i]} {rates[i]:.2f}, really {target[i]:.2f} ({'over' if off[i] > 0 else 'under'})"
        for i in np.argsort(-np.abs(off))[:3]
    ]
    return "; ".join(parts)
