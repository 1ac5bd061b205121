"""Facts: what can be true of a character, as its sheet states it, as people ask, as it answers."""

import random
from dataclasses import dataclass
from functools import cache

from understudy.miniature.lexicon import (
    PLAIN_FIRST,
    Split,
    draw_number,
    draw_person,
    draw_pet_name,
    draw_place,
    draw_plain_first,
    fill,
    is_held_out,
    load_table,
    split_words,
    words,
)

__all__ = ["Fact", "FactKind", "draw_fact", "fact_kinds", "slot_words"]

TABLES = ("facts_self", "facts_people", "facts_doings", "facts_world")
NEW_JOB_SHARE = 0.25
WORD_LISTS = {"species": "species", "food": "foods", "pet": "pets", "building": "buildings"}
EXCHANGED = ("foods", "fears", "loves", "hates", "collectables", "animals")
EXCHANGED_SHARE = 0.2
"""How often one of these lists lends a value to another: who is afraid of honey cakes must be read to be
known, where a fear out of thirty could be guessed."""
STATEMENT_FLATNESS, QUESTION_FLATNESS = 3.0, 6.0
"""What is read, and what is asked in training, is spread more evenly over the wordings than what is said."""
SPOKEN_SLOTS = ("spot", "container", "beyond_cap", "beyond_low", "subject", "object")


@dataclass(frozen=True)
class FactKind:
    """A kind of fact, as the table has it."""

    key: str
    slots: dict[str, str]
    value: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    held_out_questions: tuple[str, ...]
    answers: tuple[str, ...]

    def wordings(self, split: Split) -> tuple[str, ...]:
        """Questions of a split: one wording in eight, by checksum, is never trained."""
        return self.held_out_questions if split == "held_out" else self.questions


@dataclass(frozen=True)
class Fact:
    """A fact of one sheet: its kind, and the words that fill its slots."""

    kind: FactKind
    slots: dict[str, str]

    @property
    def value(self) -> str:
        """What a right answer contains, in lower case."""
        return self.kind.value.format(**self.slots).lower()

    def statement(self, rng: random.Random, *, prose: bool = False) -> str:
        """The fact as the sheet says it; ``prose`` leaves out forms such as ``Home: …``."""
        options = [text for text in self.kind.statements if not prose or ": " not in text]
        return fill(draw_plain_first(options, rng, STATEMENT_FLATNESS), self.slots, rng)

    def question(self, rng: random.Random, split: Split = "train") -> str:
        """A question whose answer is this fact."""
        flatness = QUESTION_FLATNESS if split == "train" else PLAIN_FIRST
        return fill(draw_plain_first(self.kind.wordings(split), rng, flatness), self.slots, rng)

    def answer(self, rng: random.Random) -> str:
        """The fact as the character would say it, without tone."""
        return fill(draw_plain_first(self.kind.answers, rng), _spoken(self.slots), rng)


@cache
def fact_kinds() -> tuple[FactKind, ...]:
    """All kinds of fact of the table."""
    return tuple(_fact_kind(row) for table in TABLES for row in load_table(table))


