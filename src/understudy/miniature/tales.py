"""Tales: made-up facts of the form who does what, when, where or with what, put together from parts.

A sheet's other facts come in some hundred kinds. Tales have no kind to be learned by heart: what is asked
must be found by reading.
"""

import random
from functools import cache

from understudy.miniature.facts import Fact, FactKind
from understudy.miniature.lexicon import (
    Split,
    draw_person,
    is_held_out,
    load_table,
    plural,
    split_words,
    words,
)

__all__ = ["PARTS", "draw_tale", "tale_kind"]

PARTS = ("who", "what", "when", "where", "tool")


def draw_tale(rng: random.Random, split: Split = "train") -> Fact:
    """A fact about what somebody does; what is asked about it is one of ``PARTS``."""
    table = load_table("tales")
    third, _, objects = verb = rng.choice(table["verbs"])
    part = rng.choice(PARTS)
    asked = part if part in table["adjuncts"] else rng.choice(list(table["adjuncts"]))
    adjuncts = [text for text in table["adjuncts"][asked] if is_held_out(text) == (split == "held_out")]
    subject = _subject(rng, split)
    slots = {
        "subject": subject,
        "subject_core": subject.removeprefix("your "),
        "object": _object(rng.choice(objects), rng, split),
        "adjunct": rng.choice(adjuncts or table["adjuncts"][asked]),
    }
    return Fact(tale_kind(part, third, verb[1]), slots)


@cache
def tale_kind(part: str, third: str, base: str) -> FactKind:
    """Statements, questions and answers about one part of a tale with one verb."""
    patterns, asks = load_table("tales")["patterns"], load_table("tales")["asks"]
    row = patterns["how" if part in asks else part]
    ask = asks.get(part, "")

    def worded(texts: list[str]) -> tuple[str, ...]:
        return tuple(
            text.replace("VERBS", third)
            .replace("VERB", base)
            .replace("ASKLOW", ask.lower())
            .replace("ASK", ask)
            for text in texts
        )

    held = [text for text in row["questions"] if is_held_out(text)] or row["questions"][-1:]
    trained = [text for text in row["questions"] if text not in held]
    value = "{subject_core}" if part == "who" else row["value"]
    return FactKind(
        f"tale_{part}",
        dict.fromkeys(("subject", "object", "adjunct"), "tale"),
        value,
        worded(patterns["statement"]),
        worded(trained),
        worded(held),
        worded(row["answers"]),
    )


def _subject(rng: random.Random, split: Split) -> str:
    relative = rng.choice(load_table("scenery")["fillings"]["relative"])
    return rng.choice(
        (
            f"the {rng.choice(split_words('jobs_old', split))}",
            f"the {rng.choice(words('adjectives'))} {rng.choice(split_words('jobs_old', split))}",
            f"the {rng.choice(words('small_adjectives'))} {rng.choice(split_words('pets', split))}",
            f"your {relative}",
            draw_person(rng, split),
        )
    )


def _object(kind: str, rng: random.Random, split: Split) -> str:
    """Words for the object of a verb; ``kind`` is a word list or one of the forms below."""
    thing, adjective = rng.choice(split_words("things", split)), rng.choice(words("small_adjectives"))
    building = rng.choice(words("buildings"))
    forms = {
        "a_thing": f"the {adjective} {thing}",
        "plural_things": thing if thing.endswith("s") else plural(thing),
        "the_building": f"the {adjective} {building}",
        "a_building": f"the {building}",
        "a_pet": f"the {adjective} {rng.choice(split_words('pets', split))}",
    }
    if kind in forms:
        return forms[kind]
    fillings = load_table("tales")["fillings"]
    return rng.choice(fillings[kind] if kind in fillings else split_words(kind, split))
