"""Third person: lines about "you" as the cards of others write them, about "Lucky" and "he"."""

import random
import re

from understudy.miniature.lexicon import load_table

__all__ = ["told_of"]

PRONOUNS = {"he": ("he", "him", "his"), "she": ("she", "her", "her")}
IRREGULAR = {"are": "is", "have": "has", "were": "was", "do": "does", "am": "is", "go": "goes"}
ADVERBS = r"(?:always|never|still|only|first|once|secretly|often|also|just|really|no longer)"
SUBJECT = re.compile(
    rf"(?P<before>^|[.!?:,;] |\b\w+ )(?P<you>[Yy]ou) (?P<adverb>{ADVERBS} )?(?P<verb>[a-z]+)\b"
)


def told_of(text: str, name: str, rng: random.Random, pronoun: str = "he") -> str:
    """``text``, one line of a sheet, told of ``name``: ``You love tea.`` becomes ``Lucky loves tea.``

    The first subject is the name, later ones are the pronoun. Quoted words stay as they are.
    """
    parts = re.split(r'("[^"]*")', text)
    subject, target, owner = PRONOUNS[pronoun]
    leads, finite = load_table("grammar")["before_subject"], load_table("grammar")["finite"]
    named = rng.random() < 0.7

    def verb(match: re.Match[str]) -> str:
        nonlocal named
        before, is_first = match["before"], match["you"] == "You"
        word = before.strip(" ,.;:!?").lower()
        if not is_first and word and word not in leads and match["verb"] not in finite:
            return f"{before}{target} {match['adverb'] or ''}{match['verb']}"
        said = name if named and is_first else subject.capitalize() if is_first else subject
        named = named and not is_first
        return f"{before}{said} {match['adverb'] or ''}{_inflect(match['verb'])}"

    for index in range(0, len(parts), 2):
        parts[index] = re.sub(r"\b(Y|y)our character\b", name, parts[index])
        part = SUBJECT.sub(verb, parts[index])
        if named and "Your " in part:
            part = part.replace("Your ", f"{name}'s ", 1)
        part = re.sub(r"\bYour\b", owner.capitalize(), re.sub(r"\byour\b", owner, part))
        part = re.sub(
            r"\byourself\b", f"{target}self", re.sub(r"\byours\b", "his" if owner == "his" else "hers", part)
        )
        part = re.sub(r"\bYou\b", name, part)
        parts[index] = re.sub(r"\byou\b", target, part)
    return "".join(parts)


def _inflect(verb: str) -> str:
    """The third person singular of a verb in the present; past and modal forms stay."""
    if verb in IRREGULAR:
        return IRREGULAR[verb]
    if verb in load_table("grammar")["unchanged"] or (verb.endswith("ed") and verb not in ("feed", "need")):
        return verb
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("s", "sh", "ch", "x", "z", "o")) else f"{verb}s"
