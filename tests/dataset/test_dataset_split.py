"""Groups stay whole, near-duplicates stay on one side, categories are spread."""

import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_dialogues import make_dialogue

from understudy.dataset import SPLITS, Recipe, split_groups
from understudy.dataset.near_duplicate import classify_lines, normalize_line
from understudy.dialogue import Dialogue, Message, load_dialogues
from understudy.errors import DatasetError

HELD_OUT = {"validation", "development", "test"}


def dialogue(name, *lines, group=None, category=""):
    messages = tuple(Message("assistant" if i % 2 else "user", line) for i, line in enumerate(lines))
    return Dialogue(name, group or name, messages, category)


def shares(dialogues, splitting):
    counts = Counter(splitting.groups[d.group] for d in dialogues)
    return {split: counts[split] / len(dialogues) for split in SPLITS}


def test_shares_are_met():
    dialogues = [make_dialogue(i) for i in range(100)]
    assert shares(dialogues, split_groups(dialogues, Recipe())) == pytest.approx(Recipe().shares(), abs=0.02)


def test_every_category_is_spread():
    dialogues = [make_dialogue(i, category="abc"[i % 3]) for i in range(150)]
    splitting = split_groups(dialogues, Recipe())
    for category in "abc":
        members = [d for d in dialogues if d.category == category]
        assert shares(members, splitting) == pytest.approx(Recipe().shares(), abs=0.04)


def test_a_rare_category_has_a_test():
    dialogues = [make_dialogue(i) for i in range(60)] + [
        make_dialogue(100 + i, category="crisis") for i in range(3)
    ]
    splitting = split_groups(dialogues, Recipe())
    assert "test" in {splitting.groups[d.group] for d in dialogues if d.category == "crisis"}


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    dialogues = [make_dialogue(i) for i in range(40)]
    first = split_groups(dialogues, Recipe(seed=1))
    assert split_groups(list(reversed(dialogues)), Recipe(seed=1)).groups == first.groups
    assert split_groups(dialogues, Recipe(seed=2)).groups != first.groups


@pytest.mark.parametrize(
    ("count", "expected"),
    [(2, {"training", "test"}), (3, {"training", "test", "development"}), (4, set(SPLITS))],
)
def test_few_scenes_still_give_a_test(count, expected):
    dialogues = [make_dialogue(i, group=f"scene {i % count}") for i in range(20)]
    assert set(split_groups(dialogues, Recipe()).groups.values()) == expected


def test_the_larger_of_two_scenes_is_trained():
    dialogues = [make_dialogue(i, group="long" if i < 18 else "short") for i in range(20)]
    assert split_groups(dialogues, Recipe()).groups == {"long": "training", "short": "test"}


def test_one_group_cannot_be_divided():
    with pytest.raises(DatasetError, match=r"belong to one group \('g'\).*Give each scene or topic"):
        split_groups([make_dialogue(i, group="g") for i in range(5)], Recipe())


def test_groups_with_nearly_equal_lines_stay_together():
    dialogues = [make_dialogue(i) for i in range(40)]
    dialogues += [
        dialogue(f"twin {i}", "Who lit it?", f"The brave keeper lit the great lantern on the hill{end}")
        for i, end in enumerate((".", " again!", ", again."))
    ]
    for seed in range(8):
        splitting = split_groups(dialogues, Recipe(seed=seed))
        assert len({splitting.groups[f"twin {i}"] for i in range(3)}) == 1
        assert splitting.joined == 2
        assert not splitting.dropped


def test_short_stock_lines_tie_nothing_together():
    dialogues = [dialogue(f"d{i}", "Hello there.", "Yes, of course.") for i in range(30)]
    splitting = split_groups(dialogues, Recipe())
    assert splitting.joined == 0
    assert set(splitting.groups.values()) == set(SPLITS)


def test_a_line_in_every_scene_does_not_join_them_all_and_is_not_trained_beside_a_test():
    recap = "Long ago the four kingdoms lived together in peace, until everything changed."
    dialogues = []
    for i in range(40):
        plain = make_dialogue(i)
        start = (Message("user", "And then?"), Message("assistant", recap))
        dialogues.append(Dialogue(plain.id, plain.group, (*start, *plain.messages)))
    dialogues += [make_dialogue(i) for i in range(50, 60)]
    splitting = split_groups(dialogues, Recipe())
    assert set(splitting.groups.values()) == set(SPLITS)
    trained = [
        d for d in dialogues if splitting.groups[d.group] == "training" and d.id not in splitting.dropped
    ]
    held_out = [d for d in dialogues if splitting.groups[d.group] in HELD_OUT]
    assert splitting.dropped
    assert any(recap in m.content for d in held_out for m in d.messages)
    assert not any(recap in m.content for d in trained for m in d.messages)


