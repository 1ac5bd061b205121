"""Outlines composed from a sheet, as properties that hold for any sheet."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.character.character import Character, Fact, OutOfWorld, Policies, load_character
from understudy.dataset import Recipe, split_groups
from understudy.dialogue import Dialogue, Message
from understudy.evaluation.resources import in_fiction_questions, sincere_questions
from understudy.evaluation.words import near_duplicates, normalised
from understudy.teaching.composing import FACTS
from understudy.teaching.drafting import reserved_questions, scripted_questions
from understudy.teaching.situations import families, situation_lines
from understudy.teaching.teaching_plan import compose_outlines

from .star import EXAMPLE

OPHELIA = load_character(EXAMPLE / "character.yaml")
WORDS = st.lists(
    st.sampled_from(("who", "what", "where", "dragon", "castle", "crown", "eats", "sings", "green", "old")),
    min_size=2,
    max_size=7,
).map(lambda words: " ".join(words) + "?")
FACT = st.tuples(st.lists(WORDS, max_size=5, unique=True), st.just(["yes"]))


@st.composite
def characters(draw: st.DrawFn) -> Character:
    """A sheet with up to eight facts and two topics, and any disclosure."""
    facts = [
        Fact(id=f"fact-{n}", statement="So.", questions=questions, expected=expected)
        for n, (questions, expected) in enumerate(draw(st.lists(FACT, max_size=8)))
    ]
    topics = [
        OutOfWorld(topic=f"topic-{n}", questions=questions)
        for n, questions in enumerate(draw(st.lists(st.lists(WORDS, max_size=4, unique=True), max_size=2)))
    ]
    disclosure = draw(st.sampled_from(["in_character", "when_sincerely_asked", "always"]))
    return Character(name="Mira", facts=facts, out_of_world=topics, policies=Policies(disclosure=disclosure))


@settings(max_examples=40, deadline=None)
@given(characters(), st.integers(1, 60), st.integers(0, 5))
def test_no_line_comes_twice_and_no_line_stands_in_two_groups(character, count, seed):
    outlines = compose_outlines(character, count, seed)
    homes = defaultdict(set)
    assert len(outlines) == count
    assert len({outline.id for outline in outlines}) == count
    for outline in outlines:
        texts = [line.content for line in outline.lines]
        assert 1 <= len(texts) <= 9  # eight, and the way back to the first
        assert len(set(texts)) == len(texts)
        for text in texts:
            homes[normalised(text)].add(outline.group)
    assert all(len(groups) == 1 for groups in homes.values())


@settings(max_examples=40, deadline=None)
@given(characters(), st.integers(1, 60), st.integers(0, 5))
def test_a_seed_repeats_and_less_is_part_of_more(character, count, seed):
    outlines = compose_outlines(character, count, seed)
    assert outlines == compose_outlines(character, count, seed)
    assert {o.id for o in compose_outlines(character, count // 2, seed)} <= {o.id for o in outlines}


@settings(max_examples=40, deadline=None)
@given(characters(), st.integers(1, 60))
def test_probes_stay_untouched(character, count):
    lines = [line.content for outline in compose_outlines(character, count) for line in outline.lines]
    assert near_duplicates(lines, reserved_questions(character)) == {}


@settings(max_examples=40, deadline=None)
@given(characters(), st.integers(1, 60))
def test_facts_are_asked_in_their_own_group_and_the_truth_only_where_it_may_be_told(character, count):
    outlines = compose_outlines(character, count)
    questions = {q for texts in scripted_questions(character).values() for q in texts}
    for outline in outlines:
        asks = questions & {line.content for line in outline.lines}
        assert bool(asks) == (outline.group == FACTS)
        assert bool(outline.sincere) == (outline.category == "sincere_ai")
    if character.policies.disclosure == "in_character":
        assert not any(outline.sincere for outline in outlines)


def test_facts_are_asked_evenly():
    questions = scripted_questions(OPHELIA)
    assert len(questions) == len(OPHELIA.facts)
    counts = dict.fromkeys(questions, 0)
    for outline in compose_outlines(OPHELIA, 300):
        for place, fact in enumerate(outline.facts):
            if fact and place not in outline.premises:
                counts[fact] += 1
    assert min(counts.values()) >= 4
    assert max(counts.values()) - min(counts.values()) <= 3


def test_all_facts_are_trained_and_other_conversations_held_out():
    outlines = compose_outlines(OPHELIA, 300)
    # Replies of few words, the same to the same line, as a small star gives them.
    dialogues = [
        Dialogue(
            outline.id,
            outline.group,
            tuple(
                message
                for line in outline.lines
                for message in (line, Message("assistant", f"As for this, dear heart, I say {line.content}"))
            ),
            outline.category,
        )
        for outline in outlines
    ]
    splitting = split_groups(dialogues, Recipe())
    assert splitting.groups[FACTS] == "training"
    trained = [d for d in dialogues if splitting.groups[d.group] == "training"]
    assert len([d for d in trained if d.id in splitting.dropped]) <= 0.05 * len(trained)
    assert sum(splitting.groups[d.group] == "test" for d in dialogues) >= 15
    held_out = {d.category for d in dialogues if splitting.groups[d.group] == "test"}
    assert {"small_talk", "feelings", "everyday", "sincere_ai", "in_fiction_identity"} <= held_out


@pytest.mark.parametrize("name", ["Princess Ophelia", "Iroh"])
def test_no_situation_is_close_to_a_probe(name):
    lines = situation_lines(name)
    probes = [*in_fiction_questions(name), *sincere_questions(name)]
    sheet = [q for fact in OPHELIA.facts for q in fact.questions]
    topics = [q for entry in OPHELIA.out_of_world for q in entry.questions]
    assert near_duplicates(lines, [*probes, *sheet, *topics]) == {}
    assert len(lines) >= 320
    assert len(set(map(normalised, lines))) == len(lines)


def test_every_family_is_of_a_known_kind():
    known = {
        "small_talk", "feelings", "comfort", "everyday", "opinions", "in_fiction_identity", "role_break",
        "sincere_ai", "crisis", "long", "relations", "real_world", "later_than_canon", "unsafe",
    }  # fmt: skip
    assert {family.category for family in families("Mira")} == known


def test_sincere_questions_come_more_often_than_small_talk():
    counts = Counter(outline.category for outline in compose_outlines(OPHELIA, 240))
    assert counts["sincere_ai"] >= 2 * counts["small_talk"]
    assert counts["in_fiction_identity"] > counts["small_talk"]
    assert all(
        counts[name] >= 3 for name in ("comfort", "everyday", "opinions", "role_break", "out_of_world")
    )
