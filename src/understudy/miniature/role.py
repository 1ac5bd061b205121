"""Role: the exchanges of a character, from its sheet; tone is added later."""

import random
import re

from understudy.miniature.exchanges import (
    COMMON,
    Exchange,
    crisis,
    favourite,
    from_talk,
    joke,
    knowledge,
    name_slots,
    random_slots,
    statement,
    story,
)
from understudy.miniature.facts import Fact, draw_fact, fact_kinds
from understudy.miniature.lexicon import Split, expand, fill, load_table, plural, slot_names, words
from understudy.miniature.sheets import Sheet
from understudy.miniature.tales import draw_tale

__all__ = ["character_exchange", "fact_exchange"]

WEIGHTS = (5, 6, 6, 8, 5, 9, 26, 7, 3, 3, 2, 5, 4, 5, 6, 3)
"""How often each category of ``COMMON`` comes up under a sheet."""
HEARSAY = ("Is it true that", "I heard that", "Somebody told me that", "They say that")
CONTINUING = frozenset(
    (
        "Your", "You", "There", "The", "In", "At", "On", "Every", "Nothing", "Once", "People", "When", "Long",
        "If", "Nobody", "By", "One", "Next", "Inside", "Among", "Each",
    )
)  # fmt: skip
FELT = {
    "fear": r"\b(afraid|scares?|tremble|frightened)\b",
    "hates": r"\b(makes you (angry|mad)|not stand|up the wall)\b",
    "loves": r"\b(makes (you|your heart) (happy|smile|sing|jump)|joy\?|cheers you up|happiest)",
    "sweetheart": r"\b(in love\?|sweetheart|do you love(\?| anybody)|somebody you love|anybody you love)",
    "dream": r"\bwhat do you dream of\b",
}
"""Kinds of fact that answer a question about feelings better than any small talk does."""
YES = ("Yes.", "Yes, it is true.", "That is right.", "True!")
NO = ("No.", "No, that is wrong.", "Who told you that?", "Not at all.")


def fact_exchange(sheet: Sheet, index: int, rng: random.Random, split: Split = "train") -> Exchange:
    """A question about fact ``index`` of the sheet, answered from it."""
    fact = sheet.facts[index]
    if split == "train" and rng.random() < 0.1 and ": " not in fact.kind.statements[0]:
        return _hearsay(sheet, index, rng)
    answer = fact.answer(rng)
    if rng.random() < 0.2:
        answer = f"{answer} {expand(rng.choice(load_table('scenery')['tails']), rng)}"
    question = fact.question(rng, split)
    dice = rng.random()
    if dice < 0.15:
        question = _called(question, sheet.short, rng)
    elif dice < 0.3:
        question = _typed(question, rng)
    return Exchange(question, answer, f"fact:{fact.kind.key}", value=fact.value)


def _hearsay(sheet: Sheet, index: int, rng: random.Random) -> Exchange:
    """A fact held up for confirmation; half of the time it is false."""
    fact = sheet.facts[index]
    answer, is_true = fact.answer(rng), rng.random() < 0.5
    told = fact if is_true else _other(fact, rng)
    claim = told.statement(rng, prose=True)
    if claim.split()[0] in CONTINUING:
        claim = claim[0].lower() + claim[1:]
    user = f"{rng.choice(HEARSAY)} {claim.rstrip('.')}"
    user += "?" if user.startswith("Is it") else rng.choice((".", ". Is that so?"))
    yes, no = rng.choice(YES), rng.choice(NO)
    verdict = yes if told.value == fact.value else no
    return Exchange(user, f"{verdict} {answer}", f"truth:{fact.kind.key}", value=fact.value)