def test_dialogues_that_all_repeat_each_other_are_refused():
    line = "The brave keeper lit the great lantern on the hill."
    with pytest.raises(DatasetError, match=r"Nothing is left to train on.*the same 'group'"):
        split_groups([dialogue(f"d{i}", "Who?", line) for i in range(30)], Recipe())


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(["", "a", "b"]), st.integers(0, 15)),
        min_size=2,
        max_size=40,
    )
)
@settings(max_examples=80, deadline=None)
def test_no_held_out_line_is_ever_trained(rows):
    lines = [
        f"The {a} keeper of the {b} tower sings about {c} ships"
        for a in ("old", "odd")
        for b in ("red", "far")
        for c in ("nine", "nice", "tall", "some")
    ]
    dialogues = [
        dialogue(f"d{i}", "What then?", lines[line], group=f"g{group}", category=category)
        for i, (group, category, line) in enumerate(rows)
    ]
    if len({d.group for d in dialogues}) < 2:
        return
    try:
        splitting = split_groups(dialogues, Recipe())
    except DatasetError:  # nothing is left to train on
        return
    assert {"training", "test"} <= set(splitting.groups.values())
    sides = [(d, splitting.groups[d.group]) for d in dialogues if d.id not in splitting.dropped]
    replies = [d.messages[1].content for d, _ in sides]
    for i, j in classify_lines(replies, 0.7).pairs():
        assert (sides[i][1] == "training") == (sides[j][1] == "training")


def test_near_duplicates_are_found_by_words_not_by_punctuation():
    lines = [
        "The lantern burns brightly tonight, my friend!",
        "The lantern burns brightly tonight my friend",
        "A goose is loud.",
        "the LANTERN burns brightly tonight, my friends...",
        "Something else entirely happened there.",
    ]
    assert classify_lines(lines).pairs() == {(0, 1), (0, 3), (1, 3)}


@given(
    st.lists(st.text(alphabet="ab c", min_size=10, max_size=40), max_size=14),
    st.sampled_from([0.5, 0.7, 0.9]),
)
@settings(max_examples=80, deadline=None)
def test_the_index_finds_what_comparing_all_pairs_finds(lines, threshold):
    def grams(line):
        return {f" {line} "[i : i + 4] for i in range(len(line) - 1)}

    normal = [normalize_line(line) for line in lines]
    slow = set()
    for j, b in enumerate(normal):
        for i, a in enumerate(normal[:j]):
            long = min(a.count(" "), b.count(" ")) >= 4
            if long and len(grams(a) & grams(b)) >= threshold * len(grams(a) | grams(b)):
                slow.add((i, j))
    assert classify_lines(lines, threshold).pairs() == slow


def test_iroh_keeps_episodes_apart(shared, tmp_path):
    """Episodes of a real series are not glued together by its stock phrases."""
    text = (shared / "data/avatar-transcripts/avatar.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    dialogues, before = [], Message("user", "Well?")
    for number, row in enumerate(rows):
        if row["character"] == "Iroh":
            dialogues.append(
                Dialogue(f"{number}", row["chapter"], (before, Message("assistant", row["full_text"])))
            )
        elif row["character"] != "Scene Description":
            before = Message("user", row["full_text"])
    splitting = split_groups(dialogues, Recipe())
    assert len(dialogues) > 300
    assert splitting.joined <= 2
    assert len(splitting.dropped) <= 2
    assert shares(dialogues, splitting) == pytest.approx(Recipe().shares(), abs=0.03)


def test_ophelia_is_split_without_losses():
    import understudy

    path = Path(understudy.__file__).parent / "examples" / "ophelia" / "dialogues.jsonl"
    dialogues = load_dialogues(path)
    splitting = split_groups(dialogues, Recipe())
    assert len(splitting.dropped) <= len(dialogues) // 100
    assert shares(dialogues, splitting) == pytest.approx(Recipe().shares(), abs=0.02)
    for category in {d.category for d in dialogues}:
        assert "test" in {splitting.groups[d.group] for d in dialogues if d.category == category}
