"""A person in the terminal: blind, kept at once, taken up again, and held to the same controls."""

import json
import sys

import pytest

from understudy.cli.app import main
from understudy.judging import plan_judging
from understudy.judging.comparison import first_order
from understudy.judging.person import pairs_for_person

from .theatre import set_stage


@pytest.fixture
def sit_down(tmp_path, monkeypatch, capsys):
    """Runs ``judge --human`` with a person who is given each pair and answers with a key."""
    folder, run = set_stage(tmp_path, probes=20)
    plan = plan_judging(folder, run, pairs=20, controls=8)

    def call(answer, most=1000, rater="maria"):
        done = {(row["rater"], row["pair"]) for row in map(json.loads, rated(run))}
        shown = iter([pair for pair in pairs_for_person(plan, rater) if (rater, pair.id) not in done])
        given = iter(range(most))

        def key():
            pair = next(shown, None)
            return "q" if pair is None or next(given, None) is None else answer(pair, plan)

        monkeypatch.setattr("builtins.input", key)
        words = ["judge", str(folder.root), "--human", "--rater", rater, "--pairs", "20", "--controls", "8"]
        monkeypatch.setattr(sys, "argv", ["understudy", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, json.loads((run / "judgement.json").read_text("utf-8")), said

    call.run = run
    return call


def rated(run):
    file = run / "ratings.jsonl"
    return file.read_text("utf-8").splitlines() if file.is_file() else []


def knows(pair, plan):
    better = "b" if "★" in pair.b else "a"
    return "1" if first_order(pair, plan.seed)[0] == better else "2"


def test_a_person_is_believed_like_a_judge_and_sees_no_arm(sit_down):
    code, judgement, said = sit_down(knows)
    assert code == 0
    (row,) = judgement["persons"]
    assert (row["name"], row["withheld"], row["consistent"]) == ("maria", None, None)
    assert row["win_rate"]["value"] == pytest.approx(0.8)
    assert (judgement["win_rate"], judgement["judges"]) == (None, [])
    assert "0 left" in said.err
    for hidden in ("tuned", "expensive", "secret of", "**"):
        assert hidden not in said.err


def test_answers_are_kept_and_the_same_command_goes_on(sit_down):
    sit_down(knows, most=7)
    before = rated(sit_down.run)
    assert len(before) == 7
    _, judgement, said = sit_down(knows)
    assert rated(sit_down.run)[:7] == before
    assert "0 left" in said.err
    assert judgement["persons"][0]["win_rate"]["count"] == 20


def test_who_always_takes_the_first_is_withheld(sit_down):
    _, judgement, said = sit_down(lambda pair, plan: "1")
    assert judgement["persons"][0]["win_rate"] is None
    assert "planted controls" in judgement["persons"][0]["withheld"]
    assert "maria: withheld" in said.out


def test_two_persons_agree_as_far_as_they_do(sit_down):
    sit_down(knows)
    _, judgement, _ = sit_down(knows, rater="jon")
    assert judgement["agreement"]["persons"] == {"alpha": 1.0, "equal": 1.0, "count": 20}
