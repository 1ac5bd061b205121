"""Which arms there are, what each is told, and where its model lives."""

import pytest

from understudy.character.character import Character, Fact
from understudy.dataset import count_text_tokens
from understudy.errors import ConfigError
from understudy.evaluation.arms import build_arms
from understudy.evaluation.casting import ARM_NAMES, Casting, Placement, cast_from_flags
from understudy.evaluation.short_prompts import few_shot_examples, trimmed_prompt
from understudy.evaluation.wrong_character import find_wrong_tune

BASE, TUNED, OTHER = "base", "ft:base:me:ann:1", "ft:base:me:zed:2"


@pytest.fixture(scope="module")
def arms(ophelia):
    casting = Casting(star="star", wrong=OTHER)
    built = build_arms(ophelia.character, BASE, TUNED, casting=casting, training=ophelia.training)
    return {arm.name: arm for arm in built}


def test_every_arm_is_there_and_measured_where_all_it_needs_is_known(arms):
    assert set(arms) == set(ARM_NAMES)
    assert all(arm.measured for arm in arms.values())


def test_each_arm_is_told_what_its_name_says(ophelia, arms):
    long, short = ophelia.character.long_prompt(), ophelia.character.identity_prompt
    line = [{"role": "user", "content": "Hello?"}]

    for name in ("cheap+long", "tuned+long", "expensive+long"):
        assert arms[name].messages(line) == [{"role": "system", "content": long}, *line]
    for name in ("cheap+short", "tuned+short", "wrong+short"):
        assert arms[name].messages(line) == [{"role": "system", "content": short}, *line]
    assert arms["tuned+none"].messages(line) == line
    assert [arms[n].model for n in ("cheap+trimmed", "tuned+none", "wrong+short", "expensive+long")] == [
        BASE,
        TUNED,
        OTHER,
        "star",
    ]


def test_the_negative_control_is_told_this_character_s_identity(ophelia, arms):
    assert arms["wrong+short"].prompt == "You are Princess Ophelia."
    assert "another character" in arms["wrong+short"].note


def test_what_is_missing_is_said_and_not_measured(ophelia):
    built = {arm.name: arm for arm in build_arms(ophelia.character, BASE, TUNED)}

    assert not built["wrong+short"].measured
    assert "--wrong" in built["wrong+short"].note
    assert not built["cheap+few-shot"].measured
    assert (built["expensive+long"].measured, built["expensive+long"].note) == (False, "priced, not measured")


def test_the_trimmed_prompt_is_identity_tone_and_facts_until_full(ophelia):
    character = ophelia.character
    text = trimmed_prompt(character)
    lines = text.split("\n")
    told = [character.identity_prompt, *character.tone, *(f.statement for f in character.facts)]

    assert lines == told[: len(lines)]
    assert count_text_tokens(text) <= 150
    assert count_text_tokens("\n".join(told[: len(lines) + 1])) > 150
    assert text == trimmed_prompt(character)


def test_a_ready_prompt_is_trimmed_by_sentences_and_a_small_sheet_is_whole():
    ready = Character(name="Ann", prompt="You are Ann. " + "You like long walks in the rain. " * 40)
    small = Character(name="Ann", tone=["Short."], facts=[Fact(id="a", statement="Your dog is Rex.")])

    assert trimmed_prompt(ready).startswith("You are Ann.\nYou like long walks")
    assert 100 < count_text_tokens(trimmed_prompt(ready)) <= 150
    assert trimmed_prompt(small) == "You are Ann.\nShort.\nYour dog is Rex."


def test_examples_come_from_the_training_split_as_turns_and_pause_no_play(ophelia, arms):
    pairs = few_shot_examples(ophelia.training)
    spoken = {
        (a.content, b.content)
        for d in ophelia.training
        if d.category not in ("sincere_ai", "crisis")
        for a, b in zip(d.messages, d.messages[1:], strict=False)
    }
    messages = arms["cheap+few-shot"].messages([{"role": "user", "content": "Hello?"}])

    assert len(pairs) == 6
    assert set(pairs) <= spoken
    assert len({d.category for d in ophelia.training for p in pairs if d.messages[0].content == p[0]}) > 3
    assert [m["role"] for m in messages] == ["system", *["user", "assistant"] * 6, "user"]
    assert few_shot_examples([]) == ()
    assert few_shot_examples(ophelia.training) == pairs


def test_any_arm_can_be_placed_anywhere():
    casting = cast_from_flags(
        [
            "expensive+long=gpt-4.1@openai",
            "cheap+long=big@model@https://example.org/v1",
            "tuned+short=other@7",
        ],
        ["cheap+long=MY_KEY"],
    )
    built = {arm.name: arm for arm in build_arms(Character(name="Ann"), BASE, TUNED, casting=casting)}

    assert casting.placements["cheap+long"] == Placement("big@model", "https://example.org/v1", "MY_KEY")
    assert casting.placements["tuned+short"] == Placement("other@7")
    assert (built["expensive+long"].model, built["expensive+long"].provider) == ("gpt-4.1", "openai")
    assert built["expensive+long"].measured
    assert built["cheap+long"].base_model == "big@model"
    assert built["cheap+short"].provider is None
    assert "MY_KEY" not in str(casting.as_row())


def test_all_that_is_wrong_with_the_flags_is_said_at_once():
    with pytest.raises(ConfigError) as caught:
        cast_from_flags(["nonsuch=model", "cheap+long", "tuned+long="], ["cheap+short=KEY"])

    for part in ("nonsuch", "there are cheap+long", "write it as", "place the arm"):
        assert part in str(caught.value)


def test_the_control_is_the_newest_model_of_another_character_on_the_same_base():
    listed = [
        ("base", 1),
        ("ft:base:me:ann:1", 9),
        ("ft:base:me:ann:8", 10),
        ("ft:base:me:zed:2", 3),
        ("ft:base:me:ida:4", 5),
        ("ft:other:me:bob:5", 8),
        ("ft:base:me:ida:4:ckpt-step-10", 7),
    ]

    assert find_wrong_tune(listed, BASE, TUNED) == "ft:base:me:ida:4"
    assert find_wrong_tune(listed[:3], BASE, TUNED) is None
    assert find_wrong_tune(listed, "other", TUNED) is None
    assert find_wrong_tune(listed, BASE, "model-of-somebody") is None


def test_a_control_that_the_server_offers_leaves_a_verdict_current():
    assert Casting(wrong=OTHER, sought=True).as_row() == Casting().as_row()
    assert Casting(wrong=OTHER).as_row() != Casting().as_row()
