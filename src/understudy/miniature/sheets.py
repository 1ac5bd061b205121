"""Sheets: a character drawn at random, with its facts, its voice and what it has never heard of."""

import random
from dataclasses import dataclass, field

from understudy.miniature.facts import Fact, draw_fact, fact_kinds
from understudy.miniature.lexicon import Split, draw_person, pick, with_article, words
from understudy.miniature.tales import draw_tale
from understudy.miniature.tones import PLAIN, Voice, draw_voice

__all__ = ["Sheet", "draw_sheet"]

ROLE_KEYS = ("job", "species")
CORE_KEYS = (
    "home", "job", "species", "friend", "food", "fear", "loves", "hates", "hobby", "foe",
    "mother", "father", "pet",
)  # fmt: skip
COMMON_KINDS = {
    **dict.fromkeys(CORE_KEYS, 5),
    "relativename": 5, "secret": 4, "dream": 4, "treasure": 3, "drink": 3, "colour": 3, "age": 3, "rule": 3,
    "ruler": 3, "skill": 3, "weakness": 3, "teacher": 2, "neighbour": 2, "sweetheart": 2, "hero": 2,
    "wears": 2, "collects": 2, "birthday": 2, "building": 2, "forbidden": 2, "friendjob": 2, "song": 1,
    "season": 1, "motto": 1, "instrument": 1, "breakfast": 1, "allergy": 1, "luckynumber": 1, "honour": 1,
    "landknown": 1, "festivalname": 1, "shipname": 1, "guild": 1, "favouriteplace": 1,
}  # fmt: skip
"""What most sheets of people say, with weights: the kinds of ``CORE_KEYS`` lead."""
PET_KEYS = ("peteats", "cannotonly")
RELATIVE_KEYS = ("relativename", "relativejobname", "relativewas", "relativecollects", "fatherdoes")
# These kinds may occur several times in a sheet, each time about another thing: the slot named here.
REPEATABLE = {
    "relativename": "relative", "relativewas": "relative", "relativecollects": "relative",
    "fatherdoes": "relative",
    "friendjob": "friend", "called": "owned", "madeof": "thing", "count": "countables", "when": "deed",
    "weekly": "deed", "leader": "group", "guard": "guarded", "inside": "container", "rule": "rule",
    "peteats": "petname", "eldest": "event", "whenhappens": "act", "met": "name", "lost": "thing",
    "belongs": "building", "beyond": "beyond", "taught": "skill", "owes": "collectables",
    "relativejobname": "relative", "never": "deed", "festivalday": "festival", "price": "food",
    "relativehabit": "relative", "relativecannot": "relative", "ownact": "act", "objectdoes": "object",
    "maker": "object", "objectcolour": "object", "contest": "contest", "present": "name", "broke": "object",
    "villagerole": "office", "kincount": "kin", "keptwhere": "object", "flaw": "structure",
    "why": "structure",
    "most": "creature",
}  # fmt: skip
COMMON_SHARE, TALE_SHARE = 0.75, 0.08


@dataclass(frozen=True)
class Sheet:
    """A character: who, how it speaks, what is true of it, and what it has never heard of.

    Attributes:
        short: The name as it is used in talk, without ``the Brave``.
        role: Its work or its kind; empty where the sheet names neither.
        unknown: Modern things that the sheet says it does not know.
        disclosure: When it says that it is an AI, as ``Policies.disclosure`` has it.
        slots: Words for templates of replies, from the commonest facts.
    """

    name: str
    short: str
    role: str
    voice: Voice
    facts: tuple[Fact, ...]
    unknown: tuple[str, ...]
    disclosure: str = "when_sincerely_asked"
    slots: dict[str, str] = field(default_factory=dict)


def draw_sheet(rng: random.Random, facts: int, split: Split = "train", *, voiced: float = 1.0) -> Sheet:
    """A sheet with ``facts`` facts, most of them about home, work, people, likes and fears.

    Args:
        voiced: Share of sheets that say how the character speaks.
    """
    drawn = _draw_facts(rng, facts, split)
    name = draw_person(rng, split)
    unknown = tuple(pick(rng, words("modern"), rng.choice((0, 2, 3, 5, 8)) if facts > 3 else 0))
    role = next((fact.slots[key] for key in ROLE_KEYS for fact in drawn if fact.kind.key == key), "")
    slots = {
        slot: fact.slots[slot] for fact in drawn for slot in fact.kind.slots if fact.kind.key in CORE_KEYS
    }
    slots |= {"name": name, "short": name.split(" the ")[0]}
    if role:
        slots |= {"role": role, "a_role_cap": f"{with_article(role).capitalize()}'s work"}
    if "hates" in slots:
        slots["hates_cap"] = slots["hates"].capitalize()
    return Sheet(
        name,
        slots["short"],
        role,
        draw_voice(rng, split) if rng.random() < voiced else PLAIN,
        tuple(drawn),
        unknown,
        _disclosure(rng),
        slots,
    )


def _disclosure(rng: random.Random) -> str:
    return rng.choices(("when_sincerely_asked", "in_character", "always"), (0.65, 0.29, 0.06))[0]


def _draw_facts(rng: random.Random, count: int, split: Split) -> list[Fact]:
    """Facts that do not contradict each other: no kind twice about the same thing."""
    kinds = {kind.key: kind for kind in fact_kinds()}
    drawn: list[Fact] = []
    seen: set[tuple[str, str]] = set()
    pets: list[str] = []
    relatives: list[dict[str, str]] = []
    while len(drawn) < count:
        if rng.random() < TALE_SHARE:
            tale = draw_tale(rng, split)
            if (mark := ("tale", tale.slots["subject"])) not in seen:
                seen.add(mark)
                drawn.append(tale)
            continue
        is_common = rng.random() < COMMON_SHARE
        key = (
            rng.choices(list(COMMON_KINDS), list(COMMON_KINDS.values()))[0]
            if is_common
            else rng.choice(fact_kinds()).key
        )
        if key in PET_KEYS and not pets:
            key = "pet"
        known = {"petname": pets[0]} if key in PET_KEYS else {}
        if key in RELATIVE_KEYS and relatives and rng.random() < 0.4:
            known |= rng.choice(relatives)
        fact = draw_fact(kinds[key], rng, split, known)
        mark = (key, fact.slots[REPEATABLE[key]] if key in REPEATABLE else "")
        if mark in seen:
            continue
        seen.add(mark)
        drawn.append(fact)
        if key == "pet":
            pets.append(fact.slots["petname"])
        if key == "relativename":
            relatives.append({"relative": fact.slots["relative"], "name": fact.slots["name"]})
    rng.shuffle(drawn)
    return drawn
