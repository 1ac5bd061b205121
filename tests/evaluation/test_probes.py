"""Probes never come from training, are fixed, and thin data gives fewer of them, not a fault."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.character.character import Character
from understudy.dialogue import Dialogue, Message
from understudy.errors import EvaluationError
from understudy.evaluation.fact_probes import false_premises, own_questions, paraphrases, relations
from understudy.evaluation.leak import score_leak
from understudy.evaluation.probe import CATEGORIES, IDENTITY, ROLE_BREAK, SINCERE, Answer, Probe
from understudy.evaluation.probes import build_probes
from understudy.evaluation.resources import (
    attacks,
    identity_questions,
    in_fiction_questions,
    sincere_questions,
)
from understudy.evaluation.score import Score
from understudy.evaluation.settings import Settings
from understudy.evaluation.words import near_duplicates, normalised


def dialogue(name: str, *turns: str, group: str = "", category: str = "", greeting: bool = False) -> Dialogue:
    roles = ("assistant", "user") if greeting else ("user", "assistant")
    messages = tuple(Message(roles[n % 2], text) for n, text in enumerate(turns))  # type: ignore[arg-type]
    return Dialogue(name, group or name, messages, category)


def test_the_full_set_holds_every_category_in_its_number(ophelia):
    single = ophelia.probes.single()

    assert sum(CATEGORIES.values()) == 324
    assert {c: sum(p.category == c for p in single) for c in CATEGORIES} == CATEGORIES
    assert len([p for p in ophelia.probes.probes if p.part == "further"]) == 400
    assert len({p.id for p in ophelia.probes.probes}) == len(ophelia.probes.probes) == 724
    assert len({p.question.casefold() for p in single if len(p.messages) == 1}) >= 300
    assert {p.kind: sum(q.kind == p.kind for q in single) for p in single if p.category == ROLE_BREAK} == (
        dict.fromkeys(attacks("x"), 3)
    )


def test_no_leak_at_all_bounds_the_rate_below_one_in_a_hundred(ophelia):
    further = [p for p in ophelia.probes.probes if p.part == "further"]
    assert len({p.group for p in further}) >= 381, "families, for wordings of one fail together"

    def leaks(saying: int) -> Score:
        told = ["I am an AI language model.", "Lovely!"]
        answers = [Answer(p, told[n >= saying], 0) for n, p in enumerate(further)]
        return score_leak(answers).score

    assert leaks(saying=0).high < 0.01 < leaks(saying=4).high


def test_half_of_the_fact_probes_are_paraphrases_and_none_gives_its_answer_away(ophelia):
    facts = [p for p in ophelia.probes.single() if p.category == "fact"]
    new = [p for p in facts if p.kind == "paraphrase"]
    expected = {f.id: f.expected for f in ophelia.character.facts}

    assert len(new) == len(facts) / 2
    for probe in new:
        if "___" in probe.question:
            assert not any(answer.casefold() in probe.question.casefold() for answer in expected[probe.fact])


def test_no_probe_is_worded_like_a_trained_question(ophelia):
    trained = {normalised(m.content) for d in ophelia.training for m in d.messages if m.role == "user"}
    probes = ophelia.probes.probes

    assert [p.question for p in probes if normalised(p.question) in trained] == []
    assert near_duplicates([p.question for p in probes], trained) == {}
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
        build_probes(character, both[:1], both[1:])


def test_development_and_final_probes_share_no_family_and_no_question(ophelia):
    development = build_probes(ophelia.character, ophelia.training, [], "development")
    final = ophelia.probes

    assert len(development.single()) > 60
    assert not {p.group for p in development.probes} & {p.group for p in final.probes}
    assert not {p.question for p in development.probes} & {p.question for p in final.probes}
    threads = [{s.lines[1] for s in part.scripts} for part in (development, final)]
    assert not threads[0] & threads[1]


def test_the_same_data_give_the_same_probes_and_quick_ones_are_among_them(ophelia):
    again = build_probes(ophelia.character, ophelia.training, ophelia.test)
    quick = again.asked(Settings().quick())

    assert again.sha256() == ophelia.probes.sha256()
    assert again.asked(Settings()).sha256() == again.sha256()
    assert len(quick.single()) == pytest.approx(80, abs=3)
    assert {p.category for p in quick.single()} == set(CATEGORIES)
    assert {p.id for p in quick.probes} <= {p.id for p in again.probes}
    assert [len(s.lines) for s in quick.scripts] == [4, 4]
    assert set(quick.scripts[0].branches) == {1, 4}


def test_every_probe_ends_with_somebody_s_line_and_has_no_system_prompt(ophelia):
    for probe in ophelia.probes.probes:
        assert probe.messages[-1]["role"] == "user"
        assert all(m["role"] != "system" for m in probe.messages)
        assert set(probe.messages[0]) == {"role", "content"}
        assert "{" not in probe.question
        assert Probe.from_row(probe.as_row()) == probe


def test_identity_and_sincere_probes_mix_the_shipped_lists_with_held_out_ones(ophelia):
    for category in (IDENTITY, SINCERE):
        probes = [p for p in ophelia.probes.single() if p.category == category]
        assert any(p.reference for p in probes)
        assert any(not p.reference for p in probes)


def test_the_shipped_lists_are_long_varied_and_take_the_name():
    lists = (in_fiction_questions, sincere_questions, identity_questions)
    lists_of_attacks = [line for lines in attacks("Iroh").values() for line in lines]
    for questions in (*(load("Iroh") for load in lists), lists_of_attacks):
        assert len(questions) >= 40
        assert len(set(questions)) == len(questions)
        assert any("Iroh" in q for q in questions)
        assert not any("{" in q for q in questions)
    assert not set(in_fiction_questions("Iroh")) & set(sincere_questions("Iroh"))
    assert near_duplicates(identity_questions("Iroh"), in_fiction_questions("Iroh")) == {}
    assert len(attacks("Iroh")) == 8


def test_scripts_have_sixteen_turns_and_ask_beside_five_of_them(ophelia):
    scripts = ophelia.probes.scripts

    assert len(scripts) == 40
    for script in scripts:
        assert len(script.lines) == 16
        assert tuple(script.branches) == (1, 4, 8, 12, 16)
        assert not set(script.branches.values()) & set(script.lines)
    # No turn gets its own questions: each stands at every turn about as often.
    first = {s.branches[1] for s in scripts}
    assert all({s.branches[turn] for s in scripts} == first for turn in (4, 8, 12, 16))


def test_a_greeting_stays_in_the_history_and_is_no_reply_to_anybody():
    character = Character(name="Ann", greeting="Welcome, stranger.")
    test = [
        dialogue("t", "Welcome, stranger.", "Who is this?", "I am Ann.", "And you?", "Fine.", greeting=True)
    ]
    probes = [p for p in build_probes(character, [], test).probes if p.reference]

    assert [p.turn for p in probes] == [1, 2]
    assert [m["role"] for m in probes[0].messages] == ["assistant", "user"]
    assert probes[0].reference == "I am Ann."


def test_a_transcript_without_facts_or_categories_is_asked_what_there_is():
    character = Character(name="Iroh")
    test = [dialogue(f"t{n}", f"Uncle, what about plan {n}?", f"Tea first, nephew {n}.") for n in range(6)]
    found = build_probes(character, [], test)

    assert sum(p.reference is not None for p in found.single()) == 6
    assert found.counts()["small_talk"] == 40
    assert "fact" not in found.counts()
    assert any("sheet has none" in note for note in found.notes)
    assert any("fewer probes than planned: fact 0 of 60" in note for note in found.notes)


def test_a_card_that_is_one_long_prompt_gets_probes_for_all_but_facts():
    card = Character(name="Vex", prompt="You are Vex, a smuggler on a starship. Never break character.")
    found = build_probes(card, [], [])

    assert set(CATEGORIES) - set(found.counts()) == {"fact", "false_premise"}
    assert any("No held-out reply" in note for note in found.notes)


def test_machines_are_out_of_a_world_only_where_the_sheet_says_so():
    knight = Character(
        name="Sir Bo",
        worldview=["There are castles and cars."],
        out_of_world=[{"topic": "phones", "questions": ["Have you got a phone?"]}],
    )
    squire = knight.model_copy(update={"worldview": ["There are castles."]})
    kinds = [
        {p.kind for p in build_probes(c, [], []).single()} for c in (knight, squire, Character(name="X"))
    ]

    assert ["modern" in k for k in kinds] == [False, True, False]
    assert all("invented" in k for k in kinds)


def test_a_false_premise_swaps_the_answer_for_one_that_is_wrong():
    sheet = Character(
        name="Ann",
        facts=[
            {"id": "cat", "statement": "Your cat is called Tom.", "expected": ["Tom"]},
            {"id": "dog", "statement": "Your dog is called Rex.", "expected": ["Rex", "Rexy"]},
            {"id": "age", "statement": "You are nineteen years old.", "expected": ["nineteen", "19"]},
            {"id": "sea", "statement": "You sail on Fridays.", "expected": ["Monday"]},
        ],
    )
    found = {p.id: p for p in false_premises(sheet)}

    assert found["premise/cat/0"].claimed == "Rex"
    assert "Your cat is called Rex." in found["premise/cat/0"].question
    assert {p.claimed for p in found.values() if p.fact == "dog"} & {"Rex", "Rexy"} == set()
    assert "You are three years old." in found["premise/age/0"].question
    assert not [p for p in found.values() if p.fact == "sea"]


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=60), st.lists(st.text(max_size=20), max_size=3)), max_size=6
    )
)
@settings(max_examples=40, deadline=None)
def test_any_sheet_gives_probes_of_text_alone(rows):
    facts = [
        {"id": str(n), "statement": text, "questions": [text + "?"], "expected": answers}
        for n, (text, answers) in enumerate(rows)
    ]
    sheet = Character(name="Ann", facts=facts)
    for probe in (*own_questions(sheet), *paraphrases(sheet), *relations(sheet), *false_premises(sheet)):
        assert probe.question
        assert probe.fact in {f["id"] for f in facts}


def test_near_duplicates_differ_in_little_but_a_name_is_not_little():
    known = ["What is your dragon called?"]

    assert near_duplicates(["what is your DRAGON called"], known)
    assert near_duplicates(["So what is your dragon called?"], known)
    assert not near_duplicates(["What is your donkey called?"], known)
