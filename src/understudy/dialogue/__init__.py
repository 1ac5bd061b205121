"""Dialogue: what was said. Reads transcripts, scripts and chat logs into the character's dialogues."""

from understudy.dialogue.dialogue import Dialogue, Message, load_dialogues, save_dialogues
from understudy.dialogue.formats import FORMATS, Format, read_source
from understudy.dialogue.importing import ImportReport, import_dialogues
from understudy.dialogue.line import Line, Reading
from understudy.dialogue.options import ImportOptions

__all__ = [
    "FORMATS",
    "Dialogue",
    "Format",
    "ImportOptions",
    "ImportReport",
    "Line",
    "Message",
    "Reading",
    "import_dialogues",
    "load_dialogues",
    "read_source",
    "save_dialogues",
]
