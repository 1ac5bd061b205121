"""The scorers on other people's characters: tones are told apart, and a pirate is not a cat."""

import json
import sys
from pathlib import Path

import pytest

from understudy.evaluation.detectors import says_it_is_ai
from understudy.evaluation.refusals import declines, says_it_does_not_know
from understudy.evaluation.scores.told_apart import two_sample_test
from understudy.evaluation.style import Line, train_style

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.scorers import tone_rows


@pytest.fixture(scope="module")
def voices(shared):
    base = shared / "data" / "persona-instruct-pirate-and-cat"
    if not base.is_dir():
        pytest.skip(f"{base} is missing")
    names = {"pirate": "captain_codebeard", "cat": "professor_snugglesworth"}
    found = {}
    for voice, stem in names.items():
        rows = (base / f"{stem}_generated.jsonl").read_text(encoding="utf-8").splitlines()
        found[voice] = [json.loads(row)["output"] for row in rows[5:]]
    return found


@pytest.mark.parametrize("topic_free", [False, True])
def test_a_pirate_is_not_a_cat_and_is_a_pirate(voices, topic_free):
    pirate, cat = voices["pirate"], voices["cat"]

    def test(a, b):  # type: ignore[no-untyped-def]
        return two_sample_test(a, b, range(60), topic_free=topic_free, permutations=199)

    other, same = test(pirate[:60], cat[:60]), test(pirate[:60], pirate[60:120])

    assert other.auc > 0.97
    assert other.p <= 0.01
    assert same.auc < 0.66
    assert same.p > 0.01


def test_style_of_one_voice_is_not_seen_in_another(voices):
    lines = {name: [Line(text, f"{name}/{n}") for n, text in enumerate(v)] for name, v in voices.items()}
    classifier = train_style(lines["pirate"][:100], lines["cat"][:100])
    pirate, cat = (classifier.probabilities(voices[name][200:260]) for name in ("pirate", "cat"))

    assert classifier.quality.accuracy > 0.97
    assert min(pirate) > max(cat)


def test_three_tones_of_the_same_small_talk_are_told_apart(shared):
    """With whole scenarios held out, because many questions share an answer."""
    if not (shared / "data" / "personality-chat-tones").is_dir():
        pytest.skip("personality-chat-tones is missing")
    asked = {
        tone: {question: rest for question, *rest in tone_rows(shared / "data", tone)}
        for tone in ("Humorous", "Professional")
    }
    common = sorted(set(asked["Humorous"]) & set(asked["Professional"]))[:150]
    real, given = ([asked[tone][q][0] for q in common] for tone in ("Humorous", "Professional"))
    found = two_sample_test(real, given, [asked["Humorous"][q][1] for q in common], permutations=199)

    assert found.p <= 0.01
    assert 0.65 < found.auc < 0.9


def test_the_patterns_raise_few_false_alarms_on_other_voices(voices):
    lines = [*voices["pirate"], *voices["cat"]]

    for detector in (says_it_is_ai, says_it_does_not_know, declines):
        assert sum(map(detector, lines)) / len(lines) < 0.02, detector
