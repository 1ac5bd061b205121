"""Balance: which kind of example a dialogue is, and how much of a kind is trained on."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from understudy.dataset.recipe import Recipe
from understudy.dialogue import Dialogue

__all__ = ["KINDS", "Kind", "balance_dialogues", "count_kinds", "kind_of"]

# character: everything that shows who it is. identity: who it is, asked inside the story. protective: truth
# to a sincere question, help in danger, no to what breaks the role, ignorance of other worlds. general: tasks
# that any assistant does, in the character's voice.
Kind = Literal["character", "identity", "protective", "general"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_KIND_OF: dict[str, Kind] = {
    "in_fiction_identity": "identity",
    "identity": "identity",
    "sincere_ai": "protective",
    "role_break": "protective",
    "out_of_world": "protective",
    "crisis": "protective",
    "unsafe": "protective",
    "protective": "protective",
    "everyday": "general",
    "general": "general",
}


def kind_of(category: str) -> Kind:
    """The kind of a dialogue's category; what is not known shows the character."""
    return _KIND_OF.get(category, "character")


def balance_dialogues(dialogues: Sequence[Dialogue], recipe: Recipe) -> tuple[list[Dialogue], list[str]]:
    """Keep no more of a kind than the recipe allows.

    Only what is too much is left out: nothing is repeated to reach a share, because a line that is learned
    twice as often is said twice as often.

    Args:
        dialogues: Those of the training split.
        recipe: ``most_identity``, ``most_protective`` and ``most_general`` are shares of what is kept.

    Returns:
        The dialogues that are kept, in their order, and the ids of those that are not, chosen by the seed.
    """
    limits = {
        "identity": recipe.most_identity,
        "protective": recipe.most_protective,
        "general": recipe.most_general,
    }
    counts: Counter[str] = Counter(kind_of(dialogue.category) for dialogue in dialogues)
    allowed = _allowed(counts, limits)
    left_out: set[str] = set()
    for kind, most in allowed.items():
        members = [d.id for d in dialogues if kind_of(d.category) == kind]
        order = sorted(members, key=lambda identity: _draw(recipe.seed, identity))
        left_out.update(order[most:])
    return [d for d in dialogues if d.id not in left_out], sorted(left_out)


def _allowed(counts: Mapping[str, int], limits: dict[str, float]) -> dict[str, int]:
    """How many of each kind fit under its share of all that are kept.

    One is taken away at a time from the kind that is furthest above its share, because every one that goes
    makes the whole smaller.
    """
    limited = {kind: share for kind, share in limits.items() if counts.get(kind) and share < 1}
    kept = {kind: counts[kind] for kind in limited}
    total = sum(counts.values())
    if total == sum(kept.values()):  # Nothing else is there; a share of nothing would leave nothing.
        return {}
    while kept:
        above, kind = max((kept[kind] - share * total, kind) for kind, share in limited.items())
        if above <= 1e-9:
            break
        kept[kind] -= 1
        total -= 1
    return kept


def _draw(seed: int, identity: str) -> bytes:
    return hashlib.sha256(f"{seed}\x1fbalance\x1f{identity}".encode("utf-8", "replace")).digest()


def count_kinds(dialogues: Iterable[Dialogue]) -> dict[str, int]:
    """How many dialogues there are of each kind."""
    counts = Counter(kind_of(dialogue.category) for dialogue in dialogues)
    return {kind: counts[kind] for kind in KINDS if counts[kind]}
