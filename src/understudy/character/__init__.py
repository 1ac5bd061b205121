"""Character: who plays. Reads a sheet, a plain prompt or a card, and renders its two prompts."""

from understudy.character.card import Card, read_card
from understudy.character.character import (
    Character,
    Crisis,
    ExampleMessage,
    Fact,
    OutOfWorld,
    Policies,
    load_character,
    save_character,
)
from understudy.character.prompt import render_identity_prompt, render_long_prompt, render_policies
from understudy.character.schema import build_schema, published_schema
from understudy.character.sheet import parse_sheet, render_sheet
from understudy.character.start import Started, example_names, start_character
from understudy.character.text import PromptText, guess_name, read_prompt_text

__all__ = [
    "Card",
    "Character",
    "Crisis",
    "ExampleMessage",
    "Fact",
    "OutOfWorld",
    "Policies",
    "PromptText",
    "Started",
    "build_schema",
    "example_names",
    "guess_name",
    "load_character",
    "parse_sheet",
    "published_schema",
    "read_card",
    "read_prompt_text",
    "render_identity_prompt",
    "render_long_prompt",
    "render_policies",
    "render_sheet",
    "save_character",
    "start_character",
]
