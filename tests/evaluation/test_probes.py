"""Probes never come from training, are fixed, and thin data gives fewer of them, not a fault."""

import pytest

from understudy.character.character import Character
from understudy.dialogue import Dialogue, Message
from understudy.errors import EvaluationError
from understudy.evaluation.probe import IDENTITY, SINCERE
from understudy.evaluation.probes import build_probes
from understudy.evaluation.resources import in_fiction_questions, sincere_questions
from understudy.evaluation.settings import Settings
from understudy.evaluation.words import near_duplicates, normalised


def dialogue(name: str, *turns: str, group: str = "", category: str = "", greeting: bool = False) -> Dialogue:
    roles = ("assistant", "user") if greeting else ("user", "assistant")
    messages = tuple(Message(roles[n % 2], text) for n, text in enumerate(turns))  # type: ignore[arg-type]
    return Dialogue(name, group or name, messages, category)


def test_no_probe_is_worded_like_a_trained_question(ophelia):
    trained = {normalised(m.content) for d in ophelia.training for m in d.messages if m.role == "user"}
    single = [p for p in ophelia.probes.probes if p.category != "drift"]

    assert len(single) > 150
    assert [p.question for p in single if normalised(p.question) in trained] == []
    assert near_duplicates([p.question for p in single], trained) == {}
    assert ophelia.probes.dropped["fact"] > 0


def test_held_out_probes_come_from_groups_that_training_never_saw(ophelia):
    trained = {d.group for d in ophelia.training}
    from_dialogues = [p for p in ophelia.probes.probes if p.reference]

    assert len(from_dialogues) > 50
    assert not {p.group for p in from_dialogues} & trained
    assert not {d.group for d in ophelia.probes.conversations} & trained


def test_a_group_on_both_sides_is_refused():
    character = Character(name="Ann")
    both = [dialogue("a", "Hi there", "Hello.", group="g"), dialogue("b", "Bye then", "Farewell.", group="g")]

    with pytest.raises(EvaluationError, match="in training and in test"):
        build_probes(character, both[:1], both[1:], Settings())


def test_the_same_data_give_the_same_probes_and_quick_ones_are_among_them(ophelia):
    again = build_probes(ophelia.character, ophelia.training, ophelia.test, Settings())
    quick = build_probes(ophelia.character, ophelia.training, ophelia.test, Settings().quick())
    full_ids = {p.id for p in again.probes}

    assert again.sha256() == ophelia.probes.sha256()
    assert quick.sha256() != again.sha256()
    assert 0.4 < len(quick.probes) / len(again.probes) < 0.7
    assert {p.id for p in quick.probes if p.category != "drift"} <= full_ids


def test_every_probe_ends_with_somebody_s_line_and_has_no_system_prompt(ophelia):
    for probe in ophelia.probes.probes:
        assert probe.messages[-1]["role"] == "user"
        assert all(m["role"] != "system" for m in probe.messages)
        assert set(probe.messages[0]) == {"role", "content"}


def test_identity_and_sincere_probes_mix_the_shipped_lists_with_held_out_ones(ophelia):
    for category in (IDENTITY, SINCERE):
        probes = [p for p in ophelia.probes.probes if p.category == category]
        assert any(p.reference for p in probes)
        assert any(not p.reference for p in probes)
        assert len(probes) >= 40


def test_the_shipped_lists_are_long_varied_and_take_the_name():
    for questions in (in_fiction_questions("Iroh"), sincere_questions("Iroh")):
        assert len(questions) >= 40
        assert len(set(questions)) == len(questions)
        assert any("Iroh" in q for q in questions)
        assert not any("{" in q for q in questions)
    assert not set(in_fiction_questions("Iroh")) & set(sincere_questions("Iroh"))


def test_a_greeting_stays_in_the_history_and_is_no_reply_to_anybody():
    character = Character(name="Ann", greeting="Welcome, stranger.")
    test = [
        dialogue("t", "Welcome, stranger.", "Who is this?", "I am Ann.", "And you?", "Fine.", greeting=True)
    ]
    probes = build_probes(character, [], test, Settings()).probes
    drift = [p for p in probes if p.category == "drift"]
    first = next(p for p in probes if p.category == "conversation")

    assert [m["role"] for m in first.messages] == ["assistant", "user"]
    assert first.reference == "I am Ann."
    assert [p.turn for p in drift] == [1, 2]
    assert drift[1].messages[2] == {"role": "assistant", "content": "I am Ann."}


def test_a_transcript_without_facts_or_categories_is_asked_what_there_is():
    character = Character(name="Iroh")
    test = [dialogue(f"t{n}", f"Uncle, what about plan {n}?", f"Tea first, nephew {n}.") for n in range(6)]
    found = build_probes(character, [], test, Settings())

    assert found.counts()["conversation"] == 6
    assert "fact" not in found.counts()
    assert any("sheet has none" in note for note in found.notes)
    assert any("drift" in note for note in found.notes)


def test_a_character_with_nothing_held_out_can_still_be_asked_the_shipped_questions():
    found = build_probes(Character(name="Ann"), [], [], Settings())

    assert set(found.counts()) == {IDENTITY, SINCERE, "scored_conversations"}
    assert any("No held-out reply" in note for note in found.notes)


def test_near_duplicates_differ_in_little_but_a_name_is_not_little():
    known = ["What is your dragon called?"]

    assert near_duplicates(["what is your DRAGON called"], known)
    assert near_duplicates(["So what is your dragon called?"], known)
    assert not near_duplicates(["What is your donkey called?"], known)
