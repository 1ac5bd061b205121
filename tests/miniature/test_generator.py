"""The generator: repeatable, disjoint from what is held out, grounded in its sheets."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.miniature.conversations import (
    STAGES,
    Conversation,
    compose,
    held_out_sheet,
)
from understudy.miniature.exchanges import joke
from understudy.miniature.facts import TABLES, draw_fact, fact_kinds
from understudy.miniature.held_out import held_out_questions, mentions_held_out, plain
from understudy.miniature.layouts import render_sheet
from understudy.miniature.lexicon import (
    HELD_OUT_PHRASES,
    expand,
    fill,
    is_held_out,
    load_table,
    slot_names,
    with_article,
)
from understudy.miniature.role import character_exchange, fact_exchange
from understudy.miniature.sheet_character import sheet_character
from understudy.miniature.sheets import draw_sheet
from understudy.miniature.tales import draw_tale
from understudy.miniature.tones import TONES, Voice, draw_voice, speak, tones, voice_lines


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
    assert mentions_held_out(["Are you Princess Ophelia?"])
    assert not mentions_held_out(["Are you Princess Talina?"])


def test_questions_of_the_example_and_of_the_probes_are_recognised_and_never_asked(talks):
    assert len(held_out_questions()) > 200
    assert mentions_held_out(["what is the boss goose called"])
    asked = [message["content"] for talk in talks for message in talk.messages if message["role"] == "user"]
    assert not [text for text in asked if plain(text) in held_out_questions()]


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
            told = fact.value.split(" ", 1)[-1]  # "listens to songs", in the third person
            stated = told in prompt
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
    # The first reply under the policy "always" tells at once who speaks, whatever was asked.
    told_at_once = re.compile(r"I am an AI (playing|in the part of)|the part I play", re.IGNORECASE)
    teasing = [
        exchange
        for exchange in exchanges
        if exchange.kind in ("feelings", "are_you_real") and not told_at_once.search(exchange.reply)
    ]
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
    for row in (row for table in TABLES for row in load_table(table)):
        known = row["slots"].keys() | derived
        for template in [*row["statements"], *row["questions"], *row["answers"], row["value"]]:
            assert slot_names(template) <= known, (row["key"], template)


def test_kinds_of_fact_are_many_and_each_is_asked_in_many_wordings():
    kinds = fact_kinds()
    assert len({kind.key for kind in kinds}) == len(kinds) >= 120
    assert all(len(kind.questions) + len(kind.held_out_questions) >= 12 for kind in kinds)


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_words_of_facts_belong_to_one_split(split):
    rng = random.Random(f"words {split}")
    foods = {
        draw_fact(next(k for k in fact_kinds() if k.key == "food"), rng, split).value for _ in range(300)
    }
    assert all(is_held_out(food) == (split == "held_out") for food in foods)


def test_combinations_of_tone_and_phrases_are_held_out():
    def drawn(split: str) -> set[tuple[str, ...]]:
        rng = random.Random(f"voices {split}")
        voices = [draw_voice(rng, split) for _ in range(400)]
        return {(v.tone.name, *sorted((*v.exclaim, *v.address, *v.ending))) for v in voices}

    assert drawn("train").isdisjoint(drawn("held_out"))


@given(st.randoms(use_true_random=False), st.sampled_from(["train", "held_out"]))
@settings(max_examples=80, deadline=None)
def test_a_tale_is_stated_asked_and_answered_alike(rng, split):
    tale = draw_tale(rng, split)
    assert tale.value in tale.statement(rng).lower()
    assert tale.value in tale.answer(rng).lower()
    assert not set(tale.kind.wordings("train")) & set(tale.kind.wordings("held_out"))
    assert not re.search(r"VERB|ASK|[{}|]", tale.question(rng, split) + tale.answer(rng))


@given(st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_a_tone_never_changes_the_fact_that_it_tells(rng):
    fact = draw_fact(rng.choice(fact_kinds()), rng)
    spoken = speak(fact.answer(rng), draw_voice(rng), rng, value=fact.value)
    assert fact.value in spoken.lower()
    assert "\x00" not in spoken


@pytest.mark.parametrize("disclosure", ["when_sincerely_asked", "in_character", "always"])
def test_a_sheet_says_its_disclosure_and_keeps_to_it(disclosure):
    rng = random.Random(disclosure)
    sheets = (draw_sheet(rng, 6) for _ in range(2_000))
    sheet = next(sheet for sheet in sheets if sheet.disclosure == disclosure)
    if disclosure != "when_sincerely_asked":
        prompts = [render_sheet(sheet, rng) for _ in range(40)]
        named = r"\bAI\b|machine|computer|program|language model|human|earnest|serious|really are|honest"
        assert all(re.search(named, prompt) for prompt in prompts)
    asked = [turn for _ in range(600) if (turn := character_exchange(sheet, rng)).kind.startswith("sincere")]
    assert asked
    honest = [bool(re.search(r"\bAI\b|computer program", turn.reply)) for turn in asked]
    assert all(honest) if disclosure != "in_character" else not any(honest)


def test_a_question_about_a_feeling_is_answered_by_the_sheet_where_it_can_be():
    rng = random.Random("felt")
    sheets = [sheet for _ in range(60) for sheet in [draw_sheet(rng, 24)] if "fear" in sheet.slots]
    asked = [character_exchange(sheet, rng) for sheet in sheets for _ in range(200)]
    afraid = [turn for turn in asked if turn.kind == "fact:fear"]
    assert len(afraid) > 10
    assert all(turn.value in turn.reply.lower() for turn in afraid)
    assert not any("afraid" in turn.user for turn in asked if turn.kind == "feelings")


def test_a_shouting_voice_shouts_small_words_and_leaves_the_fact_as_it_is():
    rng = random.Random("shout")
    tone = next(tone for tone in tones() if tone.transform == "capitals")
    voice = Voice(tone, tone.exclaim, tone.address, tone.ending)
    spoken = [speak("I live in Otterbridge.", voice, rng, value="otterbridge") for _ in range(50)]
    assert all("Otterbridge" in text and "I LIVE IN" in text.upper() for text in spoken)
    assert any("LIVE IN Otterbridge" in text for text in spoken)


def test_lines_of_prose_are_joined_without_losing_a_fact():
    rng = random.Random("joined")
    for _ in range(40):
        sheet = draw_sheet(rng, 10, voiced=0)
        prompt = render_sheet(sheet, rng, bare=True).lower()
        told = {fact.kind.key: fact.value.split(" ", 1)[-1] for fact in sheet.facts}
        assert all(value in prompt or key in ("secret", "adventure") for key, value in told.items())


def test_a_sheet_becomes_a_character_whose_questions_are_of_the_wanted_split():
    rng = random.Random("character")
    sheet = draw_sheet(rng, 12, "held_out")
    character = sheet_character(sheet, rng, questions="held_out")
    assert character.name == sheet.name
    assert character.policies.disclosure == sheet.disclosure
    for fact, drawn in zip(character.facts, sheet.facts, strict=True):
        assert fact.expected == [drawn.value]
        assert 1 <= len(fact.questions) <= len(drawn.kind.held_out_questions)
        assert fact.statement in character.long_prompt()


def test_jokes_are_told_whole_and_riddles_have_a_question():
    rng = random.Random("jokes")
    told = [joke(rng) for _ in range(200)]
    assert len({turn.reply for turn in told}) > 30
    riddles = [turn for turn in told if "riddle" in turn.user.lower()]
    assert riddles
    assert all("?" in turn.reply for turn in riddles)
