"""Character: who plays. Reads a sheet, a plain prompt or a card, and renders its two prompts."""

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

__all__ = [
    "Character",
    "Crisis",
    "ExampleMessage",
    "Fact",
    "OutOfWorld",
    "Policies",
    "load_character",
    "render_identity_prompt",
    "render_long_prompt",
    "render_policies",
    "save_character",
]
