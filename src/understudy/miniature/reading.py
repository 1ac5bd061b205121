"""Reading: questions about passages of other people's prose, whose answers stand there word for word.

The generator's own sheets are made of its own words. Here the words are anybody's: what is asked can be
answered by finding the sentence and copying it, and by nothing else.
"""

import random
import re
from collections.abc import Sequence
from pathlib import Path

from understudy.miniature.exchanges import Exchange
from understudy.miniature.held_out import mentions_held_out
from understudy.miniature.lexicon import load_table

__all__ = ["Passage", "draw_passage", "load_passages", "reading_exchange"]

Passage = tuple[str, ...]
"""The sentences of a passage, in order."""

SENTENCE = re.compile(
    r"(?:^|(?<=[.!?] ))(?<!Mr\. )(?<!Dr\. )(?<!Mrs\. )"
    r"[A-Z][^.!?\"“”;:()\[\]_*]{12,100}(?<!Mr)(?<!Dr)(?<!Mrs)\.(?= |$)"
)
DETERMINERS = ("The", "A", "An", "His", "Her", "Their", "One")
SUBJECT = re.compile(
    r"(?P<subject>(?:(?:"
    + "|".join(DETERMINERS)
    + r") )(?:[a-z]+ ){0,2}?[a-z]+|[A-Z][a-z]+(?: [A-Z][a-z]+)?) "
    r"(?P<said>(?P<verb>[a-z]+) .+)\."
)
WORD = re.compile(r"[A-Za-z]{4,}")
FEWEST, MOST = 2, 6
LONGEST_LETTERS = 600


def load_passages(paths: Sequence[Path]) -> list[list[str]]:
    """The plain sentences of each paragraph that has enough of them; tables of dialogues are left out."""
    from understudy.miniature.prose import read_chapters

    found = []
    for path in paths:
        if path.suffix == ".csv":
            continue
        for chapter in read_chapters(path):
            for paragraph in chapter.split("\n"):
                sentences = SENTENCE.findall(paragraph)
                if len(sentences) >= FEWEST:
                    found.append(sentences)
    return found


def draw_passage(rng: random.Random, passages: Sequence[list[str]]) -> Passage:
    """Some sentences that follow each other, none of which names the example character's world."""
    while True:
        sentences = rng.choice(passages)
        count = min(len(sentences), rng.randint(FEWEST, MOST))
        start = rng.randrange(len(sentences) - count + 1)
        passage = tuple(sentences[start : start + count])
        if sum(map(len, passage)) <= LONGEST_LETTERS and not mentions_held_out(passage):
            return passage


def reading_exchange(passage: Passage, rng: random.Random) -> Exchange:
    """A question about one sentence of the passage, answered with its words."""
    sentence = rng.choice(passage)
    asks = [_go_on]
    if _own_words(sentence, passage):
        asks += [_about, _about]
    if _doing(sentence):
        asks += [_who, _who, _who]
    return rng.choice(asks)(sentence, passage, rng)


def _who(sentence: str, passage: Passage, rng: random.Random) -> Exchange:
    """``The old man bought a hoe.`` is asked as ``Who bought a hoe?``"""
    match = _doing(sentence)
    assert match is not None
    said, subject = match["said"], match["subject"]
    user = rng.choice(load_table("reading")["who"]).format(said=said)
    reply = rng.choice((sentence, sentence, f"{subject}.", f"It was {_inside(subject)} who {said}."))
    return Exchange(user, reply, "reading", verbatim=True, value=subject.lower())


def _about(sentence: str, passage: Passage, rng: random.Random) -> Exchange:
    """What the passage says about a word that only one of its sentences has."""
    word = rng.choice(_own_words(sentence, passage))
    user = rng.choice(load_table("reading")["about"]).format(word=word)
    return Exchange(user, sentence, "reading", verbatim=True, value=sentence.rstrip(".").lower())


def _go_on(sentence: str, passage: Passage, rng: random.Random) -> Exchange:
    """How a sentence goes on after its first words."""
    words = sentence.split(" ")
    cut = rng.randint(2, max(2, min(5, len(words) - 2)))
    begun, rest = " ".join(words[:cut]), " ".join(words[cut:])
    user = rng.choice(load_table("reading")["go_on"]).format(begun=begun)
    return Exchange(user, sentence, "reading", verbatim=True, value=rest.rstrip(".").lower())


def _doing(sentence: str) -> re.Match[str] | None:
    """Subject and predicate of a sentence in the past tense."""
    match = SUBJECT.fullmatch(sentence)
    if match is None or match["subject"].split()[0] in load_table("reading")["no_subject"]:
        return None
    verb, inner = match["verb"], match["subject"].split()[1:]
    past = load_table("reading")["past"]
    if any(word in past or word.endswith("ed") for word in inner):
        return None
    return match if verb in past or (verb.endswith("ed") and len(verb) > 4) else None


def _inside(subject: str) -> str:
    """A subject within a sentence: names keep their capital."""
    return subject[0].lower() + subject[1:] if subject.split()[0] in DETERMINERS else subject


def _own_words(sentence: str, passage: Passage) -> list[str]:
    """Longer words of the sentence that stand nowhere else in the passage."""
    others = " ".join(other for other in passage if other != sentence).lower()
    common = load_table("reading")["common"]
    return [
        word
        for word in WORD.findall(sentence)
        if word.lower() not in common and word.lower() not in others and not word.endswith(("ed", "ly"))
    ]
