"""Prose beside the conversations: read whole, drawn by seed, fading as the training goes on."""

import lzma
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from understudy.miniature.prose import (  # noqa: E402
    WINDOW_TOKENS,
    draw_windows,
    load_prose,
    read_chapters,
    share_of_prose,
)
from understudy.miniature.tokens import END, special_id, train_tokenizer  # noqa: E402

STORY = "Once a goose kept a shop.\nIt sold rain.\n\nNobody came.\n<|doc|>\nA second story."


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(1, vocabulary=600, conversations=100)


@pytest.mark.parametrize("packed", [False, True])
def test_chapters_and_documents_end_with_the_end_token(tmp_path, tokenizer, packed):
    path = tmp_path / ("story.txt.xz" if packed else "story.txt")
    path.write_bytes(lzma.compress(STORY.encode()) if packed else STORY.encode())
    end = special_id(tokenizer, END)
    ids = load_prose([path], tokenizer, end)
    parts = [tokenizer.decode(part[part != end]) for part in np.split(ids, np.flatnonzero(ids == end) + 1)]
    assert parts == ["Once a goose kept a shop.\nIt sold rain.", "Nobody came.", "A second story.", ""]


def test_windows_are_pieces_of_the_text_and_follow_the_seed():
    prose = np.arange(5_000, dtype=np.uint16)
    windows = draw_windows(prose, 7, random.Random(3))
    assert windows.shape == (7, WINDOW_TOKENS)
    assert (np.diff(windows, axis=1) == 1).all()
    assert (windows == draw_windows(prose, 7, random.Random(3))).all()


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_prose_never_grows_and_never_ends(early, late, most):
    early, late = sorted((early, late))
    assert most >= share_of_prose(early, most) >= share_of_prose(late, most) >= 0.09 * most


def test_conversations_come_from_the_last_column_of_a_table(tmp_path):
    path = tmp_path / "talks.csv"
    path.write_text('persona,talk\n"I sing.","A: Hello!\nB: Good day."\nx,\n', encoding="utf-8")
    assert list(read_chapters(path)) == ["A: Hello!\nB: Good day."]


def test_chapters_that_name_the_example_character_are_left_out(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text("A goose.\n\nFair Ophelia wept.\n\nA hen.", encoding="utf-8")
    assert list(read_chapters(path)) == ["A goose.", "A hen."]
