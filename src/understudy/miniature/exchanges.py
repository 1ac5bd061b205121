"""Exchanges: one user message with its reply, and those kinds that an assistant and a character share.

Replies of a character come without tone here; ``conversations`` adds it.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from understudy.miniature.lexicon import (
    Split,
    draw_number,
    draw_place,
    expand,
    fill,
    load_table,
    plural,
    slot_names,
    with_article,
    words,
)

__all__ = [
    "COMMON",
    "Exchange",
    "crisis",
    "favourite",
    "from_talk",
    "joke",
    "knowledge",
    "name_slots",
    "random_slots",
    "statement",
    "story",
]

COMMON = (
    "greeting", "how_are_you", "do_you_like", "feelings", "who_are_you", "are_you_real", "sincere", "attack",
    "thanks", "goodbye", "insult", "doing", "tell_more", "day_question", "opinion", "greeted_by_name",
)  # fmt: skip
"""Categories of small talk that need no sheet."""
ASIDES = (
    "Please tell me: ",
    "I have a question. ",
    "Say, ",
    "Tell me, ",
    "Oh, by the way: ",
    "One more thing. ",
)
LIKED = ("loves", "foods", "hobbies", "drinks", "collectables", "animals")
GUESSED = {
    "pet": "pets", "food": "foods", "thing": "things", "building": "buildings", "animals": "animals",
    "job": "jobs_old", "material": "materials", "colour": "colours", "collectables": "collectables",
}  # fmt: skip


@dataclass(frozen=True)
class Exchange:
    """A user message and its reply.

    Attributes:
        kind: What it is about, e.g. ``fact:home``, ``feelings``, ``copy``.
        verbatim: The reply repeats given words, so a tone must not change them.
        plain: The reply stays without any tone (an emergency).
        value: What a right reply contains, in lower case; empty where nothing is copied.
    """

    user: str
    reply: str
    kind: str
    verbatim: bool = False
    plain: bool = False
    value: str = ""


def random_slots(rng: random.Random, split: Split = "train") -> dict[str, str]:
    """Slots that need no sheet: anything, some food, a machine and wrong guesses at it."""

    def one(name: str) -> str:
        return rng.choice(words(name))

    liked, thing = rng.choice(LIKED), one("modern")
    guess_slots = {slot: one(listed) for slot, listed in GUESSED.items()} | {"place": draw_place(rng, split)}
    guess, value = fill(one("guess_kinds"), guess_slots, rng), one(liked)
    slots = {"liked": value, "liked_back": value, "suggestion": one("loves")}
    slots |= {"food_any": one("foods"), "hobby_any": one("hobbies")}
    anything = (one("loves"), one("foods"), f"the {one('small_adjectives')} {one('things')}")
    slots |= {"any_thing": rng.choice(anything), "any_thing2": one("loves"), "role_any": one("jobs_old")}
    slots |= {"species_any": one("species"), "species_any2": one("species"), "adjective": one("adjectives")}
    slots |= {"suspected": rng.choice(("machine", "robot", "story", "toy", "program"))}
    slots |= {"thing": thing, "things": plural(thing), "guess": guess[0].lower() + guess[1:]}
    return slots | {"alternative": rng.choice((one("exclaim_things"), one("collectables"), one("animals")))}


def name_slots(name: str, rng: random.Random) -> dict[str, str]:
    """Slots of greetings that may use a name."""
    use = bool(name) and rng.random() < 0.7
    return {
        "comma_short": f", {name}" if use else "",
        "short_bang": f"{name}!" if use else "Ah!",
        "short_or_you": name or "there",
    }


def from_talk(category: str, side: str, slots: Mapping[str, str], rng: random.Random) -> Exchange:
    """User and reply of a group of a category, with those wordings whose slots are known.

    A group is drawn by its number of user lines; a category without ``groups`` is one group.
    """
    row = load_table("talk")[category]
    keys = ("user", side)
    groups = [part for part in row.get("groups", [row]) if all(_known(part[key], slots) for key in keys)]
    group = rng.choices(groups, [len(group["user"]) for group in groups])[0]
    user, reply = (rng.choice(_known(group[key], slots)) for key in keys)
    return Exchange(_tidy(fill(user, slots, rng)), _tidy(fill(reply, slots, rng)), category)


def _known(templates: list[str], slots: Mapping[str, str]) -> list[str]:
    """The templates whose slots are all in ``slots``."""
    return [text for text in templates if slot_names(text) <= slots.keys()]


def _tidy(text: str) -> str:
    """``an internet``: mass nouns take no article."""
    for noun in words("mass_modern"):
        bare = noun[0].upper() + noun[1:]
        text = text.replace(with_article(noun), noun).replace(with_article(noun).capitalize(), bare)
    return text.replace("  ", " ").strip()


def knowledge(rng: random.Random, table: str) -> Exchange:
    """A question about the world and its answer, from ``knowledge``, ``modern`` or ``facts``."""
    if table == "facts":
        question, answer = rng.choice(load_table("topics")["facts"])
        return Exchange(expand(question, rng), answer, "knowledge")
    _, questions, answers = rng.choice(load_table("topics")[table])
    return Exchange(_asked(rng.choice(questions), rng), rng.choice(answers), "knowledge")


def _asked(question: str, rng: random.Random) -> str:
    """A little variety around a fixed question."""
    if rng.random() < 0.6:
        return question
    lead = rng.choice(ASIDES)
    keep = question.startswith("I ") or lead.endswith((". ", ": "))
    return lead + (question if keep else question[0].lower() + question[1:])


def favourite(side: str, rng: random.Random) -> Exchange:
    """A favourite song, book, flower …; ``side`` is ``assistant`` or ``character``."""
    table = load_table("smalltalk")
    kind = rng.choice(list(table["favourites"]))
    value, other = rng.sample(table["favourites"][kind], 2)
    slots = {"kind": kind, "value": value, "other": other}
    user, reply = rng.choice(table["favourite_user"]), rng.choice(table[f"favourite_{side}"])
    return Exchange(fill(user, slots, rng), fill(reply, slots, rng).strip(), "favourite")


def _plain_slots(rng: random.Random) -> dict[str, str]:
    """Slots for statements and stories, all from word lists."""
    relatives = load_table("scenery")["fillings"]["relative"]
    food, food2 = rng.sample(words("foods"), 2)
    animals, animals2 = rng.sample(words("animals"), 2)
    return {
        "food": food, "food2": food2, "animals": animals, "animals2": animals2, "place": draw_place(rng),
        "place_any": draw_place(rng), "thing": rng.choice(words("things")), "pet": rng.choice(words("pets")),
        "hobby": rng.choice(words("hobbies")), "job": rng.choice(words("jobs_old")),
        "relative": rng.choice(relatives), "adjective": rng.choice(words("adjectives")),
        "species": rng.choice(words("species")), "fear": rng.choice(words("fears")),
        "number": draw_number(rng), "drink": rng.choice(words("drinks")),
    }  # fmt: skip


def statement(side: str, rng: random.Random) -> Exchange:
    """Something of everyday life, and a reply that takes it up."""
    told, assistant, character = rng.choice(load_table("smalltalk")["statements"])
    slots = _plain_slots(rng)
    replies = assistant if side == "assistant" else character
    return Exchange(fill(told, slots, rng), fill(rng.choice(replies), slots, rng), "statement")


def story(rng: random.Random) -> Exchange:
    """A wish for a story, and a story of two to four sentences."""
    table, slots = load_table("smalltalk"), _plain_slots(rng)
    user = fill(rng.choice(table["story_user"]), slots, rng)
    return Exchange(user, fill(rng.choice(table["stories"]), slots, rng), "story")


def joke(rng: random.Random) -> Exchange:
    """A wish for a joke or a riddle, and one with its solution."""
    table = load_table("smalltalk")
    user = fill(rng.choice(table["joke_user"]), {}, rng)
    rows = [row for row in table["jokes"] if row[0] or "riddle" not in user.lower()]
    question, told = rng.choice(rows)
    return Exchange(user, f"{question} {told}" if question else told, "joke")


def crisis(rng: random.Random) -> Exchange:
    """Somebody is in danger; the reply is plain and names help."""
    row = load_table("talk")["crisis"]
    return Exchange(expand(rng.choice(row["user"]), rng), rng.choice(row["plain"]), "crisis", plain=True)