def _fact_kind(row: dict) -> FactKind:
    """A row of a table; where no wording falls to the evaluation by checksum, the last one does."""
    questions = list(dict.fromkeys(row["questions"]))
    held = [text for text in questions if is_held_out(text)][: len(questions) // 3] or questions[-1:]
    trained = [text for text in questions if text not in held]
    statements, answers = tuple(row["statements"]), tuple(row["answers"])
    return FactKind(row["key"], row["slots"], row["value"], statements, tuple(trained), tuple(held), answers)


def draw_fact(
    kind: FactKind, rng: random.Random, split: Split = "train", known: dict[str, str] | None = None
) -> Fact:
    """A fact of ``kind``; slots in ``known`` (a friend's name, say) are taken over from there."""
    slots = {
        name: (known or {}).get(name) or _draw_slot(source, rng, split) for name, source in kind.slots.items()
    }
    return Fact(kind, slots | _derived(slots))


def _derived(slots: dict[str, str]) -> dict[str, str]:
    """Further forms of the slots: at the start of a sentence, told to "you", the words that must be said."""
    forms = {
        f"{name}_cap": slots[name][0].upper() + slots[name][1:]
        for name in ("number", "animals", "guarded", "spot", "beyond")
        if name in slots
    }
    forms |= {
        f"{name}_low": slots[name][0].lower() + slots[name][1:]
        for name in ("rule", "beyond")
        if name in slots
    }
    for name in ("secret", "adventure"):
        if name in slots:
            forms[f"{name}_core"] = " ".join(slots[name].split()[-2:])
    if "secret" in slots:
        forms["secret_you"] = _to_you(slots["secret"])
    for name in ("skill", "weakness"):
        if name in slots:
            forms[f"{name}_you"] = slots[name].replace("my ", "your ")
            forms[f"{name}_core"] = slots[name].split()[0]
    return forms


def _to_you(text: str) -> str:
    text = f" {text} "
    for old, new in (
        (" I am ", " you are "),
        (" I was ", " you were "),
        (" I ", " you "),
        (" my ", " your "),
    ):
        text = text.replace(old, new)
    return text.strip()


def _spoken(slots: dict[str, str]) -> dict[str, str]:
    """Slots as the character says them: ``your house`` becomes ``my house``."""
    return slots | {name: slots[name].replace("your ", "my ") for name in SPOKEN_SLOTS if name in slots}


def _draw_slot(kind: str, rng: random.Random, split: Split) -> str:
    """Words for a slot of ``kind``: a name, something put together, or an entry of a list."""
    if kind in NAMES:
        return NAMES[kind](rng, split)
    if kind in MADE:
        return MADE[kind](rng, split)
    listed = _fillings().get(kind)
    name = WORD_LISTS.get(kind, kind)
    if name in EXCHANGED and rng.random() < EXCHANGED_SHARE:
        name = rng.choice(EXCHANGED)
    return rng.choice(listed or split_words(name, split))


@cache
def slot_words(source: str) -> frozenset[str]:
    """The words that a slot may hold, in lower case; none where they are made up."""
    listed = _fillings().get(source) or load_table("words").get(WORD_LISTS.get(source, source)) or []
    return frozenset(word.lower() for word in listed)


@cache
def _fillings() -> dict[str, list[str]]:
    return load_table("scenery")["fillings"] | load_table("fillings")


def _draw_job(rng: random.Random, split: Split) -> str:
    return rng.choice(split_words("jobs_new" if rng.random() < NEW_JOB_SHARE else "jobs_old", split))


def _draw_building_name(rng: random.Random, split: Split) -> str:
    return f"{rng.choice(words('place_starts'))} {rng.choice(words('lived_in_names'))}"


def _draw_royal(rng: random.Random, split: Split) -> str:
    title = rng.choice(("King", "Queen", "Emperor", "Mayor", "Duchess"))
    return f"{title} {draw_pet_name(rng, split)}"


def _draw_content(rng: random.Random, split: Split) -> str:
    collected, food = rng.choice(words("collectables")), rng.choice(words("foods"))
    odd = f"{rng.choice(words('small_adjectives'))} {rng.choice(words('exclaim_things'))}"
    return rng.choice((collected, food, odd))


def _draw_secret(rng: random.Random, split: Split) -> str:
    return rng.choice(words("secrets"))


def _draw_rule(rng: random.Random, split: Split) -> str:
    slots = {"place": draw_place(rng, split)}
    for name, listed in RULE_LISTS.items():
        slots[name] = draw_number(rng) if name == "number" else rng.choice(words(listed))
    return fill(rng.choice(words("world_rules")), slots, rng)


RULE_LISTS = {
    "day": "days",
    "time": "times",
    "colour": "colours",
    "material": "materials",
    "thing": "things",
    "season": "seasons",
    "number": "numbers",
    "animals": "animals",
}
NAMES = {"place": draw_place, "person": draw_person, "petname": draw_pet_name}
MADE = {
    "number": lambda rng, split: draw_number(rng),
    "job": _draw_job,
    "building_name": _draw_building_name,
    "royal": _draw_royal,
    "content": _draw_content,
    "secret": _draw_secret,
    "rule": _draw_rule,
}
