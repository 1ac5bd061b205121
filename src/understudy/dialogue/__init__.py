"""Dialogue: what was said. Reads transcripts, scripts and chat logs into the character's dialogues."""

from understudy.dialogue.dialogue import Dialogue, Message, load_dialogues, save_dialogues

__all__ = ["Dialogue", "Message", "load_dialogues", "save_dialogues"]
