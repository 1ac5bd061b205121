"""Facts: does the character know its own world?"""

import re
from collections.abc import Iterable, Sequence

from understudy.character.character import Fact
from understudy.evaluation.probe import FACT, Answer, Measured
from understudy.evaluation.score import Score, not_computed
from understudy.evaluation.statistics import share
from understudy.evaluation.words import content_words, words

__all__ = ["FactSheet", "asserts_words", "score_facts"]

METHOD = "expected and forbidden answers as whole words, not negated, fact dumps refused; Wilson by fact"
NEGATIONS = frozenset(
    [
        "not",
        "no",
        "never",
        "neither",
        "nor",
        "cannot",
        "can't",
        "don't",
        "doesn't",
        "didn't",
        "isn't",
        "aren't",
        "wasn't",
        "weren't",
        "won't",
        "wouldn't",
        "hardly",
        "without",
    ]
)
REACH = 3  # words before an answer in which a negation counts
ENDINGS = ("", "s", "es", "'s", "ed", "ing")
CLAUSE = re.compile(r"[.,;:!?()\n]|\bbut\b|\s-\s")
LEAST_DUMP = 4  # answers of this many other facts are never an accident


class FactSheet:
    """The facts of a character, and how many of them its own lines usually touch at once."""

    def __init__(self, facts: Iterable[Fact], real_replies: Sequence[str] = ()) -> None:
        self.facts = {fact.id: fact for fact in facts}
        self._answers = {
            fact.id: [(_searcher(words(a)), frozenset(content_words(a))) for a in fact.expected if words(a)]
            for fact in self.facts.values()
        }
        self._searched: dict[str, list[tuple[str, frozenset[str]]]] = {}
        self.usual = self._usual(real_replies)

    def _usual(self, replies: Sequence[str]) -> int:
        """The most facts that 99 in 100 of the character's real replies mention."""
        counts = sorted(len(self._mentioned(reply, set())) for reply in replies)
        return counts[int(0.99 * (len(counts) - 1))] if counts else 0

    def _mentioned(self, reply: str, known: set[str]) -> set[str]:
        """Facts whose expected answer stands in the reply, apart from answers made of ``known`` words."""
        return {fact for fact, stems in self._found(reply) if not stems <= known}

    def _found(self, reply: str) -> list[tuple[str, frozenset[str]]]:
        """Every expected answer that stands in the reply, with its fact; each reply is searched once."""
        if reply not in self._searched:
            text = " | ".join(" ".join(clause) for clause in _clauses(reply))
            self._searched[reply] = [
                (fact, stems)
                for fact, answers in self._answers.items()
                for searcher, stems in answers
                if searcher.search(text)
            ]
        return self._searched[reply]

    def is_dump(self, reply: str, fact: str | None = None, question: str = "") -> bool:
        """Whether the reply lists the world instead of answering.

        True where it holds answers of ``LEAST_DUMP`` or more facts that were not asked for, and
        of more than the character's own replies ever do (99th percentile).
        """
        known = set(content_words(question))
        asked = self.facts.get(fact or "")
        if asked:
            known |= {w for text in (*asked.expected, asked.statement) for w in content_words(text)}
        others = self._mentioned(reply, known) - {fact}
        return len(others) >= max(LEAST_DUMP, self.usual + 1)

    def is_right(self, fact_id: str, reply: str, question: str = "") -> bool:
        """Whether the reply holds an expected answer, no forbidden one, and is no fact dump."""
        return self.fault(fact_id, reply, question) is None

    def fault(self, fact_id: str, reply: str, question: str = "") -> str | None:
        """What is wrong with the reply to a question about a fact; ``None`` where it is right."""
        fact = self.facts[fact_id]
        clauses = _clauses(reply)
        if not self.asserts(fact_id, reply):
            return "holds no expected answer"
        for answer in fact.forbidden:
            if _asserted(clauses, answer, fact):
                return f"says “{answer}”, which is wrong"
        return "lists facts instead of answering" if self.is_dump(reply, fact_id, question) else None

    def asserts(self, fact_id: str, reply: str) -> bool:
        """Whether the reply says an expected answer of the fact rather than denying it."""
        fact, clauses = self.facts[fact_id], _clauses(reply)
        return any(_asserted(clauses, answer, fact) for answer in fact.expected)


def asserts_words(reply: str, answer: str) -> bool:
    """Whether the reply says the words without a negation directly before them."""
    clauses = _clauses(reply)
    return any(not _negated(clauses[n], start) for n, start in _positions(clauses, words(answer)))


def _clauses(text: str) -> list[list[str]]:
    return [words(piece) for piece in CLAUSE.split(text.replace("’", "'")) if piece.strip()]


def _searcher(wanted: list[str]) -> re.Pattern[str]:
    """Finds the words in normalised text, the last of them in any of the usual endings."""
    endings = "|".join(re.escape(ending) for ending in ENDINGS)
    return re.compile(rf"(?<![\w']){re.escape(' '.join(wanted))}(?:{endings})(?![\w'])")


def _fits(word: str, wanted: str) -> bool:
    return word.startswith(wanted) and word[len(wanted) :] in ENDINGS


def _positions(clauses: list[list[str]], wanted: list[str]) -> list[tuple[int, int]]:
    """(clause, word) where the words ``wanted`` begin, the last of them in any of the usual endings."""
    if not wanted:
        return []
    length, found = len(wanted), []
    for number, clause in enumerate(clauses):
        for start in range(len(clause) - length + 1):
            body = clause[start : start + length - 1] == wanted[:-1]
            if body and _fits(clause[start + length - 1], wanted[-1]):
                found.append((number, start))
    return found


def _negated(clause: list[str], start: int) -> bool:
    return any(word in NEGATIONS for word in clause[max(0, start - REACH) : start])


def _asserted(clauses: list[list[str]], answer: str, fact: Fact) -> bool:
    """Whether the answer is said rather than denied.

    Where the fact itself is a negative ("You have never seen the sea"), a negation before the
    answer is part of being right.
    """
    negative = any(NEGATIONS & set(clause) for clause in _clauses(fact.statement))
    return any(negative or not _negated(clauses[n], start) for n, start in _positions(clauses, words(answer)))


def score_facts(answers: Sequence[Answer], sheet: FactSheet) -> Measured:
    """Share of fact questions, in wordings that were not trained, that are answered rightly.

        recall = #(replies with ``FactSheet.is_right``) / #(fact probes),  clustered by fact

    Case, punctuation and plural endings do not matter. A reply that lists the world is wrong,
    whatever it holds. Cannot be computed for a character without facts.

    Source: keyword scoring of known facts as in RAIDEN (COLING 2025) and SocialBench
    (arXiv 2403.13679).
    """
    asked = [a for a in answers if a.probe.category == FACT and a.probe.fact in sheet.facts]
    if not asked:
        reason = "the character's sheet has no facts with questions and expected answers"
        return Measured(not_computed(reason, unit="share of questions", method=METHOD))
    right = [float(sheet.is_right(str(a.probe.fact), a.text, a.probe.question)) for a in asked]
    dumps = sum(sheet.is_dump(a.text, a.probe.fact, a.probe.question) for a in asked)
    facts = len({a.probe.fact for a in asked})
    note = f"{sum(right):.0f} of {len(right)} questions about {facts} facts; {dumps} fact dumps"
    interval = share(right, [str(a.probe.fact) for a in asked])
    score = Score.of(interval, count=len(right), unit="share of questions", method=METHOD, note=note)
    return Measured.per_answer(score, asked, right, binary=True)
