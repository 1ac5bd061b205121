"""Corpus: faults that only show beside all other replies: repeats, over-used openings, a foreign tone."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from understudy.character.character import Character
from understudy.evaluation.resources import assistant_exchanges, other_characters
from understudy.evaluation.style import WEAK, Line, train_style
from understudy.evaluation.words import normalised, words
from understudy.teaching.outline import CRISIS, SINCERE
from understudy.teaching.plan import Filter
from understudy.teaching.teacher import Written

__all__ = ["Place", "corpus_faults", "near_groups", "overused_phrases"]

Place = tuple[int, int]  # which conversation, which turn
SHORT_WORDS = 5
PERMUTATIONS, BANDS = 128, 32
OPENING_WORDS = 3
PHRASE_WORDS = 5
FEWEST_OPENINGS = 8
OUTSIDE = (SINCERE, CRISIS)


@dataclass(frozen=True)
class _Spoken:
    """A reply of the teacher with its place."""

    place: Place
    line: str
    text: str
    category: str
    group: str


def corpus_faults(written: Sequence[Written], character: Character, rules: Filter) -> dict[Place, str]:
    """By place, why a reply is refused beside all others. The same replies always give the same faults."""
    spoken = [
        _Spoken((number, turn), exchange.line.content, exchange.reply, w.outline.category, w.outline.group)
        for number, w in enumerate(written)
        for turn, exchange in enumerate(w.exchanges)
        if exchange.reply is not None and not exchange.by_student
    ]
    faults = _foreign_tone(spoken, character, rules)
    faults |= _overused_openings(spoken, character, rules)
    return faults | _repeats(spoken, rules)


def _repeats(spoken: Sequence[_Spoken], rules: Filter) -> dict[Place, str]:
    """Replies that say nearly what others say to other lines; the first few of them stay.

    The same question may get the same answer, and a short reply says little about itself.
    """
    long = [s for s in spoken if len(words(s.text)) >= SHORT_WORDS and s.category not in OUTSIDE]
    faults: dict[Place, str] = {}
    for members in near_groups([s.text for s in long], rules.similarity):
        lines: dict[str, int] = {}
        for number in members:
            line = normalised(long[number].line)
            lines.setdefault(line, len(lines))
            if lines[line] >= rules.most_repeats:
                faults[long[number].place] = "same reply as elsewhere"
    return faults


def near_groups(texts: Sequence[str], similarity: float) -> list[list[int]]:
    """Positions of texts that are alike, in groups of two or more, each group in rising order.

    Equal words are found exactly; others by MinHash over runs of four characters, with bands that make a
    pair of Jaccard similarity 0.8 a candidate in practically all cases, and the similarity then estimated.

    Source: Broder 1997, "On the resemblance and containment of documents".
    """
    from rensa import RMinHash, RMinHashLSH

    first: dict[str, int] = {}
    leader: dict[int, int] = {}
    sketches: dict[int, RMinHash] = {}
    index = RMinHashLSH(threshold=similarity, num_perm=PERMUTATIONS, num_bands=BANDS)
    for number, text in enumerate(texts):
        key = normalised(text)
        if key in first:
            leader[number] = leader[first[key]]
            continue
        first[key] = number
        sketch = RMinHash(num_perm=PERMUTATIONS, seed=1)
        sketch.update([key[i : i + 4] for i in range(max(1, len(key) - 3))])
        near = sorted(o for o in index.query(sketch) if sketches[o].jaccard(sketch) >= similarity)
        leader[number] = leader[near[0]] if near else number
        sketches[number] = sketch
        index.insert(number, sketch)
    groups: dict[int, list[int]] = defaultdict(list)
    for number in range(len(texts)):
        groups[leader[number]].append(number)
    return [members for members in groups.values() if len(members) > 1]


def _overused_openings(spoken: Sequence[_Spoken], character: Character, rules: Filter) -> dict[Place, str]:
    """Replies beyond the allowed share that begin with the same three words, unless the sheet has them."""
    own = f" {normalised(character.long_prompt())} "
    openings: dict[str, list[Place]] = defaultdict(list)
    for s in spoken:
        beginning = " ".join(words(s.text)[:OPENING_WORDS])
        if len(beginning.split()) == OPENING_WORDS and f" {beginning} " not in own:
            openings[beginning].append(s.place)
    allowed = max(FEWEST_OPENINGS, int(rules.overused * len(spoken)))
    return {place: "begins like many others" for places in openings.values() for place in places[allowed:]}


def overused_phrases(written: Sequence[Written], character: Character, share: float) -> list[tuple[str, int]]:
    """Runs of five words that more than ``share`` of the replies hold, with counts, most frequent first.

    They are named for a person to judge, and refuse nothing: a catchphrase may be wanted.
    """
    texts = [e.reply for w in written for e in w.exchanges if e.reply and not e.by_student]
    own = f" {normalised(character.long_prompt())} "
    counts: Counter[str] = Counter()
    for text in texts:
        spoken = words(text)
        counts.update({" ".join(spoken[i : i + PHRASE_WORDS]) for i in range(len(spoken) - PHRASE_WORDS + 1)})
    fewest = max(FEWEST_OPENINGS, share * len(texts))
    frequent = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(text, n) for text, n in frequent if n > fewest and f" {text} " not in own][:10]


def _foreign_tone(spoken: Sequence[_Spoken], character: Character, rules: Filter) -> dict[Place, str]:
    """Replies that sound like a generic assistant or somebody else rather than like the other replies.

    Two classifiers, each trained on one half of the conversations against lines of an assistant and of
    other characters, judge the other half: no reply is judged by what learned it. Nothing is refused
    where there are too few lines, or a classifier tells held-out lines apart badly.
    """
    if rules.tone <= 0:
        return {}
    playing = [s for s in spoken if s.category not in OUTSIDE]
    others = [Line(pair.reply, pair.group) for pair in assistant_exchanges()]
    others += [Line(text, group) for text, group in other_characters()]
    faults: dict[Place, str] = {}
    for half in (0, 1):
        learned = [Line(s.text, f"talk/{s.place[0]}") for s in playing if s.place[0] % 2 != half]
        judged = [s for s in playing if s.place[0] % 2 == half]
        classifier = train_style(learned, others, character.name.split())
        if classifier is None or classifier.quality.auc < WEAK:
            continue
        for s, p in zip(judged, classifier.probabilities([s.text for s in judged]), strict=True):
            if p < rules.tone and len(words(s.text)) >= SHORT_WORDS:
                faults[s.place] = "does not sound like the character"
    return faults
