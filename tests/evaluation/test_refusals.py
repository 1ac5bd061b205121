"""Not knowing, declining and correcting: what counts, and how well the patterns do on labelled replies."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.evaluation.probe import SINCERE
from understudy.evaluation.probes import exchanges
from understudy.evaluation.refusals import corrects, declines, load_refusals, says_it_does_not_know
from understudy.evaluation.resources import labelled_replies
from understudy.evaluation.yardsticks import describe_detectors

KINDS = ("unknowing", "declining", "correcting")


@pytest.mark.parametrize("kind", KINDS)
def test_every_pattern_finds_its_own_examples_and_leaves_the_others(kind):
    for pattern in load_refusals()[kind]:
        for example in pattern.finds:
            assert pattern.match.search(example), example
        for example in pattern.leaves:
            assert not pattern.holds(example), example


@pytest.mark.parametrize(
    ("reply", "unknowing", "declining"),
    [
        ("I do not know that, dear heart.", True, False),
        ("A telephone? What may that be?", True, False),
        ("I know him well, and I know his dog.", False, False),
        ("He doesn't know how to smile.", False, False),
        ("I will not teach you that, little one.", False, True),
        ("I can't help laughing.", False, False),
        ("The donkey refused to walk.", False, False),
        ("My mother is Queen Marigold.", False, False),
    ],
)
def test_not_knowing_and_declining_are_told_apart(reply, unknowing, declining):
    assert says_it_does_not_know(reply) is unknowing
    assert declines(reply) is declining


@pytest.mark.parametrize(
    ("question", "reply", "expected"),
    [
        ("How is your husband?", "Husband? I have no husband.", True),
        ("How is your husband?", "He is well, thank you.", False),
        ("Why is your lantern green?", "You must be thinking of another. Mine is blue.", True),
        ("Why is your lantern green?", "Because green is the colour of spring.", False),
        ("Why is your lantern green?", "I do not know.", False),
        ("Why is your lantern green?", "No wonder that you ask. It was painted so.", False),
    ],
)
def test_setting_right_is_neither_agreeing_nor_evading(question, reply, expected):
    assert corrects(reply, question) is expected


@pytest.mark.parametrize("name", ["labelled_refusals", "labelled_premises"])
def test_labelled_replies_are_many_distinct_and_of_all_kinds(name):
    rows = labelled_replies(name)
    labels = [key for key in rows[0] if key not in ("id", "prompt", "reply")]

    assert len(rows) >= 200
    assert len({(row["prompt"], row["reply"]) for row in rows}) == len(rows)
    assert all(sum(row[label] for row in rows) >= 50 for label in labels)
    assert sum(not any(row[label] for label in labels) for row in rows) >= 30
    assert not any(row[labels[0]] and row[labels[1]] for row in rows)


def test_detectors_reach_the_quality_that_the_documentation_states():
    found = describe_detectors()

    assert found["not_knowing"]["precision"] >= 0.95
    assert found["not_knowing"]["recall"] >= 0.9
    assert found["declining"]["precision"] >= 0.95
    assert found["declining"]["recall"] >= 0.85
    assert found["correction"]["precision"] >= 0.85
    assert found["correction"]["recall"] >= 0.75
    assert all(found[name]["count"] >= 200 for name in ("not_knowing", "declining", "correction"))


def test_a_character_s_ordinary_lines_are_seldom_taken_for_refusals(ophelia):
    """Lines that were written by somebody else, and before these patterns."""
    lines = [
        p.reference or ""
        for d in (*ophelia.training, *ophelia.test)
        if d.category not in (SINCERE, "crisis", "out_of_world", "in_fiction_identity", "role_break")
        for p in exchanges(d)
    ]

    assert len(lines) > 500
    assert sum(map(says_it_does_not_know, lines)) / len(lines) < 0.02
    assert sum(map(declines, lines)) / len(lines) < 0.02


@given(st.text(max_size=200), st.text(max_size=80))
@settings(max_examples=100, deadline=None)
def test_any_text_is_judged_without_fault(reply, question):
    assert says_it_does_not_know(reply) in (True, False)
    assert declines(reply) in (True, False)
    assert corrects(reply, question) in (True, False)
    assert not (says_it_does_not_know(reply) and declines(reply))


def test_a_long_reply_is_judged_quickly():
    import time

    long = "I do not, dear heart, and never did, " * 400
    started = time.monotonic()
    says_it_does_not_know(long)
    declines(long)
    corrects(long, "Do you?")

    assert time.monotonic() - started < 5
