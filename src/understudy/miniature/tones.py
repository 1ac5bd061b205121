"""Tones: how a character speaks, as a line in its sheet and as a change to a plain reply."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from understudy.miniature.lexicon import Split, is_held_out, load_table, pick, words

__all__ = ["Tone", "Voice", "draw_voice", "speak", "tones", "voice_lines"]


KEPT = "\x00"
"""Stands for words that a tone must not change."""


@dataclass(frozen=True)
class Tone:
    """One way of speaking, as the table has it."""

    name: str
    describe: tuple[str, ...]
    exclaim: tuple[str, ...]
    address: tuple[str, ...]
    ending: tuple[str, ...]
    replace: dict[str, str]
    transform: str


@dataclass(frozen=True)
class Voice:
    """A tone with the phrases of one character; its sheet quotes them."""

    tone: Tone
    exclaim: tuple[str, ...]
    address: tuple[str, ...]
    ending: tuple[str, ...]


def tones() -> list[Tone]:
    """All tones of the table."""
    return [
        Tone(
            name=row["name"],
            describe=tuple(row["describe"]),
            exclaim=tuple(row["exclaim"]),
            address=tuple(row["address"]),
            ending=tuple(row["ending"]),
            replace=row.get("replace", {}),
            transform=row.get("transform", ""),
        )
        for row in load_table("tones")
    ]


TONES = tones()
PLAIN = Voice(Tone("plain", (), (), (), (), {}, ""), (), (), ())
"""The voice of a sheet that says nothing of it."""
MADE_SHARE = 0.2
"""How often a phrase is made up, so that it must be copied from the sheet."""


def draw_voice(rng: random.Random, split: Split = "train") -> Voice:
    """A tone at random, with its own phrases and some made by combination.

    One combination in eight of tone and phrases, by checksum, is never trained.
    """
    while True:
        tone = rng.choice(TONES)
        exclaim = _mix(rng, tone.exclaim, _made_exclamation)
        address = _mix(rng, tone.address, _made_address)
        ending = _mix(rng, tone.ending, _made_ending)
        combination = " ".join((tone.name, *sorted((*exclaim, *address, *ending))))
        if is_held_out(combination) == (split == "held_out"):
            return Voice(tone, exclaim, address, ending)


def _mix(rng: random.Random, own: tuple[str, ...], make: Callable[[random.Random], str]) -> tuple[str, ...]:
    """One to three phrases, most of them the tone's own."""
    count = rng.choice((1, 1, 2, 2, 3))
    made = sum(rng.random() < MADE_SHARE for _ in range(count)) if own else count
    return tuple(dict.fromkeys([*pick(rng, own, count - made), *(make(rng) for _ in range(made))]))


def _phrase(rng: random.Random, name: str) -> str:
    """A word of the list ``name`` of the phrase table."""
    word: str = rng.choice(load_table("phrases")[name])
    return word


def _plural_things() -> list[str]:
    """The things of exclamations that can be counted: ``pickles``, but not ``fog``."""
    return [thing for thing in words("exclaim_things") if thing.endswith("s")]


def _made_exclamation(rng: random.Random) -> str:
    first, second = rng.sample(words("exclaim_things"), 2)
    adjective, single = rng.choice(words("small_adjectives")), rng.choice(words("exclaim_single"))
    call, sound, verb = (_phrase(rng, f"exclaim_{name}") for name in ("calls", "sounds", "verbs"))
    number, many = rng.choice(words("numbers")), rng.choice(_plural_things())
    return rng.choice(
        (
            f"Oh, {first} and {second}!",
            f"{first.capitalize()} and {second}!",
            f"Great {first}!",
            f"By my {adjective} {single}!",
            f"By the {adjective} {single}!",
            f"Holy {first}!",
            f"Well, {first}!",
            f"{adjective.capitalize()} {first}!",
            f"Oh, my {adjective} {single}!",
            f"{call}, {adjective} {first}!",
            f"{call}, {first}!",
            f"{sound}!",
            f"{sound} and {first}!",
            f"{sound}, my {single}!",
            f"{verb.capitalize()} my {single}!",
            f"{verb.capitalize()} the {first}!",
            f"Well, {verb} my {adjective} {single}!",
            f"{number.capitalize()} {adjective} {many}!",
            f"By {number} {many}!",
            f"For the love of {first}!",
            f"What in the name of {first}!",
            f"Sweet {first} and {adjective} {second}!",
            f"Neither {first} nor {second}!",
            f"{first.capitalize()}, {first}, {second}!",
            f"May the {many} hear me!",
            f"My {single}, my {single}!",
        )
    )


