"""Recipes: prompts, windows, what is learned, and how much of each kind is in it."""

import json
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_dialogues import make_dialogue

from understudy.dataset import Recipe, build_dataset, check_file, split_dialogues
from understudy.dataset.balance import KINDS, balance_dialogues, kind_of
from understudy.dataset.examples import dialogue_examples
from understudy.dataset.picture import draw_dataset, length_histogram
from understudy.dialogue import Dialogue, Message
from understudy.errors import ConfigError


def talk(number, turns, category="", opens=False):
    messages = [Message("assistant", "Welcome.")] if opens else []
    for turn in range(turns):
        messages += [
            Message("user", f"Question {number}.{turn}?"),
            Message("assistant", f"Answer {number}.{turn}."),
        ]
    return Dialogue(f"d{number}", f"g{number}", tuple(messages), category)


def examples(dialogue, **recipe):
    return [rows for _, rows in dialogue_examples(dialogue, Recipe(**recipe))]


def learned(rows):
    return [row["content"] for row in rows if row["role"] == "assistant" and row.get("weight") != 0]


@settings(max_examples=200, deadline=None)
@given(
    turns=st.integers(1, 30),
    window=st.integers(2, 12),
    opens=st.booleans(),
    quiet=st.sets(st.integers(0, 29)),
)
def test_every_reply_is_learned_once_in_windows_that_fit(turns, window, opens, quiet):
    dialogue = talk(0, turns, opens=opens)
    messages = tuple(
        replace(m, weight=0) if m.role == "assistant" and i in quiet else m
        for i, m in enumerate(dialogue.messages)
    )
    dialogue = replace(dialogue, messages=messages)

    windows = examples(dialogue, shape="windows", window_messages=window)

    wanted = [m.content for m in messages if m.role == "assistant" and m.weight != 0]
    assert [text for rows in windows for text in learned(rows)] == wanted
    assert all(len(rows) <= window + 1 for rows in windows)
    assert all(rows[-1]["role"] == "assistant" for rows in windows)
    # What goes before in a window went right before in the dialogue.
    texts = [m.content for m in messages]
    for rows in windows:
        said = [row["content"] for row in rows]
        start = texts.index(said[0])
        assert texts[start : start + len(said)] == said


def test_later_windows_know_what_went_before():
    windows = examples(talk(0, 8), shape="windows", window_messages=8)

    assert [len(rows) for rows in windows] == [8, 8, 8]
    assert learned(windows[1]) == ["Answer 0.4.", "Answer 0.5."]


def test_only_the_last_reply_is_learned_if_asked():
    (rows,) = examples(talk(0, 3), learn="last")
    assert learned(rows) == ["Answer 0.2."]
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"system_prompt": "mix", "identity_share": 0.5, "paraphrase_share": 0.1, "full_share": 0.2},
         {"identity": 0.5, "paraphrase": 0.1, "full": 0.2, "none": 0.2}),
        ({"system_prompt": "mix", "identity_share": 0.0, "paraphrase_share": 0.0}, {"none": 1.0}),
        ({"system_prompt": "paraphrases"}, {"identity": 1 / 7, "paraphrase": 6 / 7}),
    ],
)  # fmt: skip
def test_prompts_are_mixed_in_the_shares_of_the_recipe(make_folder, recipe, expected):
    folder = make_folder([make_dialogue(i) for i in range(100)])

    manifest = build_dataset(folder, Recipe(**recipe))

    total = manifest.counts["training"].examples
    assert set(manifest.system_prompts) == set(expected)
    for kind, share in expected.items():
        assert manifest.system_prompts[kind] == pytest.approx(share * total, abs=1)
    lines = (folder.dataset / "training.jsonl").read_text().splitlines()
    found = Counter(json.loads(line)["messages"][0]["content"] for line in lines)
    long = [text for text in found if len(text) > 100]
    assert len(long) == ("full" in expected)
    if recipe["system_prompt"] == "paraphrases":
        assert len(found) == 7
    # Held-out examples have what is deployed.
    test_lines = (folder.dataset / "test.jsonl").read_text().splitlines()
    assert {json.loads(line)["messages"][0]["content"] for line in test_lines} == {"You are Ophelia."}


