"""Fact probes: questions, paraphrases, relations and false premises, made from the sheet's facts."""

import re
from collections.abc import Iterator, Sequence

from understudy.character.character import Character, Fact
from understudy.evaluation.probe import FACT, FALSE_PREMISE, WORLDVIEW, Probe
from understudy.evaluation.resources import probe_list, probe_table
from understudy.evaluation.words import normalised

__all__ = ["false_premises", "kind_of_answer", "own_questions", "paraphrases", "relations"]

GAP = "___"
ARTICLES = ("a", "an", "the")
NUMBERS = frozenset(
    """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand
    million
    """.split()  # noqa: SIM905
)
COLOURS = frozenset(
    """
    black blue brown golden green grey gray orange pink purple red silver violet white yellow
    """.split()  # noqa: SIM905
)
TIMES = frozenset(
    """
    dawn dusk noon midnight sunrise morning evening afternoon spring summer autumn winter monday
    tuesday wednesday thursday friday saturday sunday
    """.split()  # noqa: SIM905
)


def _single(identity: str, category: str, fact: Fact, question: str, kind: str, claimed: str = "") -> Probe:
    message = {"role": "user", "content": question}
    return Probe(
        identity,
        category,
        f"fact/{fact.id}",
        (message,),
        fact=fact.id,
        kind=kind,
        claimed=claimed or None,
    )


def own_questions(character: Character) -> list[Probe]:
    """Every question of the sheet whose fact has an expected answer."""
    return [
        _single(f"fact/{fact.id}/{number}", FACT, fact, question, "own")
        for fact in character.facts
        if fact.expected
        for number, question in enumerate(fact.questions)
    ]


def paraphrases(character: Character) -> list[Probe]:
    """New wordings of each fact: its own questions in another frame, and its statement with a gap.

    The gap hides every expected answer, so that none can be read off the question.
    """
    wrappers, clozes = probe_list("wrappers"), probe_list("clozes")
    found = []
    for fact in character.facts:
        if not fact.expected:
            continue
        texts = [
            _wrapped(wrapper, question, character.name)
            for n, question in enumerate(fact.questions)
            for wrapper in (wrappers[n % len(wrappers)], wrappers[(n + 3) % len(wrappers)])
        ]
        gap = _with_gap(fact)
        texts += [cloze.replace("{gap}", gap) for cloze in clozes] if gap else []
        found += [
            _single(f"fact/{fact.id}/new/{n}", FACT, fact, text, "paraphrase") for n, text in enumerate(texts)
        ]
    return found


def _wrapped(wrapper: str, question: str, name: str) -> str:
    lower = question if question.startswith(("I ", "I'")) else question[:1].lower() + question[1:]
    return wrapper.replace("{name}", name).replace("{question}", question).replace("{lower}", lower)


def _with_gap(fact: Fact) -> str | None:
    """The statement with a gap for every expected answer in it; ``None`` where it holds none."""
    text = fact.statement
    for answer in sorted(fact.expected, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(answer)}\w*", GAP, text, flags=re.IGNORECASE)
    return text if GAP in text and any(c.isalpha() for c in text.replace(GAP, "")) else None


def _stated_answer(fact: Fact) -> str | None:
    """The expected answer as the statement writes it."""
    for answer in fact.expected:
        match = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", fact.statement, re.IGNORECASE)
        if match:
            return match[0]
    return None


def kind_of_answer(answer: str) -> str:
    """``name``, ``number``, ``numeral``, ``colour``, ``time`` or ``thing``, by the answer's own words."""
    tokens = normalised(answer).split()
    if tokens and all(token.isdigit() for token in tokens):
        return "numeral"
    if tokens and all(token in NUMBERS or token == "and" for token in tokens):
        return "number"
    if set(tokens) & TIMES:
        return "time"
    if len(tokens) == 1 and tokens[0] in COLOURS:
        return "colour"
    return "name" if answer[:1].isupper() else "thing"


def relations(character: Character) -> list[Probe]:
    """Open questions about those whom the facts name, beside the questions that have one right answer."""
    found = []
    wordings = probe_list("relations")
    for fact in character.facts:
        answer = _stated_answer(fact)
        if answer and kind_of_answer(answer) == "name" and not fact.statement.startswith(answer):
            found += [
                _single(
                    f"relation/{fact.id}/{n}",
                    WORLDVIEW,
                    fact,
                    wording.replace("{thing}", answer),
                    "relation",
                )
                for n, wording in enumerate(wordings)
            ]
    return found


def false_premises(character: Character) -> list[Probe]:
    """Lines that take a wrong answer to a fact for granted. Those about things are of kind ``"thing"``.

    The right answer is swapped for a forbidden one of the sheet, for another fact's answer of the same
    kind, or for a listed value of that kind; never for an answer that is right as well.
    """
    premises = probe_list("premises")
    found = []
    for place, fact in enumerate(character.facts):
        for number, (wrong, claim) in enumerate(_claims(fact, character.facts)):
            text = premises[(place + number) % len(premises)].replace("{claim}", claim)
            kind = "thing" if kind_of_answer(wrong) == "thing" else "swapped"
            found.append(_single(f"premise/{fact.id}/{number}", FALSE_PREMISE, fact, text, kind, wrong))
    return found


def _claims(fact: Fact, facts: Sequence[Fact], most: int = 3) -> list[tuple[str, str]]:
    """Wrong answers with the statement that holds them."""
    answer = _stated_answer(fact)
    if answer is None:
        return []
    right = {normalised(text) for text in (*fact.expected, fact.statement)}
    found: dict[str, str] = {}
    for wrong in _rivals(fact, answer, facts):
        clear = normalised(wrong) not in right and not set(normalised(wrong).split()) & set(
            normalised(fact.statement).split()
        )
        if clear and wrong not in found:
            claim = _replaced(fact.statement, answer, wrong)
            found[wrong] = claim if claim[-1:] in ".!?" else f"{claim}."
        if len(found) == most:
            break
    return list(found.items())


def _replaced(statement: str, answer: str, wrong: str) -> str:
    place = statement.find(answer)
    return statement[:place] + wrong + statement[place + len(answer) :]


def _word_before(fact: Fact, answer: str) -> str:
    words_before = fact.statement[: fact.statement.find(answer)].casefold().split()
    return words_before[-1] if words_before else ""


def _rivals(fact: Fact, answer: str, facts: Sequence[Fact]) -> Iterator[str]:
    kind = kind_of_answer(answer)
    yield from (text for text in fact.forbidden if kind_of_answer(text) == kind and kind != "thing")
    before = _word_before(fact, answer)
    others = [other for other in facts if other.id != fact.id]
    start = [f.id for f in facts].index(fact.id)
    for other in (*others[start:], *others[:start]):
        stated = _stated_answer(other)
        if not stated or kind_of_answer(stated) != kind or len(stated.split()) != len(answer.split()):
            continue
        # "a pirate" takes the place of "a boat", not of "buttered toast".
        if kind != "thing" or (before in ARTICLES and _word_before(other, stated) == before):
            yield stated
    yield from (str(text) for text in probe_table("plausible")[kind])
