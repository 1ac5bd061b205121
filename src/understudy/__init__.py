"""Understudy turns a character's long prompt, card or scripts into a cheap fine-tuned chat model."""

__version__ = "0.1.0"
