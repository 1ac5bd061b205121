"""Conversations: whole dialogues under one of three kinds of system prompt, made from a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from understudy.miniature.assistant import assistant_exchange
from understudy.miniature.copying import copying_exchanges
from understudy.miniature.exchanges import Exchange
from understudy.miniature.held_out import mentions_held_out
from understudy.miniature.layouts import render_sheet
from understudy.miniature.lexicon import draw_person, expand, fill, load_table, words
from understudy.miniature.reading import draw_passage, reading_exchange
from understudy.miniature.role import character_exchange, fact_exchange
from understudy.miniature.sheets import Sheet, draw_sheet
from understudy.miniature.tones import speak

__all__ = ["STAGES", "Conversation", "Stage", "compose", "held_out_sheet"]


@dataclass(frozen=True)
class Stage:
    """A step of the curriculum.

    Attributes:
        until: Share of the training at which the stage ends.
        facts: Fewest and most facts of a sheet.
        turns: Fewest and most exchanges of a conversation.
        sheets: Share of conversations under a full sheet; the rest are the plain assistant's.
        copying: Share of exchanges that are plain copying.
        asked: Share of the other turns under a sheet that are about a fact of it.
        voiced: Share of sheets that say how the character speaks.
        bare: Share of sheets without rules.
        long: Share of sheets that are as long as a context allows.
    """

    until: float
    facts: tuple[int, int]
    turns: tuple[int, int]
    sheets: float
    copying: float
    asked: float
    voiced: float
    bare: float = 0.0
    long: float = 0.0


STAGES = (
    Stage(
        until=0.3, facts=(1, 3), turns=(1, 3), sheets=0.85, copying=0.25, asked=0.92,
        voiced=0.25, bare=0.85,
    ),
    Stage(until=0.5, facts=(2, 9), turns=(2, 6), sheets=0.8, copying=0.12, asked=0.78, voiced=0.7, bare=0.4),
    Stage(
        until=0.75, facts=(4, 14), turns=(3, 8), sheets=0.75, copying=0.08, asked=0.65,
        voiced=0.9, bare=0.2, long=0.06,
    ),
    Stage(
        until=1.0, facts=(4, 24), turns=(4, 13), sheets=0.75, copying=0.05, asked=0.6,
        voiced=0.95, bare=0.1, long=0.2,
    ),
)  # fmt: skip
"""Copying comes first: small sheets, often bare, of which nearly every turn asks a fact."""
AGAIN_SHARE = 0.12
"""How often a question is about a fact that was asked before, in other words."""
PASSAGE_SHARE, READ_SHARE = 0.25, 0.4
"""Share of sheets that hold a passage of prose, where there is any, and of their turns that ask about it."""


@dataclass(frozen=True)
class Conversation:
    """Messages, with what each reply was about; ``exchanges`` runs beside the user/assistant pairs."""

    prompt_kind: str
    messages: tuple[dict[str, str], ...]
    exchanges: tuple[Exchange, ...]


def compose(rng: random.Random, stage: Stage, passages: Sequence[list[str]] = ()) -> Conversation:
    """A conversation of a stage that mentions nothing that is held out.

    Args:
        passages: Other people's paragraphs, which some sheets hold and are asked about.
    """
    while True:
        is_sheet = rng.random() < stage.sheets
        conversation = _sheet_conversation(rng, stage, passages) if is_sheet else _plain(rng, stage)
        if not mentions_held_out(message["content"] for message in conversation.messages):
            return conversation


def held_out_sheet(rng: random.Random, facts: int) -> tuple[Sheet, str]:
    """A sheet with names that occur in no training text, and its prompt."""
    sheet = draw_sheet(rng, facts, "held_out")
    return sheet, render_sheet(sheet, rng)


def _plain(rng: random.Random, stage: Stage) -> Conversation:
    """No system prompt, or one that only names somebody: the answers are the assistant's."""
    given, system = "", ""
    if rng.random() < 0.45:
        given = draw_person(rng)
        system = expand(
            f"(You are {given}.|You are {given}.|Your name is {given}.|You are called {given}.)", rng
        )
        if rng.random() < 0.15:
            system = f"You are {given}, a {rng.choice(words('adjectives'))} {rng.choice(words('jobs_old'))}."
    elif rng.random() < 0.25:
        system = rng.choice(
            (
                "You are a helpful assistant.",
                "You are an AI assistant.",
                "Answer briefly.",
                "You are a friendly assistant.",
            )
        )
    exchanges: list[Exchange] = []
    for _ in range(rng.randint(*stage.turns)):
        copied = rng.random() < stage.copying
        exchanges += copying_exchanges(rng) if copied else [assistant_exchange(rng, given.split(" the ")[0])]
    return _conversation("identity" if given else "none", system, exchanges)