CATEGORIES = st.sampled_from(
    ["", "worldview", "in_fiction_identity", "sincere_ai", "crisis", "everyday", "general"]
)
SHARES = st.floats(0, 1)


@settings(max_examples=200, deadline=None)
@given(categories=st.lists(CATEGORIES, max_size=60), identity=SHARES, protective=SHARES, general=SHARES)
def test_no_kind_is_above_its_share_and_nothing_else_is_left_out(categories, identity, protective, general):
    dialogues = [talk(i, 1, category) for i, category in enumerate(categories)]
    recipe = Recipe(most_identity=identity, most_protective=protective, most_general=general)

    kept, left_out = balance_dialogues(dialogues, recipe)

    counts = Counter(kind_of(d.category) for d in kept)
    whole = Counter(kind_of(d.category) for d in dialogues)
    assert sorted([d.id for d in kept] + left_out) == sorted(d.id for d in dialogues)
    assert counts["character"] == whole["character"]
    if whole["character"]:
        for kind, share in (("identity", identity), ("protective", protective), ("general", general)):
            assert counts[kind] <= share * len(kept) + 1e-6
    elif dialogues:
        assert kept


def test_what_is_too_much_is_left_out_of_training_only_and_noted(make_folder):
    dialogues = [talk(i, 1, "sincere_ai" if i % 2 else "") for i in range(200)]
    folder = make_folder(dialogues)

    manifest = build_dataset(folder, Recipe(most_protective=0.2))
    unlimited = build_dataset(folder, Recipe())

    kinds = manifest.kinds["training"]
    assert kinds["protective"] <= 0.2 * sum(kinds.values())
    assert kinds["character"] == unlimited.kinds["training"]["character"]
    assert manifest.kinds["test"] == unlimited.kinds["test"]
    assert any("the recipe wants fewer of their kind" in note for note in manifest.notes)
    assert not any("wants fewer" in note for note in unlimited.notes)
    build_dataset(folder, Recipe(most_protective=0.2))
    assert len(split_dialogues(folder, "training")) == sum(kinds.values())
    assert check_file(folder.dataset / "training.jsonl").ok


def test_a_dataset_that_protects_nothing_is_told_so(make_folder):
    manifest = build_dataset(make_folder([make_dialogue(i) for i in range(60)]), Recipe(protect=False))
    assert any("No dialogue protects the character" in note for note in manifest.notes)


def test_the_picture_is_an_image_of_the_counts(make_folder):
    folder = make_folder([talk(i, 1, "sincere_ai" if i % 4 else "") for i in range(80)])
    manifest = build_dataset(folder, Recipe())

    text = (folder.dataset / "picture.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)

    assert root.tag.endswith("svg")
    assert f"protective: {manifest.kinds['training']['protective']} dialogues" in text
    assert sum(manifest.lengths) == manifest.counts["training"].examples


def test_a_picture_of_nothing_and_of_odd_names_is_well_formed():
    ElementTree.fromstring(draw_dataset("<&\"'", {"training": {}}, length_histogram([])))
    assert length_histogram([1, 32, 33, 5000]) == [2, 1, 0, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learn": "some"}, "--learn 'some' is not one of all, last"),
        ({"identity_share": 0.9, "full_share": 0.2}, "shares of --mix"),
        ({"most_general": 1.5}, "--most-general must be between 0 and 1"),
        ({"window_messages": 1}, "--window must be 2 or more"),
        ({"shape": "triples"}, "is not one of pairs, windows, conversations"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Recipe(**settings)


def test_every_choice_has_its_reason():
    for prompt in ("none", "identity", "paraphrases", "full", "mix"):
        for shape in ("pairs", "windows", "conversations"):
            reasons = Recipe(system_prompt=prompt, shape=shape).reasons()
            assert set(reasons) == {"system_prompt", "shape", "learn", "balance", "split"}
            assert all(len(reason) > 20 for reason in reasons.values())
    assert KINDS == ("character", "identity", "protective", "general")
