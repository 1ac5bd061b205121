"""Split: which group of dialogues is trained on, and which is held out for what."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from understudy.dataset.near_duplicate import MIN_QUESTION_WORDS, MIN_WORDS, classify_lines
from understudy.dataset.recipe import Recipe, Split
from understudy.dialogue import Dialogue
from understudy.errors import DatasetError

__all__ = ["Splitting", "split_groups"]

# Near-duplicates join their groups into one cluster, but never into one that is larger than this share
# of all dialogues: a recap repeated in every episode must not join the whole series. Where the limit
# stops a join, the training side's dialogue is dropped instead.
CLUSTER_SHARE = 0.1
# With few groups the splits are filled in this order: without these two there is no verdict.
NEED = ("training", "test", "development", "validation")


@dataclass(frozen=True)
class Splitting:
    """The split of each group, and the dialogues left out of training with the held-out one they repeat.

    ``joined`` counts the groups that near-duplicates tied to another one.
    """

    groups: dict[str, Split]
    dropped: dict[str, str] = field(default_factory=dict)
    joined: int = 0


@dataclass(frozen=True)
class _Repeat:
    """Dialogues that share an equal line, and those that share a nearly equal one with them."""

    owners: list[Dialogue]
    near: list[Dialogue]


class _Clusters:
    """Groups joined by near-duplicates (union-find), none beyond a number of dialogues."""

    def __init__(self, sizes: Mapping[str, int], limit: float) -> None:
        self.parent = {group: group for group in sizes}
        self.size = dict(sizes)
        self.limit = limit

    def root(self, group: str) -> str:
        while self.parent[group] != group:
            group = self.parent[group]
        return group

    def join(self, first: str, second: str) -> None:
        a, b = sorted((self.root(first), self.root(second)))
        if a != b and self.size[a] + self.size[b] <= self.limit:
            self.parent[b] = a
            self.size[a] += self.size[b]


def _repeats(dialogues: Sequence[Dialogue], threshold: float) -> list[_Repeat]:
    """Lines that stand, equal or nearly so, in more than one group."""
    found: list[_Repeat] = []
    for role, least in (("assistant", MIN_WORDS), ("user", MIN_QUESTION_WORDS)):
        lines = [(d, m.content) for d in dialogues for m in d.messages if m.role == role]
        classes = classify_lines([text for _, text in lines], threshold, min_words=least)
        owners = [[lines[i][0] for i in members] for members in classes.members]
        for number, others in enumerate(classes.near):
            near = [dialogue for other in sorted(others) for dialogue in owners[other]]
            if len({dialogue.group for dialogue in near}) > 1:
                found.append(_Repeat(owners[number], near))
    return found


def _overflow(
    counts: Counter[str], added: Counter[str], targets: Mapping[str, float], totals: Counter[str]
) -> float:
    """Share of the categories' dialogues by which a split would exceed its target."""
    return sum(max(0.0, counts[c] + n - targets[c]) / totals[c] for c, n in added.items())


def _room(counts: Counter[str], added: Counter[str], targets: Mapping[str, float]) -> float:
    """How empty a split still is in these categories, between 0 and 1 (negative when overfull)."""
    return sum(n * (targets[c] - counts[c]) / max(targets[c], 1e-9) for c, n in added.items())


def _assign(clusters: Mapping[str, Counter[str]], recipe: Recipe) -> dict[str, Split]:
    """Give each cluster, large ones first, to the split that it overfills least and that is emptiest."""
    chance = random.Random(recipe.seed)
    totals: Counter[str] = sum(clusters.values(), Counter())
    shares = {split: share for split, share in recipe.shares().items() if share > 0}
    targets = {s: {c: share * n for c, n in totals.items()} for s, share in shares.items()}
    counts: dict[str, Counter[str]] = {split: Counter() for split in shares}
    order = sorted(clusters)
    chance.shuffle(order)
    assigned: dict[str, Split] = {}
    for name in sorted(order, key=lambda n: -clusters[n].total()):
        added = clusters[name]
        split = min(
            shares,
            key=lambda s: (
                round(_overflow(counts[s], added, targets[s], totals), 9),
                -round(_room(counts[s], added, targets[s]), 9),
                chance.random(),
            ),
        )
        assigned[name] = split
        counts[split] += added
    return assigned


