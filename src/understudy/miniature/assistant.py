"""Assistant: the exchanges of the polite generic assistant, who has no feelings and says so."""

import random

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
from understudy.miniature.facts import draw_fact, fact_kinds
from understudy.miniature.lexicon import draw_place, fill, load_table

__all__ = ["assistant_exchange"]

WEIGHTS = (3, 5, 5, 9, 7, 9, 4, 2, 3, 2, 2, 4, 2, 4, 5, 2)
"""How often each category of ``COMMON`` comes up; feelings and identity most."""
TABLES = ("knowledge", "knowledge", "knowledge", "modern", "facts")


def assistant_exchange(rng: random.Random, given: str = "") -> Exchange:
    """A turn of the plain assistant; ``given`` is the name of an identity prompt, if there is one."""
    dice = rng.random()
    if dice < 0.27:
        return knowledge(rng, rng.choice(TABLES))
    if dice < 0.42:
        return _lacking(rng)
    if dice < 0.54:
        likes = (favourite("assistant", rng), favourite("assistant", rng))
        return rng.choice(
            (*likes, statement("assistant", rng), statement("assistant", rng), story(rng), joke(rng))
        )
    slots = {**random_slots(rng), **name_slots(given, rng), "place": draw_place(rng)}
    slots |= {"short": given or "somebody", "given": given}
    if dice < 0.60:
        return from_talk("wonder", "assistant", slots, rng)
    if dice < 0.605:
        return crisis(rng)
    category = rng.choices(COMMON, WEIGHTS)[0]
    named = category == "who_are_you" and bool(given)
    return from_talk(category, "named" if named else "assistant", slots, rng)


def _lacking(rng: random.Random) -> Exchange:
    """A question about its life, which it does not have."""
    table, kind = load_table("scenery"), rng.choice(fact_kinds())
    question = draw_fact(kind, rng).question(rng)
    reply = fill(
        rng.choice(table["lacking"]),
        {"lack": table["lacks"].get(kind.key) or rng.choice(table["lacks_otherwise"])},
        rng,
    )
    return Exchange(question, reply.strip(), "lack")
