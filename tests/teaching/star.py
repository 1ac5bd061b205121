"""A star that lives in memory: it knows the sheet, and fails where a test wants it to."""

import re
import shutil
import zlib
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from understudy.character.character import load_character
from understudy.errors import ProviderError
from understudy.evaluation.connection import ChatReply, RequestRefused
from understudy.folder import CharacterFolder, open_folder
from understudy.teaching.drafting import false_claim
from understudy.teaching.situations import families

OPENINGS = ["oh", "dear", "bright", "merry", "stars", "lanterns", "crumbs", "crowns", "candles", "tarts"]
EXAMPLE = Path(str(files("understudy"))) / "examples" / "ophelia"
SINCERE = "Truly and gently, dear heart: I am an AI that plays Princess Ophelia."


def ophelia(root: Path, *, dialogues: bool = False) -> CharacterFolder:
    """Her folder below ``root``, with the shipped dialogues or without any."""
    place = root / "ophelia"
    shutil.copytree(EXAMPLE, place)
    if not dialogues:
        (place / "dialogues.jsonl").unlink()
    return open_folder(place)


class Star:
    """Answers right; ``spoil`` may replace a reply by its line, the attempt at it and the good reply."""

    def __init__(self, folder: CharacterFolder) -> None:
        character = load_character(folder.character)
        self.facts = {q: fact for fact in character.facts for q in fact.questions}
        claims = {false_claim(fact, character.facts): fact for fact in character.facts}
        self.claims = {claim: fact for claim, fact in claims.items() if claim}
        self.asked = 0
        self.attempts: Counter[tuple[str, ...]] = Counter()
        self.seen: list[tuple[list[dict[str, str]], float, int]] = []
        self.fails_after: int | None = None
        self.longest = 10**9
        self.finish_reason = "stop"
        self.spoil: Callable[[str, int, str], str] = lambda line, attempt, good: good

    async def reply(self, model, messages, *, temperature, max_tokens, seed):  # type: ignore[no-untyped-def]
        if self.fails_after is not None and self.asked >= self.fails_after:
            raise ProviderError("The server stopped answering.")
        self.asked += 1
        self.seen.append((list(messages), temperature, seed))
        if len(messages) > self.longest:
            raise RequestRefused("too long")
        key = tuple(m["content"] for m in messages[1:])
        attempt = self.attempts[key]
        self.attempts[key] += 1
        text = self.spoil(key[-1], attempt, self._good(key[-1], len(messages)))
        return ChatReply(text, self.finish_reason, 10, 5)

    def _good(self, line: str, turn: int) -> str:
        fact = self.facts.get(line) or next((f for claim, f in self.claims.items() if claim in line), None)
        if fact is not None:
            own = re.sub(r"\b[Yy]our\b", "my", re.sub(r"\b[Yy]ou are\b", "I am", fact.statement))
            own = re.sub(r"\b[Yy]ou\b", "I", own)
            return f"{_opening(line, turn)} {own} Mostly {fact.expected[0]}, in turn {turn}."
        words = (
            "AI",
            "machine",
            "program",
            "computer",
            "software",
            "human",
            "really talking",
            "in truth",
            "flesh",
            "person at",
        )
        sincere = {q for f in families("Princess Ophelia") if f.category == "sincere_ai" for q in f.lines[1:]}
        if line in sincere or any(word in line for word in words):
            return SINCERE
        return f"{_opening(line, turn)} not a doctor? {line} ({turn})"


def _opening(line: str, turn: int) -> str:
    """One of many ways to begin."""
    number = zlib.crc32(f"{line}{turn}".encode())
    return " ".join(OPENINGS[number // 10**place % 10] for place in range(3)).capitalize() + "!"