def _made_address(rng: random.Random) -> str:
    adjective, noun = rng.choice(words("address_adjectives")), rng.choice(words("address_nouns"))
    small, single = rng.choice(words("small_adjectives")), rng.choice(words("exclaim_single"))
    things = rng.choice(words("exclaim_things"))
    creature, sweet, role = (_phrase(rng, f"address_{name}") for name in ("creatures", "sweets", "roles"))
    return rng.choice(
        (
            f"{adjective} {noun}",
            f"my {adjective} {noun}",
            f"my {noun}",
            noun,
            f"{small} {creature}",
            f"my {small} {creature}",
            f"{adjective} {creature}",
            f"you {adjective} {creature}",
            f"my {sweet}",
            f"my {adjective} {sweet}",
            f"{small} {sweet}",
            f"you {small} {sweet}",
            f"{creature} of my heart",
            f"{sweet} of my eye",
            f"{noun} of the {small} {single}",
            f"{creature} with the {small} {single}",
            f"{noun} and {creature}",
            f"{adjective} {role} of {things}",
            f"{role} of {things}",
            f"{noun} with the {small} {single}",
            f"friend of all {things}",
            f"{sweet} and {creature}",
        )
    )


def _made_ending(rng: random.Random) -> str:
    thing, state = rng.choice(words("ending_things")), rng.choice(words("ending_states"))
    adjective, single = rng.choice(words("small_adjectives")), rng.choice(words("exclaim_single"))
    first, second = rng.sample(_plural_things(), 2)
    verb, time, act = (_phrase(rng, f"ending_{name}") for name in ("verbs", "times", "acts"))
    number = rng.choice(words("numbers"))
    return rng.choice(
        (
            f"keep your {thing} {state}",
            f"and that is the {adjective} truth",
            f"mind your {thing}",
            f"may your {thing} stay {state}",
            f"and so says my {adjective} {single}",
            f"as sure as {first} are {state}",
            f"{first} forever",
            f"and the {first} {act}",
            f"until the {first} {act}",
            f"and now I {act}",
            f"let the {first} {act}",
            f"{verb} your {thing} {time}",
            f"{verb} the {first} {time}",
            f"and never {verb} the {adjective} {first}",
            f"do not {verb} my {single}",
            f"may {number} {first} {act}",
            f"see you {time}",
            f"{time} all {first} {act}",
            f"and {number} {first} to you",
            f"by {first} and by {second}",
            f"no {first} without {second}",
            f"I swear it on my {adjective} {single}",
            f"ask my {adjective} {single}",
            f"{first} first and {second} last",
        )
    )


EXCLAIM_LEADS = (
    "Exclaims", "You exclaim", "Often says", "You like to shout", "You often cry", "Likes to call out",
    "Begins an answer with", "You start many replies with", "Favourite exclamations:",
    "When surprised you say", "You love to say", "Now and then you shout", "Your first words are often",
)  # fmt: skip
ADDRESS_LEADS = (
    "Calls the visitor", "You call people", "Calls everybody", "You call the visitor",
    "You address people as", "Addresses others as", "Anyone you talk to is",
    "You like to call the other person", "Guests are called",
    "To you every visitor is", "Speaks to people as", "Your name for everybody is",
)  # fmt: skip
ENDING_LEADS = (
    "Likes to end with", "You like to end with", "Ends with", "Your last words are often", "You close with",
    "Finishes an answer with", "Your answers often end with", "Says at the end", "You love to finish with",
    "Last of all you say", "Signs off with", "When you are done you say", "Usual closing words:",
)  # fmt: skip
VERB_FRAMES = (
    "{}", "{}", "{}", "Your character {}", "This character {}", "Somebody who {}", "You are one who {}",
    "You are known as one who {}", "People say that your character {}",
    "Everybody notices that this character {}",
    "Manner of speaking: {}", "Style: {}",
)  # fmt: skip
TRAIT_FRAMES = (
    "{}", "{}", "Your tone is {}", "You are {}", "Sounds {}", "In tone you are {}", "You sound {}",
    "Your voice is {}", "Your manner is {}", "In every answer you are {}", "People find you {}", "Tone: {}",
    "Style: {}", "You always come across as {}",
)  # fmt: skip


def voice_lines(voice: Voice, rng: random.Random) -> list[str]:
    """The lines of a sheet that say how the character speaks."""
    lines = [_described(text, rng) for text in pick(rng, voice.tone.describe, rng.choice((1, 2, 3)))]
    quotes = (
        (EXCLAIM_LEADS, voice.exclaim),
        (ADDRESS_LEADS, voice.address),
        (ENDING_LEADS, voice.ending),
    )
    return lines + [_quoting(rng, leads, phrases) for leads, phrases in quotes if phrases]


def _described(text: str, rng: random.Random) -> str:
    """One trait as a line; a trait that begins with a verb ("speaks in verse") has frames of its own."""
    line = rng.choice(VERB_FRAMES if _begins_with_verb(text) else TRAIT_FRAMES).format(text)
    return f"{line[0].upper()}{line[1:]}."


def _begins_with_verb(text: str) -> bool:
    """Whether a trait is a verb phrase: ``hisses like a snake``, ``always shouts``, but not ``nervous``."""
    if text.startswith("cannot "):
        return True
    verb = text.removeprefix("always ").removeprefix("never ").removeprefix("hardly ").split()[0]
    return verb.endswith("s") and not verb.endswith(("ss", "ous"))


