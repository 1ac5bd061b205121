"""Reading: what is asked about a passage stands in it, word for word."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.miniature.conversations import STAGES, compose
from understudy.miniature.reading import draw_passage, load_passages, reading_exchange

STORY = """The old miller bought a crooked ladder. Mr. Gander climbed it every morning before breakfast.
His daughter laughed at the whole thing from the kitchen window. It rained all day on the roof of the mill.

Anna found a silver button behind the oven. Nobody in the village had lost one. She sewed it on her coat.
"Where is my button?" cried the goose.
"""


@pytest.fixture(scope="module")
def passages(tmp_path_factory):
    path = tmp_path_factory.mktemp("reading") / "story.txt"
    path.write_text(STORY, "utf-8")
    return load_passages([path])


def test_passages_are_plain_sentences_of_one_paragraph(passages):
    assert passages == [
        [
            "His daughter laughed at the whole thing from the kitchen window.",
            "It rained all day on the roof of the mill.",
        ],
        [
            "Anna found a silver button behind the oven.",
            "Nobody in the village had lost one.",
            "She sewed it on her coat.",
        ],
    ]


def test_tables_of_dialogues_are_no_passages(tmp_path):
    path = tmp_path / "talks.csv"
    path.write_text('text\n"The cat sat on the mat. The dog sat on the cat."\n', "utf-8")
    assert load_passages([path]) == []


@given(st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_every_answer_is_copied_from_the_passage(passages, rng):
    passage = draw_passage(rng, passages)
    exchange = reading_exchange(passage, rng)
    together = " ".join(passage).lower()
    assert exchange.value
    assert exchange.value in exchange.reply.lower()
    assert exchange.value in together
    assert exchange.verbatim


def test_who_is_asked_only_about_a_subject_and_its_verb(passages):
    rng = random.Random("who")
    asked = [reading_exchange(draw_passage(rng, passages), rng) for _ in range(400)]
    subjects = {turn.value for turn in asked if turn.user.lower().startswith(("who ", "say, who"))}
    assert subjects == {"his daughter", "anna"}


def test_a_sheet_with_a_passage_holds_what_its_turns_ask(passages):
    rng = random.Random("sheets")
    talks = [compose(rng, STAGES[2], passages) for _ in range(300)]
    read = [(talk, turn) for talk in talks for turn in talk.exchanges if turn.kind == "reading"]
    assert len(read) > 30
    assert all(turn.value in talk.messages[0]["content"].lower() for talk, turn in read)
    plain = [compose(random.Random(n), STAGES[2]) for n in range(100)]
    assert not any(turn.kind == "reading" for talk in plain for turn in talk.exchanges)
