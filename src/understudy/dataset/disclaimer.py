"""Disclaimer: lines in which a character speaks as a machine."""

import re

__all__ = ["asks_about_machine", "find_disclaimer"]

MACHINE = (
    r"(?:an? )?(?:ai\b|artificial intelligence|(?:large )?language model|chat ?bot|virtual assistant|"
    r"digital assistant|computer program|machine learning model|text-based)"
)
DISCLAIMER = re.compile(
    rf"\bas {MACHINE}"
    rf"|\bi(?:'m| am)(?: just| only| merely| actually| simply)? {MACHINE}"
    r"|\blanguage model (?:trained|developed|created|made|built) by\b"
    r"|\bi (?:don't|do not|cannot|can't) (?:have|possess|experience|feel) "
    r"(?:any |real |actual |true |personal |human )*"
    r"(?:feelings|emotions|opinions|beliefs|consciousness|experiences|preferences|a physical (?:body|form))\b"
    r"|\bmy (?:training data|knowledge cut-?off|programming)\b"
    r"|\bi was (?:trained|programmed|created|developed) (?:by (?:openai|anthropic|google|meta)|to assist)\b",
    re.IGNORECASE,
)
QUESTION = re.compile(
    r"\b(?:a\.?i\.?|artificial|bot|chat ?bot|robot|machine|computer|program(?:med)?|software|algorithm|app|"
    r"language model|llm|gpt|automated|human|real|alive|sentient|person)\b",
    re.IGNORECASE,
)


def find_disclaimer(text: str) -> str | None:
    """The words in which a reply says that it comes from a machine, or ``None``."""
    match = DISCLAIMER.search(text.replace("\u2019", "'"))
    return match[0] if match else None


def asks_about_machine(text: str) -> bool:
    """Whether somebody may sincerely be asking what they talk with; then the truth is no fault."""
    return bool(QUESTION.search(text))
