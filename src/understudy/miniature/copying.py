"""Copying: exchanges that can only be answered from what was said before, the root of following a sheet."""

import random

from understudy.miniature.exchanges import Exchange
from understudy.miniature.lexicon import (
    draw_number,
    draw_person,
    draw_pet_name,
    draw_place,
    expand,
    pick,
    with_article,
    words,
)

__all__ = ["copying_exchanges"]

RELATIVES = (
    "brother", "sister", "mother", "father", "uncle", "aunt", "friend", "boss", "teacher", "neighbour",
)  # fmt: skip


def copying_exchanges(rng: random.Random) -> list[Exchange]:
    """One to three exchanges: something is told, repeated or asked back."""
    game = rng.choices((_told, _repeat, _passage, _choose, _several, _names), (5, 3, 4, 2, 2, 3))[0]
    return game(rng)


def _thing(rng: random.Random) -> tuple[str, str, str]:
    """What the user tells: the statement, the question, the value."""

    def one(name: str) -> str:
        return rng.choice(words(name))

    pet, relative = one("pets"), rng.choice(RELATIVES)
    name, person, place = draw_pet_name(rng), draw_person(rng), draw_place(rng)
    colour, food, number = one("colours"), one("foods"), draw_number(rng)
    hobby, job, thing = one("hobbies"), one("jobs_old"), one("things")
    told = (
        (f"My name is {person}.", "What is my name?", person),
        (f"I am {person}.", "Who am I?", person),
        (f"I have {with_article(pet)} called {name}.", f"What is my {pet} called?", name),
        (f"My {relative} is called {person}.", f"What is my {relative} called?", person),
        (f"I live in {place}.", "Where do I live?", place),
        (f"I come from {place}.", "Where do I come from?", place),
        (f"My favourite colour is {colour}.", "What is my favourite colour?", colour),
        (f"I love {food}.", "What food do I love?", food),
        (f"I am {number} years old.", "How old am I?", number),
        (f"I like {hobby}.", "What do I like to do?", hobby),
        (f"I am {with_article(job)}.", "What is my job?", job),
        (f"The secret word is {name}.", "What is the secret word?", name),
        (f"The magic number is {number}.", "What is the magic number?", number),
        (f"I lost my {colour} {thing}.", "What did I lose?", f"{colour} {thing}"),
        (f"There are {number} {one('countables')} in {place}.", "How many did I say?", number),
    )
    return rng.choice(told)


def _acknowledge(statement: str, value: str, rng: random.Random) -> str:
    options = [
        f"I will remember that: {value}.",
        f"{value}, I see.",
        f"Good to know: {value}.",
        f"{value}! Thank you for telling me.",
    ]
    if statement.startswith("My name is"):
        options = [f"Nice to meet you, {value}.", f"Hello, {value}!", f"Pleased to meet you, {value}."]
    reply = rng.choice(options)
    return reply[0].upper() + reply[1:]


def _recall(question: str, value: str, rng: random.Random) -> str:
    told = {
        "What is my name?": f"Your name is {value}.",
        "Who am I?": f"You are {value}.",
        "Where do I live?": f"You live in {value}.",
        "How old am I?": f"You are {value} years old.",
        "Where do I come from?": f"You come from {value}.",
    }
    reply = rng.choice((told.get(question, f"It is {value}."), f"You said {value}.", f"{value}."))
    return reply[0].upper() + reply[1:]


def _copy(user: str, reply: str, value: str) -> Exchange:
    return Exchange(user, reply, "copy", verbatim=True, value=value.lower())


def _told(rng: random.Random) -> list[Exchange]:
    statement, question, value = _thing(rng)
    recall = _copy(question, _recall(question, value, rng), value)
    if rng.random() < 0.4:
        both = rng.choice((f"{statement} {question}", f"{statement} Now tell me: {question}"))
        return [_copy(both, recall.reply, value)]
    return [_copy(statement, _acknowledge(statement, value, rng), value), recall]


