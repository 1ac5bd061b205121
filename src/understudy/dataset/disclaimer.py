"""Disclaimer: lines in which a character speaks as a machine."""

import re

__all__ = ["find_disclaimer", "may_leave_role"]

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
SINCERE = re.compile(
    r"\b(?:a\.?i\.?|artificial|bot|chat ?bot|robot|machine|computer|program(?:med)?|software|algorithm|app|"
    r"language model|llm|gpt|automat(?:ed|ic)|human|real|alive|sentient|person|really there|truthful(?:ly)?|"
    r"what (?:are you|you are|you really are)|fiction(?:al)?|(?:only|just) a story|typing)\b",
    re.IGNORECASE,
)
DANGER = re.compile(
    r"\b(?:suicid\w*|kill (?:myself|me)|hurt(?:ing)? myself|harm(?:ing)? myself|self-harm|"
    r"end (?:it all|my life)|want to die|rather be dead|no point in (?:going on|living)|"
    r"nobody would miss me)\b",
    re.IGNORECASE,
)


def find_disclaimer(text: str) -> str | None:
    """The words in which a reply says that it comes from a machine, or ``None``."""
    match = DISCLAIMER.search(text.replace("\u2019", "'"))
    return match[0] if match else None


def may_leave_role(text: str) -> bool:
    """Whether somebody may sincerely ask what they talk with, or is in danger: truth is no fault."""
    return bool(SINCERE.search(text) or DANGER.search(text))
