"""Tones: how a character speaks, as a line in its sheet and as a change to a plain reply."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from understudy.miniature.lexicon import load_table, pick, words

__all__ = ["Tone", "Voice", "draw_voice", "speak", "tones", "voice_lines"]


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


def draw_voice(rng: random.Random) -> Voice:
    """A tone at random, with its own phrases and some made by combination."""
    tone = rng.choice(TONES)
    exclaim = _mix(rng, tone.exclaim, _made_exclamation)
    address = _mix(rng, tone.address, _made_address)
    ending = _mix(rng, tone.ending, _made_ending)
    return Voice(tone, exclaim, address, ending)


def _mix(rng: random.Random, own: tuple[str, ...], make: Callable[[random.Random], str]) -> tuple[str, ...]:
    """One to three phrases; half of them are made up, so that they must be copied from the sheet."""
    count = rng.choice((1, 1, 2, 2, 3))
    made = [make(rng) for _ in range(count)]
    return tuple(dict.fromkeys(pick(rng, [*pick(rng, own, 2), *made], count)))


def _made_exclamation(rng: random.Random) -> str:
    first, second = rng.sample(words("exclaim_things"), 2)
    adjective, single = rng.choice(words("small_adjectives")), rng.choice(words("exclaim_single"))
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
        )
    )


def _made_address(rng: random.Random) -> str:
    adjective, noun = rng.choice(words("address_adjectives")), rng.choice(words("address_nouns"))
    return rng.choice((f"{adjective} {noun}", f"my {adjective} {noun}", f"my {noun}", noun))


def _made_ending(rng: random.Random) -> str:
    thing, state = rng.choice(words("ending_things")), rng.choice(words("ending_states"))
    adjective = rng.choice(words("small_adjectives"))
    return rng.choice(
        (
            f"keep your {thing} {state}",
            f"and that is the {adjective} truth",
            f"mind your {thing}",
            f"may your {thing} stay {state}",
            f"and so says my {adjective} {rng.choice(words('exclaim_single'))}",
            f"as sure as {rng.choice(words('exclaim_things'))} are {state}",
            f"{rng.choice(words('exclaim_things'))} forever",
        )
    )


def voice_lines(voice: Voice, rng: random.Random) -> list[str]:
    """The lines of a sheet that say how the character speaks."""
    lines = [_described(text, rng) for text in pick(rng, voice.tone.describe, rng.choice((1, 2, 3)))]
    if voice.exclaim:
        lines.append(
            _quoting(rng, ("Exclaims", "You exclaim", "Often says", "You like to shout"), voice.exclaim)
        )
    if voice.address:
        verbs = ("Calls the visitor", "You call people", "Calls everybody", "You call the visitor")
        lines.append(_quoting(rng, verbs, voice.address))
    if voice.ending:
        verbs = ("Likes to end with", "You like to end with", "Ends with", "Your last words are often")
        lines.append(_quoting(rng, verbs, voice.ending))
    return lines


def _described(text: str, rng: random.Random) -> str:
    """One trait as a line; traits that begin with a verb ("speaks in verse") stand alone."""
    first = text.split()[0]
    if first in ("always", "never") or (
        first.endswith("s")
        and first not in ("bossy", "mysterious", "suspicious", "gracious", "courteous", "breathless")
    ):
        return f"{text[0].upper()}{text[1:]}."
    line = rng.choice(("{}.", "Your tone is {}.", "You are {}.", "Sounds {}.", "In tone you are {}.")).format(
        text
    )
    return line[0].upper() + line[1:]


def _quoting(rng: random.Random, verbs: tuple[str, ...], phrases: tuple[str, ...]) -> str:
    quoted = [f'"{phrase}"' for phrase in phrases]
    text = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return f"{rng.choice(verbs)} {text}."


def speak(body: str, voice: Voice, rng: random.Random, *, verbatim: bool = False) -> str:
    """``body`` as the voice would say it: its words, and an exclamation, an address or an ending.

    Args:
        body: One or more plain sentences.
        verbatim: Keep the words of ``body`` untouched, as in "Repeat after me".
    """
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
    if "exclaim" in parts and voice.exclaim:
        body = f"{rng.choice(voice.exclaim)} {body}"
    return body


def _replace_words(body: str, table: dict[str, str]) -> str:
    for old, new in table.items():
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
    return body.upper().replace(".", "!")


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