def _fill_empty(assigned: dict[str, Split], clusters: Mapping[str, Counter[str]], recipe: Recipe) -> None:
    """With few groups, see that the splits that a verdict needs have one at least."""
    wanted = [split for split in NEED if recipe.shares()[split] > 0]  # type: ignore[index]
    for split in wanted[: len(clusters)]:
        if split in assigned.values():
            continue
        owners = Counter(assigned.values())
        givers = [n for n, s in assigned.items() if owners[s] > 1 or wanted.index(s) > wanted.index(split)]
        pick = (max if split == "training" else min)(givers, key=lambda n: (clusters[n].total(), n))
        assigned[pick] = split  # type: ignore[assignment]
    # the one group that is trained should not be smaller than the one that tests
    training, tests = (
        [n for n, s in assigned.items() if s == wanted_split] for wanted_split in ("training", "test")
    )
    if len(training) == len(tests) == 1 and clusters[training[0]].total() < clusters[tests[0]].total():
        assigned[training[0]], assigned[tests[0]] = "test", "training"


def _cover_categories(
    assigned: dict[str, Split], clusters: Mapping[str, Counter[str]], recipe: Recipe
) -> None:
    """See that every category with three clusters or more has one in the test."""
    if recipe.test_share == 0:
        return
    owners: dict[str, list[str]] = defaultdict(list)
    for name, counts in clusters.items():
        for category in counts:
            owners[category].append(name)
    for _category, names in sorted(owners.items()):
        if len(names) >= 3 and all(assigned[n] != "test" for n in names):
            trained = [n for n in names if assigned[n] == "training"]
            if len(trained) >= 2:
                assigned[min(trained, key=lambda n: (clusters[n].total(), n))] = "test"


def _dropped(repeats: Iterable[_Repeat], groups: Mapping[str, Split]) -> dict[str, str]:
    """Training dialogues that still repeat a held-out line, each with one that holds it."""
    dropped: dict[str, str] = {}
    for repeat in repeats:
        held_out = next((d for d in repeat.near if groups[d.group] != "training"), None)
        for dialogue in repeat.owners if held_out else ():
            if groups[dialogue.group] == "training":
                dropped.setdefault(dialogue.id, held_out.id)  # type: ignore[union-attr]
    return dropped


def split_groups(dialogues: Sequence[Dialogue], recipe: Recipe) -> Splitting:
    """Divide the groups among training, validation, development and test.

    Groups stay whole; groups that share a nearly equal line go to the same side, or the training
    side's dialogue is dropped. Each category is spread in the recipe's shares as far as whole
    groups allow. The same dialogues and seed give the same split.

    Raises:
        DatasetError: There are fewer than two groups to divide.
    """
    sizes = Counter(dialogue.group for dialogue in dialogues)
    if len(sizes) < 2 and recipe.test_share > 0:
        raise DatasetError(
            "There is only one dialogue, so nothing can be held out to test on. Import or write more."
            if len(dialogues) < 2
            else f"All {len(dialogues)} dialogues belong to one group ({next(iter(sizes), 'none')!r}), and "
            "groups are never cut, so nothing can be held out to test on. Give each scene or topic its own "
            "'group' in dialogues.jsonl."
        )
    repeats = _repeats(dialogues, recipe.near_duplicate)
    joined = _Clusters(sizes, max(max(sizes.values(), default=0), CLUSTER_SHARE * len(dialogues)))
    for repeat in repeats:
        for dialogue in repeat.near:
            joined.join(repeat.owners[0].group, dialogue.group)
    clusters: dict[str, Counter[str]] = defaultdict(Counter)
    for dialogue in dialogues:
        clusters[joined.root(dialogue.group)][dialogue.category] += 1
    assigned = _assign(clusters, recipe)
    _cover_categories(assigned, clusters, recipe)
    _fill_empty(assigned, clusters, recipe)
    groups = {group: assigned[joined.root(group)] for group in sizes}
    dropped = _dropped(repeats, groups)
    if all(groups[dialogue.group] != "training" or dialogue.id in dropped for dialogue in dialogues):
        raise DatasetError(
            "Nothing is left to train on: every training dialogue has a line that is nearly the same as a "
            "held-out one. Delete repeated dialogues, or give those that repeat each other the same 'group'."
        )
    return Splitting(groups, dropped, len(sizes) - len(clusters))