def _quoting(rng: random.Random, leads: tuple[str, ...], phrases: tuple[str, ...]) -> str:
    quoted = [f'"{phrase}"' for phrase in phrases]
    text = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return f"{rng.choice(leads)} {text}."


def speak(body: str, voice: Voice, rng: random.Random, *, verbatim: bool = False, value: str = "") -> str:
    """``body`` as the voice would say it: its words, and an exclamation, an address or an ending.

    Args:
        body: One or more plain sentences.
        verbatim: Keep the words of ``body`` untouched, as in "Repeat after me".
        value: Words of ``body``, in lower case, that are kept: a tone never changes a fact.
    """
    body, kept = _set_aside(body, value)
    if not verbatim:
        body = _replace_words(body, voice.tone.replace)
    parts = {
        part
        for part, chance in (("exclaim", 0.6), ("address", 0.5), ("ending", 0.45))
        if rng.random() < chance
    }
    if not parts:
        parts = {rng.choice(("exclaim", "ending"))}
    if "address" in parts and voice.address:
        body = _address(body, rng.choice(voice.address), rng)
    if "ending" in parts and voice.ending:
        ending = rng.choice(voice.ending)
        body = f"{body} {ending[0].upper()}{ending[1:]}{rng.choice(('.', '!'))}"
    if voice.tone.transform and not verbatim:
        body = TRANSFORMS[voice.tone.transform](body, rng)
    body = body.replace(KEPT, kept)
    if "exclaim" in parts and voice.exclaim:
        body = f"{rng.choice(voice.exclaim)} {body}"
    return body


def _set_aside(body: str, value: str) -> tuple[str, str]:
    """``body`` with a mark in place of ``value``, and the value as it stood there."""
    begin = body.lower().find(value) if value else -1
    if begin < 0:
        return body, ""
    end = begin + len(value)
    return body[:begin] + KEPT + body[end:], body[begin:end]


def _replace_words(body: str, table: dict[str, str]) -> str:
    for old, new in table.items():
        article = "an" if new[0].lower() in "aeiou" else "a"
        body = re.sub(rf"\b([Aa])n? {old}\b", rf"\1{article[1:]} {old}", body)
        body = re.sub(rf"\b{old}\b", new, body)
        capital = old[0].upper() + old[1:]
        if capital != old:
            body = re.sub(rf"\b{capital}\b", new[0].upper() + new[1:], body)
    return body


def _address(body: str, address: str, rng: random.Random) -> str:
    """The address goes to the end of the first sentence, or before it."""
    if rng.random() < 0.3:
        return f"{address[0].upper()}{address[1:]}, {_lower_first(body)}"
    match = re.search(r"[.!?]", body)
    if match is None:
        return body
    return f"{body[: match.start()]}, {address}{body[match.start() :]}"


def _lower_first(body: str) -> str:
    first = body.split(maxsplit=1)[0].rstrip(".,!?")
    common = first in load_table("scenery")["lowered"]
    return body[0].lower() + body[1:] if common else body


def _capitals(body: str, rng: random.Random) -> str:
    """The small words are shouted; whole lines in capitals are another spelling of every word there is."""
    louder = load_table("grammar")["shouted"]
    return re.sub(r"[A-Za-z']+", lambda m: m[0].upper() if m[0].lower() in louder else m[0], body).replace(
        ".", "!"
    )


def _hesitant(body: str, rng: random.Random) -> str:
    tokens = body.split(" ")
    for index in range(1, len(tokens)):
        if rng.random() < 0.12 and tokens[index].isalpha() and tokens[index].islower():
            tokens[index] = f"{rng.choice(('um', 'er', 'well'))}, {tokens[index]}"
    return " ".join(tokens).replace(". ", "... ")


def _rhyme(body: str, rng: random.Random) -> str:
    noun, line = rng.choice(load_table("scenery")["rhymes"])
    lead = rng.choice(("I say it by", "I sing it with", "As bright as", "I swear by"))
    return f"{body} {lead} the {noun}, {line}!"


def _exclaim(body: str, rng: random.Random) -> str:
    return body.replace(". ", "! ")[:-1] + "!" if body.endswith(".") else body.replace(". ", "! ")


def _ellipsis(body: str, rng: random.Random) -> str:
    return body.replace(". ", "... ").replace(", ", "... ", 1)


def _clipped(body: str, rng: random.Random) -> str:
    """Short reports: the articles go."""
    if rng.random() < 0.5:
        return body
    return re.sub(r" (the|a|an) (?=[a-z])", " ", body)


def _hiss(body: str, rng: random.Random) -> str:
    return re.sub(r"(?<=[a-z])s\b", "sss", body)


TRANSFORMS: dict[str, Callable[[str, random.Random], str]] = {
    "capitals": _capitals,
    "hesitant": _hesitant,
    "rhyme": _rhyme,
    "exclaim": _exclaim,
    "ellipsis": _ellipsis,
    "clipped": _clipped,
    "hiss": _hiss,
}
