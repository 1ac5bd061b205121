"""Lexicon: word lists, made-up names, and the small template language of the generator.

A template is a sentence with choices and slots: ``(Hello|Good day), {name}. I am {a job}.``
``(a|b|)`` picks one branch, ``{slot}`` is replaced, ``{a slot}`` and ``{A slot}`` put the right
indefinite article before it.
"""

import random
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import yaml

__all__ = [
    "HELD_OUT_PHRASES",
    "PLAIN_FIRST",
    "Split",
    "draw_number",
    "draw_person",
    "draw_pet_name",
    "draw_place",
    "draw_plain_first",
    "expand",
    "expansions",
    "fill",
    "is_held_out",
    "load_table",
    "pick",
    "plural",
    "slot_names",
    "split_words",
    "with_article",
    "words",
]

Split = str
"""``train`` or ``held_out``: names, words of facts, and wordings of questions, belong to one of them."""

CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
SLOT = re.compile(r"\{(?:(a|A) )?(\w+)\}")
SENTENCE_START = re.compile(r"(^|[.!?] )([a-z])")
HELD_OUT_SHARE = 8
PLAIN_FIRST = 1.5
SMALLEST_SPLIT_LIST = 16

# The example character of this project. Nothing of hers may be learned before she is trained.
HELD_OUT_PHRASES = (
    "ophelia", "lanternhill", "lantern hill", "candle castle", "mirror lake", "marigold", "bram ", "bram.",
    "basil", "granny moss", "sir turnip", "lady honk", "wren", "stars and candles", "crumbs and crowns",
    "crooked crown", "shine on", "keep your lantern lit", "dear traveller", "dear heart",
    "my bright friend", "royal truth", "pudding the", "called pudding", "called pip",
)  # fmt: skip


@cache
def load_table(name: str) -> Any:
    """The YAML table ``data/<name>.yaml``."""
    text = resources.files("understudy.miniature").joinpath(f"data/{name}.yaml").read_text("utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def words(name: str) -> list[str]:
    """The word list called ``name``."""
    return load_table("words")[name]


def split_words(name: str, split: Split) -> list[str]:
    """The words of a list that facts of ``split`` are made of; a short list serves both."""
    return _split(tuple(words(name)), split)


@cache
def _split(listed: tuple[str, ...], split: Split) -> list[str]:
    kept = [word for word in listed if is_held_out(word) == (split == "held_out")]
    return kept if kept and len(listed) >= SMALLEST_SPLIT_LIST else list(listed)


def expand(template: str, rng: random.Random) -> str:
    """Replace every ``(a|b)`` by one of its branches; slots stay."""
    while match := CHOICE.search(template):
        branch = rng.choice(match.group(1).split("|"))
        template = template[: match.start()] + branch + template[match.end() :]
    return template


def expansions(template: str) -> list[str]:
    """Every text that the choices of a template allow; slots stay."""
    match = CHOICE.search(template)
    if match is None:
        return [template]
    before, after = template[: match.start()], template[match.end() :]
    return [text for branch in match.group(1).split("|") for text in expansions(before + branch + after)]


def fill(template: str, slots: Mapping[str, str], rng: random.Random) -> str:
    """``template`` with choices made and slots filled, sentences beginning with a capital.

    Raises:
        KeyError: A slot of the template is not in ``slots``.
    """

    def replace(match: re.Match[str]) -> str:
        article, slot = match.groups()
        value = slots[slot]
        if not article:
            return value
        phrase = with_article(value)
        return phrase[0].upper() + phrase[1:] if article == "A" else phrase

    text = SLOT.sub(replace, expand(template, rng))
    return SENTENCE_START.sub(lambda match: match.group(1) + match.group(2).upper(), text)


@cache
def slot_names(template: str) -> frozenset[str]:
    """Names of the slots that ``template`` may need, over all its choices."""
    return frozenset(match.group(2) for match in SLOT.finditer(template))


def with_article(noun: str) -> str:
    """``an owl``, ``a unicorn``, ``a cave``."""
    vowel = noun[0].lower() in "aeiou" and not noun.lower().startswith(("uni", "use", "one"))
    return f"{'an' if vowel else 'a'} {noun}"


def is_held_out(name: str) -> bool:
    """Whether a name, word or wording belongs to the evaluation: one in eight, by checksum."""
    return zlib.crc32(name.encode()) % HELD_OUT_SHARE == 0


def _draw_name(make: Any, rng: random.Random, split: Split) -> str:
    """Names of the wanted split, and none of the example character's."""
    while True:
        name: str = make(rng)
        if is_held_out(name) != (split == "held_out"):
            continue
        if not any(phrase.strip(" .") in name.lower() for phrase in HELD_OUT_PHRASES):
            return name


def _given_name(rng: random.Random) -> str:
    if rng.random() < 0.35:
        return rng.choice(words("first_names"))
    parts = (
        rng.choice(words("name_starts")),
        rng.choice(words("name_middles")),
        rng.choice(words("name_ends")),
    )
    return "".join(parts)


def _person(rng: random.Random) -> str:
    given, dice = _given_name(rng), rng.random()
    if dice < 0.45:
        return given
    if dice < 0.65:
        return f"{given} {rng.choice(words('surnames'))}"
    if dice < 0.9:
        return f"{rng.choice(words('titles'))} {given}"
    return f"{given} the {rng.choice(words('adjectives')).capitalize()}"


def _pet_name(rng: random.Random) -> str:
    return rng.choice(words("nicknames")) if rng.random() < 0.5 else _given_name(rng)


def _place(rng: random.Random) -> str:
    start, end, dice = rng.choice(words("place_starts")), rng.choice(words("place_ends")), rng.random()
    name = f"{start} {end.capitalize()}" if dice < 0.25 else start + end
    if dice > 0.9:
        return f"{rng.choice(words('realm_starts'))} {_given_name(rng)}"
    return name


def draw_person(rng: random.Random, split: Split = "train") -> str:
    """A person: ``Talina``, ``Clara Fogg``, ``Captain Boro``, ``Emil the Brave``."""
    return _draw_name(_person, rng, split)


def draw_pet_name(rng: random.Random, split: Split = "train") -> str:
    """A name for an animal or a thing."""
    return _draw_name(_pet_name, rng, split)


def draw_place(rng: random.Random, split: Split = "train") -> str:
    """A place: ``Otterbridge``, ``Silver Mere``, ``the Isle of Quilo``."""
    return _draw_name(_place, rng, split)


def draw_number(rng: random.Random) -> str:
    """A number, mostly in words."""
    return str(rng.randint(2, 300)) if rng.random() < 0.2 else rng.choice(words("numbers"))


def pick(rng: random.Random, options: Sequence[str], count: int) -> list[str]:
    """``count`` different options, or all where there are fewer."""
    return rng.sample(list(options), min(count, len(options)))


def draw_plain_first(options: Sequence[str], rng: random.Random, flatness: float = PLAIN_FIRST) -> str:
    """One of ``options``, which stand from the plainest to the oddest: the first ones come up most.

    The weight of rank ``r`` is ``1 / (r + flatness)``; the default is near Zipf's law, as wordings are spread
    in real talk.
    """
    return rng.choices(options, [1 / (rank + flatness) for rank in range(len(options))])[0]


def plural(noun: str) -> str:
    """The plural of a modern thing; ``internet`` has none."""
    if noun in words("mass_modern"):
        return noun
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return noun + ("es" if noun.endswith(("s", "ch", "x")) else "s")