def _sheet_conversation(rng: random.Random, stage: Stage, passages: Sequence[list[str]]) -> Conversation:
    is_long = rng.random() < stage.long
    facts = rng.randint(25, 42) if is_long else rng.randint(*stage.facts)
    sheet = draw_sheet(rng, facts, voiced=stage.voiced)
    system = render_sheet(sheet, rng, bare=rng.random() < stage.bare)
    passage = draw_passage(rng, passages) if passages and rng.random() < PASSAGE_SHARE else ()
    if passage:
        system = _with_passage(system, " ".join(passage), rng)
    open_facts = list(range(len(sheet.facts)))
    rng.shuffle(open_facts)
    exchanges: list[Exchange] = []
    asked: list[int] = []
    turns = rng.randint(8, 16) if is_long else rng.randint(*stage.turns)
    while len(exchanges) < turns:
        dice = rng.random()
        if dice < stage.copying:
            exchanges += copying_exchanges(rng)
        elif passage and rng.random() < READ_SHARE:
            exchanges.append(reading_exchange(passage, rng))
        elif dice < stage.copying + (1 - stage.copying) * stage.asked and open_facts:
            again = bool(asked) and rng.random() < AGAIN_SHARE
            index = rng.choice(asked) if again else open_facts.pop()
            asked.append(index)
            exchanges.append(fact_exchange(sheet, index, rng))
        else:
            exchanges.append(character_exchange(sheet, rng))
    if sheet.disclosure == "always" and not exchanges[0].verbatim:
        exchanges[0] = _disclosing(exchanges[0], sheet, rng)
    return _conversation("sheet", system, [_in_voice(exchange, sheet, rng) for exchange in exchanges])


def _with_passage(system: str, passage: str, rng: random.Random) -> str:
    """The sheet with a passage before its last part, or at its end."""
    told = rng.choice(load_table("reading")["leads"]) + passage
    joint = next((mark for mark in ("\n\n", "\n") if mark in system), " ")
    parts = system.split(joint) if joint != " " else [system]
    place = rng.randint(1, len(parts))
    return joint.join([*parts[:place], told, *parts[place:]])


def _disclosing(exchange: Exchange, sheet: Sheet, rng: random.Random) -> Exchange:
    """The exchange with the words that tell at once who speaks."""
    told = fill(rng.choice(load_table("scenery")["disclosing"]), sheet.slots, rng)
    reply = rng.choice((f"{told} {exchange.reply}", f"{exchange.reply} {told}"))
    return replace(exchange, reply=reply)


def _in_voice(exchange: Exchange, sheet: Sheet, rng: random.Random) -> Exchange:
    if exchange.plain:
        return exchange
    return replace(
        exchange,
        reply=speak(exchange.reply, sheet.voice, rng, verbatim=exchange.verbatim, value=exchange.value),
    )


def _conversation(kind: str, system: str, exchanges: list[Exchange]) -> Conversation:
    messages = [{"role": "system", "content": system}] if system else []
    for exchange in exchanges:
        messages.append({"role": "user", "content": exchange.user})
        messages.append({"role": "assistant", "content": exchange.reply})
    return Conversation(kind, tuple(messages), tuple(exchanges))