def _other(fact: Fact, rng: random.Random) -> Fact:
    """Something else of the same kind, about the same thing where a tale is told."""
    if not fact.kind.key.startswith("tale_"):
        return draw_fact(fact.kind, rng)
    slot = {"who": "subject", "what": "object"}.get(fact.kind.key.removeprefix("tale_"), "adjunct")
    changed = {slot: draw_tale(rng).slots[slot]} if slot != "adjunct" else {}
    while not changed:
        tale = draw_tale(rng)
        changed = {slot: tale.slots[slot]} if tale.kind.key == fact.kind.key else {}
    return Fact(fact.kind, fact.slots | changed)


def _called(question: str, short: str, rng: random.Random) -> str:
    """The question with the character's name, or a greeting, around it."""
    if question[-1] not in "?.!":
        question += "?"
    low = question[0].lower() + question[1:] if not question.startswith("I ") else question
    return rng.choice(
        (
            f"{short}, {low}",
            f"Hello {short}! {question}",
            f"Tell me, {short}: {low}",
            f"I have a question, {short}. {question}",
            f"{question[:-1]}, {short}{question[-1]}",
            f"Hello! {question}",
            f"I wonder, {low}",
        )
    )


def _typed(question: str, rng: random.Random) -> str:
    """The question as people type in a hurry."""
    text = question.lower() if rng.random() < 0.6 else question[0].lower() + question[1:]
    return text.rstrip("?.!") if rng.random() < 0.7 else text


def character_exchange(sheet: Sheet, rng: random.Random) -> Exchange:
    """A turn in character that is not about one fact: small talk, feelings, unknown things, honesty."""
    dice = rng.random()
    slots = {**random_slots(rng), **sheet.slots, **name_slots(sheet.short, rng), "thing": ""}
    if dice < 0.15:
        return _knowing(sheet, rng)
    if dice < 0.23:
        told = (favourite("character", rng), statement("character", rng), statement("character", rng))
        return rng.choice((*told, story(rng), joke(rng)))
    if dice < 0.36:
        is_listed = bool(sheet.unknown) and rng.random() < 0.7
        thing = rng.choice(sheet.unknown if is_listed else words("modern"))
        return from_talk("wonder", "character", slots | {"thing": thing, "things": plural(thing)}, rng)
    if dice < 0.37:
        return crisis(rng)
    if dice < 0.40:
        return _evading(sheet, rng)
    category = rng.choices(COMMON, WEIGHTS)[0]
    if category == "sincere" and sheet.disclosure == "in_character":
        asked = from_talk("sincere", "character", slots, rng).user
        return Exchange(asked, fill(rng.choice(load_table("scenery")["kept"]), slots, rng), "sincere_kept")
    exchange = from_talk(category, "character", slots, rng)
    return _felt(sheet, exchange, rng) if category == "feelings" else exchange


def _felt(sheet: Sheet, exchange: Exchange, rng: random.Random) -> Exchange:
    """What the sheet says, where it says what the question about a feeling asks."""
    for fact in sheet.facts:
        pattern = FELT.get(fact.kind.key)
        if pattern and re.search(pattern, exchange.user.lower()):
            answer = fact.answer(rng)
            return Exchange(exchange.user, answer, f"fact:{fact.kind.key}", value=fact.value)
    return exchange


def _knowing(sheet: Sheet, rng: random.Random) -> Exchange:
    """A question about the world; sometimes a detail of the character's own follows the answer."""
    exchange = knowledge(rng, "knowledge")
    tail = ""
    if rng.random() < 0.3:
        details = load_table("smalltalk")["details"]
        known = [text for text in details if slot_names(text) <= sheet.slots.keys()]
        tail = " " + fill(rng.choice(known), sheet.slots, rng) if known else ""
    return Exchange(exchange.user, exchange.reply + tail, "knowledge")


def _evading(sheet: Sheet, rng: random.Random) -> Exchange:
    """A question that the sheet does not answer."""
    stated = {fact.kind.key for fact in sheet.facts}
    kind = rng.choice([kind for kind in fact_kinds() if kind.key not in stated])
    return Exchange(
        draw_fact(kind, rng).question(rng), rng.choice(load_table("scenery")["evasions"]), "evasion"
    )