def _several(rng: random.Random) -> list[Exchange]:
    """Several things are told, then asked in any order."""
    things = {question: (statement, value) for statement, question, value in (_thing(rng) for _ in range(3))}
    told = " ".join(statement for statement, _ in things.values())
    exchanges: list[Exchange] = []
    for question in pick(rng, list(things), 2):
        value = things[question][1]
        user = question if exchanges else f"{told} {question}"
        exchanges.append(_copy(user, _recall(question, value, rng), value))
    return exchanges


def _sentence(rng: random.Random) -> str:
    name, adjective = draw_pet_name(rng), rng.choice(words("adjectives"))
    food, thing, place = rng.choice(words("foods")), rng.choice(words("things")), draw_place(rng)
    return rng.choice(
        (
            f"{name} eats {food}",
            f"the {adjective} {rng.choice(words('jobs_old'))} lost a {thing}",
            f"{name} goes to {place}",
            f"{rng.choice(words('small_adjectives'))} {rng.choice(words('exclaim_things'))}",
            f"{draw_number(rng)} {adjective} {rng.choice(words('animals'))}",
            f"{name}, {draw_pet_name(rng)} and {draw_pet_name(rng)}",
            f"{name}",
            f"{rng.choice(words('loves'))} and {rng.choice(words('hates'))}",
        )
    )


def _repeat(rng: random.Random) -> list[Exchange]:
    sentence = _sentence(rng)
    capital = sentence[0].upper() + sentence[1:]
    users = (f"Repeat after me: {sentence}.", f"Say: {sentence}!", f'Please say "{sentence}".')
    user = rng.choice((*users, f"Can you say this? {capital}."))
    return [_copy(user, f"{capital}.", sentence)]


def _names(rng: random.Random) -> list[Exchange]:
    """A list of names to be said again: every token of the reply is copied."""
    listed = [draw_pet_name(rng) for _ in range(rng.randint(3, 8))]
    names = f"{', '.join(listed[:-1])} and {listed[-1]}"
    told = rng.choice((f"Repeat these names: {names}.", f"My friends are {names}. Who are my friends?"))
    return [_copy(told, f"{names}.", names)]


def _passage(rng: random.Random) -> list[Exchange]:
    """A little story about somebody, and questions about it."""
    name, place, pet, petname = (
        draw_pet_name(rng),
        draw_place(rng),
        rng.choice(words("pets")),
        draw_pet_name(rng),
    )
    job, food, number = rng.choice(words("jobs_old")), rng.choice(words("foods")), draw_number(rng)
    fear, hobby = rng.choice(words("fears")), rng.choice(words("hobbies"))
    facts = [
        (f"lives in {place}", f"Where does {name} live?", place),
        (f"is {with_article(job)}", f"What is {name}'s job?", job),
        (f"has {with_article(pet)} called {petname}", f"What is the {pet} called?", petname),
        (f"loves {food}", f"What does {name} love?", food),
        (f"is {number} years old", f"How old is {name}?", number),
        (f"is afraid of {fear}", f"What is {name} afraid of?", fear),
        (f"likes {hobby}", f"What does {name} like to do?", hobby),
    ]
    told = rng.sample(facts, rng.randint(2, 5))
    asked = rng.sample(told, rng.randint(1, 2))
    passage = " ".join(f"{name} {predicate}." for predicate, _, _ in told)
    exchanges: list[Exchange] = []
    for predicate, question, value in asked:
        answer = f"The {pet} is called {petname}." if predicate.startswith("has ") else f"{name} {predicate}."
        exchanges.append(_copy(question if exchanges else f"{passage} {question}", answer, value))
    return exchanges


def _choose(rng: random.Random) -> list[Exchange]:
    kind = rng.choice(("foods", "animals", "things", "colours", "hobbies", "collectables"))
    items = pick(rng, words(kind), 3)
    listed = f"{items[0]}, {items[1]} and {items[2]}"
    position = rng.randrange(3)
    which = ("first", "second", "last")[position]
    user = expand(
        f"(Here is a list|Listen|Remember this): {listed}. (What|Which) (is|was) the {which} one?", rng
    )
    reply = rng.choice((f"The {which} one is {items[position]}.", f"{items[position].capitalize()}."))
    return [_copy(user, reply, items[position])]
