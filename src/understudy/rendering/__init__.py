"""Rendering: chat template, tokens and label mask, in one place for training, inference and scoring."""

from understudy.rendering.renderer import (
    IGNORE_INDEX,
    LearnedTurn,
    RenderedExample,
    RenderedPrompt,
    Renderer,
    learned_nothing,
)
from understudy.rendering.template import DEFAULT_TEMPLATE, PINNED_DATE, ChatTemplate, load_template
from understudy.rendering.tokens import Tokenizer

__all__ = [
    "DEFAULT_TEMPLATE",
    "IGNORE_INDEX",
    "PINNED_DATE",
    "ChatTemplate",
    "LearnedTurn",
    "RenderedExample",
    "RenderedPrompt",
    "Renderer",
    "Tokenizer",
    "learned_nothing",
    "load_template",
]
