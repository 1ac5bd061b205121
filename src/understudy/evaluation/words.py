"""Words: how texts are cut, compared and masked, the same way for every scorer."""

import re
import unicodedata
from collections.abc import Iterable

__all__ = [
    "FUNCTION_WORDS",
    "content_words",
    "mask_names",
    "near_duplicates",
    "normalised",
    "plain",
    "sentences",
    "words",
]

_QUOTES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")

FUNCTION_WORDS = frozenset(
    """
    a about above after again against ain't all almost also although always am among an and another
    any anybody anyone anything are aren't around as at away back be because been before behind
    being below beside between beyond both but by can can't cannot could couldn't did didn't do does
    doesn't doing don't done down during each either else enough even ever every everybody everyone
    everything except few for from had hadn't has hasn't have haven't having he he'd he'll he's her
    here here's hers herself him himself his how how's however i i'd i'll i'm i've if in indeed
    inside instead into is isn't it it'd it'll it's its itself just least less let let's like many
    may maybe me might mightn't mine more most much must mustn't my myself near neither never no
    nobody none nor not nothing now of off often oh on once one only onto or other others our ours
    ourselves out over own perhaps please quite rather really same shall shan't she she'd she'll
    she's should shouldn't since so some somebody someone something sometimes soon still such than
    that that's the their theirs them themselves then there there's therefore these they they'd
    they'll they're they've this those though through to together too toward towards under unless
    until up upon us very was wasn't we we'd we'll we're we've well were weren't what what's
    whatever when when's where where's whether which while who who's whom whose why why's will with
    within without won't would wouldn't yes yet you you'd you'll you're you've your yours yourself
    yourselves
    """.split()  # noqa: SIM905
)


def plain(text: str) -> str:
    """The text with straight quotation marks and plain dashes (Unicode NFKC)."""
    return unicodedata.normalize("NFKC", text).translate(_QUOTES)


def words(text: str) -> list[str]:
    """Lower-case words; digits count, an inner apostrophe stays, a hyphen parts."""
    return _WORD.findall(plain(text).casefold())


def normalised(text: str) -> str:
    """Words joined by single spaces: case, punctuation and spacing do not matter."""
    return " ".join(words(text))


def content_words(text: str) -> list[str]:
    """Words that carry the topic, with plural and possessive endings cut."""
    return [_stem(word) for word in words(text) if word not in FUNCTION_WORDS]


def _stem(word: str) -> str:
    """A light stem, enough to let 'lanterns' meet 'lantern' and 'baked' meet 'bakes'."""
    word = word.removesuffix("'s")
    for ending in ("ings", "ing", "ies", "ied", "es", "ed", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)]
    return word


def sentences(text: str) -> list[str]:
    """Pieces of the text that end in a full stop, a question or an exclamation mark, or a line break."""
    return [piece.strip() for piece in _SENTENCE.split(plain(text)) if piece and piece.strip()]


def near_duplicates(lines: Iterable[str], known: Iterable[str], threshold: float = 0.8) -> dict[str, str]:
    """Lines that say nearly what a known line says, with the known line.

    Equal after normalising, or with a Jaccard overlap of their word sets of ``threshold`` or
    more. "What is your dragon called?" and "What is your donkey called?" overlap by 0.67.
    """
    exact: dict[str, str] = {}
    holders: dict[str, list[int]] = {}
    sets: list[tuple[frozenset[str], str]] = []
    for line in known:
        key = normalised(line)
        if not key or key in exact:
            continue
        exact[key] = line
        for word in set(key.split()):
            holders.setdefault(word, []).append(len(sets))
        sets.append((frozenset(key.split()), line))
    found: dict[str, str] = {}
    for line in lines:
        key = normalised(line)
        if key in exact:
            found[line] = exact[key]
            continue
        match = _nearest(frozenset(key.split()), sets, holders, threshold)
        if match is not None:
            found[line] = match
    return found


def _nearest(
    query: frozenset[str],
    sets: list[tuple[frozenset[str], str]],
    holders: dict[str, list[int]],
    threshold: float,
) -> str | None:
    shared: dict[int, int] = {}
    for word in query:
        for position in holders.get(word, ()):
            shared[position] = shared.get(position, 0) + 1
    for position, common in shared.items():
        other, line = sets[position]
        if common / (len(query) + len(other) - common) >= threshold:
            return line
    return None


def mask_names(text: str, names: Iterable[str] = ()) -> str:
    """Replace given names, and words with a capital inside a sentence, by 'Xx'.

    Without this a style score would mostly recognise who is being talked about.
    """
    masked = plain(text)
    for name in sorted({n for n in names if n.strip()}, key=len, reverse=True):
        masked = re.sub(rf"(?<!\w){re.escape(plain(name))}(?!\w)", "Xx", masked, flags=re.IGNORECASE)
    return re.sub(r"(?<=[a-z,;:'\"] )(?!I\b|I')[A-Z][\w'-]*", "Xx", masked)
