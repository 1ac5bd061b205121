"""The gate: every state has its own exit code, and an interval over a limit decides nothing."""

import contextlib
import hashlib
import json
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.cli.app import main
from understudy.errors import ConfigError
from understudy.evaluation.gate import decide, parse_limit

SHEET = b"name: Ada\n"


def score(value, low, high):
    return {"value": value, "low": low, "high": high, "count": 50, "unit": "", "method": "", "note": None}


def verdict(answer="yes", **more):
    scores = {
        "honesty": score(0.95, 0.91, 0.98),
        "in_fiction_leak": score(0.01, 0.0, 0.04),
        "gap_closed": {**score(None, None, None), "note": "the prompt gains nothing"},
    }
    return {
        "schema": "understudy.verdict/1",
        "character": "Ada",
        "headline": {"answer": answer, "sentence": "", "rule": ""},
        "arms": [{"name": "tuned+short", "measured": True, "scores": scores}],
        "hashes": {"character.yaml": hashlib.sha256(SHEET).hexdigest()},
        **more,
    }


def primary(conclusion, bound):
    return {
        "a": "tuned+short",
        "b": "expensive+long",
        "margin": 0.075,
        "conclusion": conclusion,
        "bound": bound,
    }


@pytest.fixture
def gate(tmp_path, monkeypatch, capsys):
    """Runs the command on a folder whose run holds ``written``; gives exit code, stdout and stderr."""
    run = tmp_path / "ada" / "runs" / "20260101T000000Z"
    run.mkdir(parents=True)
    (tmp_path / "ada" / "character.yaml").write_bytes(SHEET)
    monkeypatch.chdir(tmp_path)

    def call(written, *words, cost=None, judgement=None):
        for file, value in (("verdict", written), ("cost", cost), ("judgement", judgement)):
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value)
                (run / f"{file}.json").write_text(text, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["understudy", "gate", "ada", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return ended.value.code, said.out, said.err

    return call


@pytest.mark.parametrize(("answer", "code"), [("yes", 0), ("no", 1), ("not_shown", 3)])
def test_a_headline_is_an_exit_code_with_one_line(gate, answer, code):
    ended, said, _ = gate(verdict(answer))
    assert ended == code
    assert said.count("\n") == 1
    assert said.startswith("Ada, 20260101T000000Z: ")


@pytest.mark.parametrize(
    ("conclusion", "bound", "code"),
    [("non_inferior", -0.03, 0), ("inferior", -0.3, 1), ("not_shown", -0.1, 3)],
)
def test_the_primary_endpoint_counts_before_the_headline(gate, conclusion, bound, code):
    written = verdict("yes", schema="understudy.verdict/2", primary=primary(conclusion, bound))
    ended, said, _ = gate(written)
    assert ended == code
    assert "7.5 points" in said


def test_limits_are_held_against_the_whole_interval(gate):
    assert gate(verdict(), "--min", "honesty=0.9")[0] == 0
    assert gate(verdict(), "--min", "honesty=0.99")[0] == 1
    assert gate(verdict(), "--min", "honesty=0.93")[0] == 3
    assert gate(verdict(), "--min", "honesty=0.93", "--by-value")[0] == 0
    code, said, _ = gate(verdict(), "--max-leak", "0.02")
    assert code == 3
    assert "in_fiction_leak ≤ 0.02: 0.01 (0 to 0.04)" in said
    code, said, _ = gate(verdict(), "--max-leak", "0.02", "--allow", "not_shown")
    assert code == 0
    assert "allowed although not shown: in_fiction_leak" in said


def test_allowing_what_was_not_shown_allows_nothing_that_is_broken(gate):
    assert gate(verdict("no"), "--allow", "not_shown")[0] == 1
    assert gate(verdict("not_shown"), "--allow", "not_shown")[0] == 0


def test_a_score_that_was_not_computed_is_not_shown_and_says_why(gate):
    code, said, _ = gate(verdict(), "--min", "gap_closed=0.5")
    assert code == 3
    assert "the prompt gains nothing" in said


def test_wrong_usage_and_missing_verdicts_are_two(gate):
    code, said, err = gate(None)
    assert (code, said) == (2, "")
    assert "understudy evaluate ada" in err
    assert gate("{torn")[0] == 2
    assert gate({"schema": "other/9"})[0] == 2
    assert gate(verdict(), "--min", "honesty")[0] == 2
    code, _, err = gate(verdict(), "--min", "charm=1")
    assert code == 2
    assert "honesty" in err
    assert gate(verdict(), "--max-leak", "0.1", "--arm", "cheap+long")[0] == 2
    assert gate(verdict(), "--allow", "inferior")[0] == 2


def test_a_verdict_about_an_older_sheet_shows_nothing_about_this_one(gate):
    code, said, _ = gate(verdict(hashes={"character.yaml": "0" * 64}))
    assert code == 3
    assert "was changed after the verdict" in said


def test_the_price_is_the_cheapest_place_or_the_named_one(gate):
    cost = {
        "arms": [
            {"arm": "tuned+short", "place": "hosted", "usd": 0.002},
            {"arm": "tuned+short", "place": "rented GPU", "usd": 0.0005},
            {"arm": "cheap+long", "place": "hosted", "usd": 0.01},
        ]
    }
    code, _, err = gate(verdict(), "--max-price-usd", "1")
    assert code == 2
    assert "understudy cost ada" in err
    assert gate(verdict(), "--max-price-usd", "1", cost=cost)[0] == 0
    code, said, _ = gate(verdict(), "--max-price-usd", "1", "--place", "hosted")
    assert code == 1
    assert "2 USD at hosted" in said
    assert gate(verdict(), "--max-price-usd", "1", "--place", "moon")[0] == 2


def test_the_judges_win_rate_is_a_score_where_it_was_not_withheld(gate):
    assert gate(verdict(), "--min", "judged_win_rate=0.4")[0] == 2
    judgement = {"win_rate": {"value": 0.5, "low": 0.44, "high": 0.56}}
    assert gate(verdict(), "--min", "judged_win_rate=0.4", judgement=judgement)[0] == 0


def test_json_holds_every_demand(gate):
    code, said, _ = gate(verdict(), "--min", "honesty=0.9", "--json")
    row = json.loads(said)
    assert (code, row["exit_code"], row["state"]) == (0, 0, "kept")
    assert [d["name"] for d in row["demands"]] == ["verdict", "honesty ≥ 0.9"]


@given(st.text(max_size=20))
def test_a_limit_is_a_name_and_a_number_or_a_message(text):
    with contextlib.suppress(ConfigError):
        limit = parse_limit(text, "min")
        assert limit.score
        assert not math.isnan(limit.value)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.sampled_from(["min", "max"]))
def test_no_limit_is_both_kept_and_broken(low, value, high, bound, side):
    low, value, high = sorted((low, value, high))
    row = verdict()
    row["arms"][0]["scores"] = {"honesty": score(value, low, high)}
    limit = parse_limit(f"honesty={bound}", side)
    state = decide(row, [limit]).demands[1].state
    fine = low >= bound if side == "min" else high <= bound
    bad = high < bound if side == "min" else low > bound
    assert state == ("kept" if fine else "broken" if bad else "not_shown")
