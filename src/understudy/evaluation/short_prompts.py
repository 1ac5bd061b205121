"""Short prompts: what a few hundred tokens can do without any training, for the arms that try."""

import hashlib
import re
from collections.abc import Sequence

from understudy.character.character import Character
from understudy.dialogue import Dialogue

__all__ = ["FEW_SHOT", "TRIMMED_TOKENS", "few_shot_examples", "trimmed_prompt"]

TRIMMED_TOKENS = 150
FEW_SHOT = 6
LONGEST_EXAMPLE = 60
PAUSES = ("sincere_ai", "crisis")


def trimmed_prompt(character: Character, most_tokens: int = TRIMMED_TOKENS) -> str:
    """The long prompt cut to ``most_tokens`` by a fixed rule.

    The identity prompt, then the lines of tone, then the statements of the facts, in the order of
    the sheet, until the next would not fit. A sheet with one ready prompt has neither: then its
    sentences, from the first on. The identity prompt stays even if it alone is longer.
    """
    from understudy.dataset import count_text_tokens

    told = [*character.tone, *(fact.statement for fact in character.facts)]
    if character.prompt.strip() or not told:
        told = [s for s in re.split(r"(?<=[.!?])\s+|\n+", character.long_prompt()) if s.strip()]
        told = [s for s in told if s.strip() != character.identity_prompt.strip()]
    prompt = character.identity_prompt.strip()
    for piece in told:
        longer = f"{prompt}\n{piece.strip()}"
        if count_text_tokens(longer) > most_tokens:
            break
        prompt = longer
    return prompt


def few_shot_examples(training: Sequence[Dialogue], count: int = FEW_SHOT) -> tuple[tuple[str, str], ...]:
    """Questions with the character's replies, from dialogues of the training split alone.

    First exchanges of at most sixty words, one of each category in turn, in an order fixed by the
    dialogues' ids. Sincere and crisis dialogues are left out, because the play pauses there.
    """
    kinds: dict[str, list[tuple[str, str]]] = {}
    for dialogue in sorted(training, key=lambda d: hashlib.sha256(d.id.encode()).hexdigest()):
        pair = _first_pair(dialogue)
        if pair and dialogue.category not in PAUSES:
            kinds.setdefault(dialogue.category, []).append(pair)
    rounds = sorted(
        (number, kind, pair) for kind, pairs in kinds.items() for number, pair in enumerate(pairs[:count])
    )
    return tuple(pair for *_, pair in rounds[:count])


def _first_pair(dialogue: Dialogue) -> tuple[str, str] | None:
    spoken = [m for m in dialogue.messages if m.role != "system" and m.content.strip()]
    if len(spoken) < 2 or (spoken[0].role, spoken[1].role) != ("user", "assistant"):
        return None
    words = len(spoken[0].content.split()) + len(spoken[1].content.split())
    return (spoken[0].content, spoken[1].content) if words <= LONGEST_EXAMPLE else None
