"""Subsets: nested, stratified, the same whatever order the dialogues come in."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.dialogue import Dialogue, Message
from understudy.study.subset import nested_order

WORDS = (Message("user", "Hm?"), Message("assistant", "Ah."))


@st.composite
def dialogues(draw):
    count = draw(st.integers(1, 60))
    categories = draw(
        st.lists(st.sampled_from(["tone", "fact", "sincere_ai", ""]), min_size=count, max_size=count)
    )
    groups = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    return [
        Dialogue(f"d{i}", f"{category}/{group}", WORDS, category)
        for i, (category, group) in enumerate(zip(categories, groups, strict=True))
    ]


@given(dialogues(), st.integers(0, 5), st.randoms())
@settings(max_examples=60, deadline=None)
def test_holds_every_dialogue_once_in_an_order_of_its_own(found, seed, chance):
    ordered = nested_order(found, seed)
    shuffled = list(found)
    chance.shuffle(shuffled)

    assert sorted(d.id for d in ordered) == sorted(d.id for d in found)
    assert nested_order(shuffled, seed) == ordered


@given(dialogues(), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_every_beginning_holds_each_category_in_its_share(found, seed):
    ordered, totals = nested_order(found, seed), Counter(d.category for d in found)

    for size in range(1, len(ordered) + 1):
        counts = Counter(d.category for d in ordered[:size])
        for category, total in totals.items():
            # One for rounding, and one more for every further category that rounds the other way.
            assert abs(counts[category] - total * size / len(found)) <= len(totals)


@given(dialogues(), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_groups_take_turns(found, seed):
    for category in {d.category for d in found}:
        groups = [d.group for d in nested_order(found, seed) if d.category == category]
        distinct = len(set(groups))
        assert len(set(groups[:distinct])) == distinct


def test_another_seed_draws_others(material):
    first, second = (nested_order(material.pool, seed)[:50] for seed in (1, 2))

    assert len({d.id for d in first} & {d.id for d in second}) < 25


def test_ophelias_beginning_has_the_mix_of_all(material):
    ordered = nested_order(material.pool, 1)
    share = Counter(d.category for d in material.pool)

    for size in (50, 100, 200):
        counts = Counter(d.category for d in ordered[:size])
        for category, total in share.items():
            assert abs(counts[category] - size * total / len(ordered)) <= 1.5, category
