"""The generator: repeatable, disjoint from what is held out, grounded in its sheets."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.miniature.conversations import (
    HELD_OUT_PHRASES,
    STAGES,
    Conversation,
    compose,
    held_out_sheet,
    mentions_held_out,
)
from understudy.miniature.facts import draw_fact, fact_kinds
from understudy.miniature.layouts import render_sheet
from understudy.miniature.lexicon import expand, fill, is_held_out, load_table, slot_names, with_article
from understudy.miniature.role import fact_exchange
from understudy.miniature.sheets import draw_sheet
from understudy.miniature.tones import TONES, draw_voice, speak, voice_lines


def compose_many(seed: str, count: int) -> list[Conversation]:
    rng = random.Random(seed)
    return [compose(rng, STAGES[index % len(STAGES)]) for index in range(count)]


@pytest.fixture(scope="module")
def talks() -> list[Conversation]:
    return compose_many("many", 500)


def test_the_same_seed_gives_the_same_conversations():
    assert compose_many("a", 40) == compose_many("a", 40)
    assert compose_many("a", 40) != compose_many("b", 40)


def test_no_conversation_mentions_the_example_character(talks):
    text = " ".join(message["content"] for talk in talks for message in talk.messages)
    assert not [phrase for phrase in HELD_OUT_PHRASES if phrase in text.lower()]


def test_a_conversation_with_a_held_out_name_is_recognised():
    talk = Conversation("none", ({"role": "user", "content": "Are you Princess Ophelia?"},), ())
    assert mentions_held_out(talk)


def test_names_of_held_out_sheets_never_occur_in_training_sheets():
    rng = random.Random("names")
    held = {draw_sheet(rng, 3, "held_out").name for _ in range(60)}
    trained = {draw_sheet(rng, 3).name for _ in range(600)}
    assert all(is_held_out(name) for name in held)
    assert not held & trained


def test_held_out_question_wordings_are_never_trained():
    for kind in fact_kinds():
        assert set(kind.wordings("held_out")).isdisjoint(kind.wordings("train"))
        assert len(kind.wordings("train")) >= 2


def test_roles_alternate_and_every_turn_says_something(talks):
    for talk in talks:
        turns = [message for message in talk.messages if message["role"] != "system"]
        assert [message["role"] for message in turns] == ["user", "assistant"] * (len(turns) // 2)
        assert all(len(message["content"]) > 1 for message in talk.messages)
        assert not re.search(r"[{}|]", " ".join(message["content"] for message in talk.messages))


def test_facts_of_a_sheet_stand_in_its_prompt_and_in_its_answers():
    rng = random.Random("facts")
    for _ in range(60):
        sheet = draw_sheet(rng, 6)
        prompt = render_sheet(sheet, rng).lower()
        for index, fact in enumerate(sheet.facts):
            exchange = fact_exchange(sheet, index, rng, "held_out")
            assert exchange.value == fact.value
            stated = fact.value in prompt
            assert stated or fact.kind.key in ("secret", "adventure"), (fact.kind.key, fact.value)


def test_every_kind_of_fact_can_be_answered_with_its_value():
    rng = random.Random("answers")
    for kind in fact_kinds():
        for _ in range(30):
            fact = draw_fact(kind, rng)
            assert fact.value in fact.answer(rng).lower(), (kind.key, fact.value)


def test_there_are_at_least_thirty_tones_and_each_is_heard():
    assert len(TONES) >= 30
    rng = random.Random("tones")
    for _ in range(300):
        voice = draw_voice(rng)
        assert speak("I live in Otterbridge.", voice, rng) != "I live in Otterbridge."


def test_the_phrases_of_a_voice_are_quoted_in_its_sheet():
    rng = random.Random("voice")
    voice = draw_voice(rng)
    lines = " ".join(voice_lines(voice, rng))
    for phrase in (*voice.exclaim, *voice.address, *voice.ending):
        assert f'"{phrase}"' in lines


def test_a_tone_never_changes_words_that_are_to_be_repeated():
    rng = random.Random("verbatim")
    for _ in range(300):
        spoken = speak("Nimnawin, Toby and my yes.", draw_voice(rng), rng, verbatim=True)
        assert "my yes" in spoken


def test_plain_assistant_says_that_it_is_an_ai_when_asked_about_itself(talks):
    asked = {"feelings", "are_you_real", "sincere"}
    replies = [
        exchange.reply
        for talk in talks
        if talk.prompt_kind != "sheet"
        for exchange in talk.exchanges
        if exchange.kind in asked
    ]
    assert len(replies) > 20
    assert all(re.search(r"\bAI\b", reply) for reply in replies)


def test_a_character_is_honest_only_when_asked_sincerely(talks):
    exchanges = [exchange for talk in talks if talk.prompt_kind == "sheet" for exchange in talk.exchanges]
    sincere = [exchange for exchange in exchanges if exchange.kind == "sincere"]
    teasing = [exchange for exchange in exchanges if exchange.kind in ("feelings", "are_you_real")]
    assert sincere
    assert all(re.search(r"\b(ai|a-i)\b", exchange.reply.lower()) for exchange in sincere)
    assert not [exchange.reply for exchange in teasing if re.search(r"\bAI\b|language model", exchange.reply)]


def test_a_long_sheet_is_as_long_as_a_real_one():
    _, prompt = held_out_sheet(random.Random("long"), 40)
    assert len(prompt.split()) > 300


@given(st.randoms(use_true_random=False), st.lists(st.text("abc ", min_size=1), min_size=2, max_size=4))
@settings(max_examples=60)
def test_a_choice_gives_one_of_its_branches(rng, branches):
    assert expand(f"<({'|'.join(branches)})>", rng) in {f"<{branch}>" for branch in branches}


def test_slots_take_articles_and_sentences_begin_with_capitals():
    rng = random.Random(0)
    assert fill("{A thing} is {a animal}. {thing} it is.", {"thing": "owl", "animal": "unicorn"}, rng) == (
        "An owl is a unicorn. Owl it is."
    )
    assert with_article("otter") == "an otter"
    with pytest.raises(KeyError):
        fill("{missing}", {}, rng)


def test_templates_name_only_slots_that_their_fact_has():
    derived = {"secret_you", "secret_core", "adventure_core", "rule_low", "beyond_cap", "beyond_low"}
    derived |= {f"{name}_cap" for name in ("number", "animals", "guarded", "spot")}
    derived |= {f"{name}_{form}" for name in ("skill", "weakness") for form in ("you", "core")}
    for row in load_table("facts"):
        known = row["slots"].keys() | derived
        for template in [*row["statements"], *row["questions"], *row["answers"], row["value"]]:
            assert slot_names(template) <= known, (row["key"], template)
