"""Miniature: the embedded models, and the generator and training that made them.

The generator needs no torch; ``train``, ``batches`` and ``tokens`` belong to the training alone and are
imported from their modules.
"""

from understudy.miniature.conversations import STAGES, Conversation, Stage, compose, held_out_sheet
from understudy.miniature.exchanges import Exchange
from understudy.miniature.layouts import render_sheet
from understudy.miniature.sheets import Sheet, draw_sheet

__all__ = [
    "STAGES",
    "Conversation",
    "Exchange",
    "Sheet",
    "Stage",
    "compose",
    "draw_sheet",
    "held_out_sheet",
    "render_sheet",
]
