"""Conversations: whole dialogues under one of three kinds of system prompt, made from a seed."""

import random
from dataclasses import dataclass

from understudy.miniature.assistant import assistant_exchange
from understudy.miniature.copying import copying_exchanges
from understudy.miniature.exchanges import Exchange
from understudy.miniature.layouts import render_sheet
from understudy.miniature.lexicon import HELD_OUT_PHRASES, draw_person, expand, words
from understudy.miniature.role import character_exchange, fact_exchange
from understudy.miniature.sheets import Sheet, draw_sheet
from understudy.miniature.tones import speak

__all__ = ["STAGES", "Conversation", "Stage", "compose", "held_out_sheet", "mentions_held_out"]


@dataclass(frozen=True)
class Stage:
    """A step of the curriculum.

    Attributes:
        until: Share of the training at which the stage ends.
        facts: Fewest and most facts of a sheet.
        turns: Fewest and most exchanges of a conversation.
        sheets: Share of conversations under a full sheet; the rest are the plain assistant's.
        copying: Share of exchanges that are plain copying.
        long: Share of sheets that are as long as a context allows.
    """

    until: float
    facts: tuple[int, int]
    turns: tuple[int, int]
    sheets: float
    copying: float
    long: float = 0.0


STAGES = (
    Stage(until=0.2, facts=(1, 2), turns=(1, 2), sheets=0.5, copying=0.5),
    Stage(until=0.45, facts=(2, 5), turns=(1, 3), sheets=0.6, copying=0.3),
    Stage(until=0.72, facts=(4, 10), turns=(2, 5), sheets=0.62, copying=0.15, long=0.03),
    Stage(until=1.0, facts=(4, 22), turns=(2, 8), sheets=0.62, copying=0.08, long=0.12),
)


@dataclass(frozen=True)
class Conversation:
    """Messages, with what each reply was about; ``exchanges`` runs beside the user/assistant pairs."""

    prompt_kind: str
    messages: tuple[dict[str, str], ...]
    exchanges: tuple[Exchange, ...]


def compose(rng: random.Random, stage: Stage) -> Conversation:
    """A conversation of a stage that mentions nothing that is held out."""
    while True:
        conversation = _sheet_conversation(rng, stage) if rng.random() < stage.sheets else _plain(rng, stage)
        if not mentions_held_out(conversation):
            return conversation


def mentions_held_out(conversation: Conversation) -> bool:
    """Whether a name or phrase of the example character occurs."""
    text = " ".join(message["content"] for message in conversation.messages).lower()
    return any(phrase in text for phrase in HELD_OUT_PHRASES)


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


def _sheet_conversation(rng: random.Random, stage: Stage) -> Conversation:
    is_long = rng.random() < stage.long
    facts = rng.randint(25, 42) if is_long else rng.randint(*stage.facts)
    sheet = draw_sheet(rng, facts)
    system = render_sheet(sheet, rng)
    open_facts = list(range(len(sheet.facts)))
    rng.shuffle(open_facts)
    exchanges: list[Exchange] = []
    turns = rng.randint(4, 12) if is_long else rng.randint(*stage.turns)
    while len(exchanges) < turns:
        dice = rng.random()
        if dice < stage.copying:
            exchanges += copying_exchanges(rng)
        elif dice < stage.copying + (1 - stage.copying) * 0.5 and open_facts:
            exchanges.append(fact_exchange(sheet, open_facts.pop(), rng))
        else:
            exchanges.append(character_exchange(sheet, rng))
    return _conversation("sheet", system, [_in_voice(exchange, sheet, rng) for exchange in exchanges])


def _in_voice(exchange: Exchange, sheet: Sheet, rng: random.Random) -> Exchange:
    if exchange.plain:
        return exchange
    reply = speak(exchange.reply, sheet.voice, rng, verbatim=exchange.verbatim)
    return Exchange(exchange.user, reply, exchange.kind, exchange.verbatim, exchange.plain, exchange.value)


def _conversation(kind: str, system: str, exchanges: list[Exchange]) -> Conversation:
    messages = [{"role": "system", "content": system}] if system else []
    for exchange in exchanges:
        messages.append({"role": "user", "content": exchange.user})
        messages.append({"role": "assistant", "content": exchange.reply})
    return Conversation(kind, tuple(messages), tuple(exchanges))
