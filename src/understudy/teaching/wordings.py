"""Wordings: other ways to ask what a sheet's question asks, for the questions that people ask most.

A sheet has two or three questions for a fact, and half of them are kept for the evaluation. A model that
learns a fact from one wording knows it in that wording. The embedded models' generator has some thirty
wordings for each of its kinds of fact; a question that is one of them lends the fact the others. Of any
other question the indirect forms are made: ``Tell me who your brother is.``
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice

from understudy.character.character import Character, Fact
from understudy.evaluation.words import near_duplicates
from understudy.miniature.facts import FactKind, fact_kinds, slot_words
from understudy.miniature.lexicon import expand, expansions, fill, slot_names

__all__ = ["more_wordings"]

MOST = 6
_DOING = re.compile(
    r"(?P<asked>What|Who|Whom|Where|When|Why|How|(?:Which|What|How many|How much) [\w' -]+?|How \w+|"
    r"(?:At|In|On|By|With|From|To|For|Of) (?:what|which|whom)(?: [\w' -]+?)?) "
    r"(?:do|(?P<modal>would|can|will)) you (?P<rest>.+)"
)
_CLAUSE = r"(?! (?:when|who|whom|that|which|if|while|you|before|after|called|named|made|known|famous)\b)"
_BEING = re.compile(
    rf"(?P<asked>What|Who|Where|When) (?P<verb>is|are|was|were) "
    rf"(?P<subject>(?:your|the)(?:{_CLAUSE} [\w'-]+?){{1,6}})"
    r"(?P<rest> (?:called|named|made of|known for|famous for))?"
)
_LEADS = ("Tell me {}.", "Can you tell me {}?", "I would like to know {}.")
_ARTICLE = re.compile(r"\b([Aa]) \{(\w+)\}")
_SLOT = re.compile(r"\\\{(?:(?:a|A)\\ )?(\w+)\\\}")
_NAMES = ("place", "person", "petname")
_PROPER = re.compile(r"(?:the )?[A-Z][\w'’-]*(?: (?:of|the|and|[A-Z][\w'’-]*))*")


def more_wordings(
    character: Character, scripted: Mapping[str, Sequence[str]], reserved: Sequence[str]
) -> dict[str, list[str]]:
    """By fact, up to ``MOST`` further questions, none nearly one of ``reserved`` or of ``scripted``."""
    found: dict[str, list[str]] = {}
    taken = [*reserved, *(line for lines in scripted.values() for line in lines)]
    for fact in character.facts:
        if fact.id not in scripted:
            continue
        match = _kind_of(fact, character.name)
        lines = list(islice(_asked(*match, fact), MOST)) if match else []
        lines += [text for question in scripted[fact.id] for text in _indirect(question, character.name)]
        lines = [line for line in lines if not _tells(line, fact)]
        near = near_duplicates(lines, taken)
        found[fact.id] = [line for line in dict.fromkeys(lines) if line not in near][:MOST]
        taken += found[fact.id]
    return {fact: lines for fact, lines in found.items() if lines}


def _kind_of(fact: Fact, name: str) -> tuple[FactKind, dict[str, str]] | None:
    """The kind whose wordings most of the fact's questions are; none where two kinds are as likely."""
    votes: dict[str, int] = {}
    matches: dict[str, tuple[FactKind, dict[str, str]]] = {}
    for question in fact.questions:
        text = _plain(question, name)
        for kind, slots in _matches(text):
            votes[kind.key] = votes.get(kind.key, 0) + 1
            known = matches.get(kind.key, (kind, {}))[1]
            matches[kind.key] = kind, known | slots
    ranked = sorted(votes.values(), reverse=True)
    if not ranked or (len(ranked) > 1 and ranked[0] == ranked[1]):
        return None
    return matches[max(votes, key=votes.__getitem__)]


def _matches(text: str) -> Iterator[tuple[FactKind, dict[str, str]]]:
    """Kinds that ask in these words, each once, with the words in their slots."""
    seen = set()
    for pattern, kind in _patterns():
        if kind.key in seen:
            continue
        match = pattern.fullmatch(text)
        if match and all(_fits(kind.slots.get(slot, ""), word) for slot, word in match.groupdict().items()):
            seen.add(kind.key)
            yield kind, match.groupdict()


def _fits(source: str, word: str) -> bool:
    """Whether a slot that is filled from ``source`` may hold ``word``."""
    if source in _NAMES:
        return _PROPER.fullmatch(word) is not None
    return word.lower() in slot_words(source)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], FactKind], ...]:
    """Every wording of every kind as a pattern of its plain words; slots are named groups."""
    found = {}
    for kind in fact_kinds():
        for template in (*kind.questions, *kind.held_out_questions):
            for wording in expansions(template):
                pattern = _pattern(wording)
                if pattern:
                    found[pattern, kind.key] = re.compile(pattern, re.IGNORECASE), kind
    return tuple(found.values())


def _pattern(wording: str) -> str:
    seen: set[str] = set()

    def group(match: re.Match[str]) -> str:
        slot = match[1]
        if slot in seen:
            return f"(?P={slot})"
        seen.add(slot)
        return f"(?P<{slot}>.+)"

    return _SLOT.sub(group, re.escape(_plain(wording, "")))


def _plain(text: str, name: str) -> str:
    """Words and slots alone, case kept: no punctuation, and not the name of who is asked."""
    if name:
        for called in (name, name.split()[-1], name.split()[0]):
            text = re.sub(rf"(?:^{re.escape(called)}, |, {re.escape(called)}(?=[?.!]?$))", "", text)
    return " ".join(re.findall(r"[\w'{}-]+", text.replace("’", "'")))


def _asked(kind: FactKind, slots: Mapping[str, str], fact: Fact) -> Iterator[str]:
    """The kind's trained wordings that need no other slot, the plainest first."""
    rng = random.Random(f"wordings {fact.id} {fact.questions[0]}")
    for template in kind.questions:
        if slot_names(template) <= slots.keys():
            line = fill(_ARTICLE.sub(r"{\1 \2}", expand(template, rng)), slots, rng)
            yield line if line[-1] in "?.!" else f"{line}?"


def _indirect(question: str, name: str) -> list[str]:
    """``Where do you live?`` as ``Tell me where you live.``; none where the question has another form."""
    text = _plain(question, name)
    if match := _DOING.fullmatch(text):
        doing = f"{match['modal']} {match['rest']}" if match["modal"] else match["rest"]
        clause = f"{match['asked']} you {doing}"
    elif match := _BEING.fullmatch(text):
        clause = f"{match['asked']} {match['subject']} {match['verb']}{match['rest'] or ''}"
    else:
        return []
    return [lead.format(clause[0].lower() + clause[1:]) for lead in _LEADS]


def _tells(line: str, fact: Fact) -> bool:
    """Whether a question holds the answer."""
    return any(answer.casefold() in line.casefold() for answer in fact.expected)
