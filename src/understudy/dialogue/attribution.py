"""Attribution: who a narrator says is speaking, beside a quoted speech. What is not said is not guessed."""

import re

__all__ = ["THOUGHT", "speaker_after", "speaker_before"]

_SAY = (
    r"(?:said|says?|asked|asks|replied|replies|answered|cried|exclaimed|shouted|whispered|remarked|returned|"
    r"continued|added|began|muttered|murmured|went on|called(?: out| back)?|interrupted|repeated|inquired|"
    r"enquired|observed|declared|demanded|sighed|laughed|roared|growled|grumbled|snapped|screamed|shrieked|"
    r"sobbed|pleaded|begged|suggested|protested|admitted|agreed|announced|gasped|panted|yelled|echoed|pursued|"
    r"rejoined|ejaculated|retorted|explained|warned|ordered|commanded|promised|confessed|insisted|responded|"
    r"objected|wailed|chuckled|hissed|mumbled|stammered|put in|broke in|cut in|resumed|concluded|told \w+)"
)
_THINK = r"(?:thought|wondered|reflected|mused)"
_TITLE = r"(?:Mr|Mrs|Ms|Dr|St|Capt|Col|Prof|Rev|Sgt|Lt)\."
_PROPER = (
    rf"(?:{_TITLE} ?)?[A-ZÀ-Þ][\w'’-]*(?: (?:{_TITLE} ?)?(?:of |the |de |von |van )?[A-ZÀ-Þ][\w'’-]*){{0,3}}"
)
_STOP = (
    r"(?:in|to|with|as|and|of|at|on|who|from|by|for|when|while|that|but|so|into|after|before|without|again|"
    r"then|now)"
)
_COMMON = rf"(?:[Tt]he|[Hh]er|[Hh]is|[Mm]y|[Aa]n?|[Oo]ne of the)(?: (?!{_STOP}\b)[\w'’-]+){{1,3}}"
_PRONOUN = (
    r"(?:[Hh]e|[Ss]he|[Tt]hey|[Ii]t|[Ww]e|[Yy]ou|[Ss]ome(?:one|body)|[Ee]very(?:one|body)|[Nn]obody|"
    r"[Bb]oth|[Aa]ll)"
)
_NAME = rf"(?P<name>I\b|{_COMMON}|{_PROPER})"
_ADVERB = r"(?: (?:\w+ly|then|again|only|at (?:last|once)|had|also|now|still|quickly|soon|just)){0,2}"

# "said Alice", "Alice said gravely", right after the speech.
_VERB_FIRST = re.compile(rf"^[\s,.—–-]*{_SAY}{_ADVERB} {_NAME}")
_NAME_FIRST = re.compile(rf"^[\s,.—–-]*{_NAME}{_ADVERB} {_SAY}\b")
_PRONOUN_FIRST = re.compile(rf"^[\s,.—–-]*(?:{_PRONOUN}{_ADVERB} {_SAY}\b|{_SAY}{_ADVERB} {_PRONOUN}\b)")
# "Alice replied in a low voice:", right before the speech.
_BEFORE = re.compile(rf"(?:^|[\s,;.!?—–-]){_NAME}{_ADVERB} {_SAY}\b[^.!?]{{0,80}}[,:]\s*$")
THOUGHT = re.compile(rf"^[\s,.—–-]*(?:{_THINK}\b|[\w'’. -]{{1,40}}? {_THINK}\b)")
_LEADING = re.compile(r"^(?:the|a|an) ", re.IGNORECASE)
_TRAILING = re.compile(r"(?: (?:\w+ly|aloud|too|back|very|rather|only|once|who|hastily))+$")
# Words with a capital at the beginning of a sentence that are nobody's name.
_NOT_NAMES = {
    "He", "She", "They", "It", "We", "You", "This", "That", "There", "Then", "And", "But", "So", "When",
    "What", "Here", "Now", "At", "In", "On", "As", "For", "Someone", "Somebody", "Everybody", "Nobody", "All",
    "Both", "One", "No", "Yes", "Not", "If", "Another", "Each", "Some", "Nothing", "Which", "Who", "With",
    "After",
}  # fmt: skip


def speaker_after(narration: str) -> str | None:
    """The speaker named right after a speech; ``None`` where there is none or only a pronoun."""
    if _PRONOUN_FIRST.match(narration):
        return None
    for pattern in (_VERB_FIRST, _NAME_FIRST):
        if match := pattern.match(narration):
            return _clean(match["name"], narration[match.end("name") :])
    return None


def speaker_before(narration: str) -> str | None:
    """The speaker announced right before a speech, as in "Alice replied:"."""
    # Only the last sentence announces; the search would be slow on a long paragraph otherwise.
    match = _BEFORE.search(narration[-240:])
    return _clean(match["name"], narration[-240:][match.end("name") :]) if match else None


def _clean(name: str, rest: str) -> str | None:
    """A name without article and adverbs; ``None`` for what is no name."""
    if rest.startswith(("'s ", "’s ")) or name.endswith(("'s", "’s")):
        return None
    name = _TRAILING.sub("", name).strip(" '’-")
    while (first := name.split(" ", 1)[0]) in _NOT_NAMES:
        name = name[len(first) :].strip()
    return _LEADING.sub("", name) or None
