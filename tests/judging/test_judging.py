"""Judges over real HTTP: the good one is believed, the biased ones are withheld or neutralised."""

import json
import shutil
import sys
from contextlib import ExitStack

import pytest
from teaching.provider import Provider

from understudy.cli.app import main
from understudy.folder import open_folder
from understudy.judging import plan_judging

from .theatre import Judge, chance, first, longer, set_stage

PAIRS = 30
CONTROLS = 5 * 8


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder, run = set_stage(tmp_path_factory.mktemp("stage"), probes=PAIRS)
    return folder, run, plan_judging(folder, run, pairs=PAIRS, controls=8)


@pytest.fixture
def judge(stage, tmp_path, monkeypatch, capsys):
    """Runs the command on a copy of the run, with judges by name; gives code, judgement, stderr and bills."""
    root = shutil.copytree(stage[0].root, tmp_path / "ophelia")
    monkeypatch.setenv("COLUMNS", "200")

    def call(judges, *words):
        with_providers = []
        for name, answer in judges.items():
            provider = answer if isinstance(answer, Provider) else Provider(answer)
            with_providers.append((name, provider))
        with ExitStack() as stack:
            arguments = []
            for name, provider in with_providers:
                stack.enter_context(provider.running())
                arguments += ["--model", f"{name}@{provider.base_url}"]
            line = ["understudy", "judge", str(root), "--pairs", str(PAIRS), "--controls", "8", *arguments]
            monkeypatch.setattr(sys, "argv", [*line, *words])
            try:
                main()
                code = 0
            except SystemExit as ended:
                code = ended.code
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        file = open_folder(root).run("20260101T000000Z") / "judgement.json"
        judgement = json.loads(file.read_text("utf-8")) if file.is_file() else None
        return code, judgement, said, [sum(provider.bill.values()) for _, provider in with_providers]

    call.root = root
    return call


def test_good_judges_are_believed_and_find_what_is_true(stage, judge):
    one, two = Judge(stage[2]), Judge(stage[2])
    code, judgement, said, bills = judge({"claude-x": one, "mistral-x": two})

    assert code == 0
    assert (judgement["a"], judgement["b"]) == ("tuned+short", "expensive+long")
    assert judgement["win_rate"]["value"] == pytest.approx(0.8)
    assert judgement["win_rate"]["low"] > 0.5
    assert "tuned+short is preferred" in said.out
    assert [row["withheld"] for row in judgement["judges"]] == [None, None]
    assert all(control["rate"] == 1 for row in judgement["judges"] for control in row["controls"])
    assert judgement["judges"][0]["consistent"] == 1
    assert judgement["judges"][0]["first_taken"] == pytest.approx(0.5)
    assert judgement["agreement"]["judges"]["alpha"] == 1
    assert judgement["complete"] is True
    tone = [row for row in judgement["faults"] if row["fault"] == "wrong_tone"]
    assert all(row["believed"] for row in judgement["faults"])
    assert [row["a"]["value"] for row in tone] == pytest.approx([0.2, 0.2])
    assert tone[0]["difference"]["high"] < 0
    assert judgement["protocol"]["prompts"]["pairwise"]["version"] == "pairwise/1"
    assert bills[0] == bills[1]


def test_judges_see_persona_and_facts_but_no_arm_no_markup_and_both_orders(stage, judge):
    one = Judge(stage[2])
    judge({"claude-x": one, "mistral-x": Judge(stage[2])}, "--no-faults")

    everything = "\n".join(one.seen)
    assert "star lanterns" in one.seen[0]
    assert "Lanternhill" in one.seen[0]
    for hidden in ("tuned", "expensive", "cheap", "gpt-4.1", "Qwen", "secret of", "**"):
        assert hidden not in everything
    assert len(one.seen) == 2 * (PAIRS + CONTROLS)
    starred = [text for text in one.seen if "★" in text]
    assert sum(text.index("★") < text.index("Well, no") for text in starred) == len(starred) / 2
    asked = [json.loads(text) for text in one.seen]
    assert {request["temperature"] for request in asked} == {0.0}
    assert len({text for request in asked for text in [request["messages"][0]["content"][-60:]]}) > 1


@pytest.mark.parametrize("bias", [first, longer, chance])
def test_a_judge_that_fails_its_controls_is_withheld_and_not_asked_further(stage, judge, bias):
    code, judgement, said, bills = judge(
        {"claude-x": Judge(stage[2]), "mistral-x": Judge(stage[2], bias)}, "--no-faults"
    )

    assert code == 0
    good, bad = judgement["judges"]
    assert (good["withheld"], bad["win_rate"], bad["length_adjusted"]) == (None, None, None)
    assert "failed planted controls" in bad["withheld"]
    assert "mistral-x: withheld, because it failed planted controls" in said.out
    assert bills[1] == 2 * CONTROLS
    assert judgement["win_rate"]["value"] == pytest.approx(0.8)
    if bias is longer:
        failed = [control["kind"] for control in bad["controls"] if not control["passed"]]
        assert "padded" in failed


def test_without_a_believed_judge_there_is_no_rate(stage, judge):
    code, judgement, said, _ = judge(
        {"claude-x": Judge(stage[2], first), "mistral-x": Judge(stage[2], chance)}
    )

    assert code == 0
    assert judgement["win_rate"] is None
    assert said.out.startswith("No judge's score")


def test_a_judge_that_takes_the_first_only_where_it_cannot_know_says_ties(stage, judge):
    def honest(one, two, control):
        return oracle.knows(one, two, control) if control else -1

    oracle = Judge(stage[2])
    _, judgement, _, _ = judge(
        {"claude-x": Judge(stage[2], honest), "mistral-x": Judge(stage[2], honest)}, "--no-faults"
    )
    row = judgement["judges"][0]
    assert (row["consistent"], row["first_taken"]) == (0, 1)
    assert judgement["win_rate"]["value"] == 0.5
    assert "not the same as equal" in judgement["sentence"]


def test_the_same_command_goes_on_and_asks_nothing_twice(stage, judge):
    judges = {"claude-x": Provider(Judge(stage[2])), "mistral-x": Provider(Judge(stage[2]))}
    code, before, _, bills = judge(judges, "--no-faults")
    code, after, said, again = judge(judges, "--no-faults")

    assert (code, again) == (0, bills)
    assert {**after, "created_at": ""} == {**before, "created_at": ""}
    assert "0 requests" in said.err
    run = judge.root / "runs" / "20260101T000000Z"
    calls = [json.loads(line) for line in (run / "judge_calls.jsonl").read_text("utf-8").splitlines()]
    answered = [row["key"] for row in calls if "text" in row]
    assert len(answered) == len(set(answered)) == sum(bills)


def test_a_provider_that_dies_loses_nothing(stage, judge):
    good = Provider(Judge(stage[2]))
    dying = Provider(Judge(stage[2]))
    dying.busy = [(401, {}, {"message": "the key has ended", "code": None})]
    words = ("--no-faults", "--concurrency", "1")
    code, judgement, said, bills = judge({"claude-x": good, "mistral-x": dying}, *words)
    assert (code, judgement, bills) == (1, None, [2 * (PAIRS + CONTROLS), 0])
    assert "the key has ended" in said.err
    code, judgement, _, again = judge({"claude-x": good, "mistral-x": dying}, *words)
    assert (code, judgement["complete"]) == (0, True)
    assert again == [bills[0], bills[0]]


def test_a_budget_is_never_passed_and_more_goes_on(stage, judge):
    judges = {"claude-x": Provider(Judge(stage[2])), "mistral-x": Provider(Judge(stage[2]))}
    prices = ("--price", "claude-x=10/10", "--price", "mistral-x=10/10", "--no-faults")
    code, judgement, said, _ = judge(judges, *prices, "--budget", "0.5")

    assert code == 0
    assert judgement["complete"] is False
    assert judgement["usd"] <= 0.5
    assert "budget is used up" in said.err
    assert "at most" in said.err
    _, judgement, _, _ = judge(judges, *prices, "--budget", "100")
    assert judgement["complete"] is True
    assert sum(sum(p.bill.values()) for p in judges.values()) == 4 * (PAIRS + CONTROLS)
    assert judgement["usd"] > 0.5


@pytest.mark.parametrize(
    ("judges", "why"),
    [
        (["gpt-5", "claude-x"], "gpt-4.1, which is the model of expensive+long"),
        (["qwen3-max", "claude-x"], "Qwen/Qwen3-0.6B, which is the model of tuned+short"),
        (["claude-x"], "two are needed"),
        (["claude-x", "claude-y"], "two are needed"),
    ],
)
def test_judges_that_break_the_protocol_are_refused_with_the_reason(stage, judge, judges, why):
    code, judgement, said, bills = judge({name: Judge(stage[2]) for name in judges})
    assert (code, judgement, sum(bills)) == (2, None, 0)
    assert why in said.err
    assert "--lenient" in said.err


def test_lenient_says_in_the_result_what_was_broken(stage, judge):
    code, judgement, said, _ = judge({"claude-x": Judge(stage[2])}, "--lenient", "--no-faults")
    assert code == 0
    assert "two are needed" in judgement["protocol"]["breaches"][0]
    assert "Protocol:" in said.out


def test_a_dry_run_and_wrong_usage_ask_nobody(stage, judge):
    judges = {"claude-x": Judge(stage[2]), "mistral-x": Judge(stage[2])}
    code, judgement, said, bills = judge(judges, "--dry-run")
    assert (code, judgement, bills) == (0, None, [0, 0])
    assert "requests, about" in said.out
    assert "on this machine, free" in said.out
    assert judge({})[0] == 2
    assert judge(judges, "--human")[0] == 2
    assert judge(judges, "--arms", "tuned+short")[0] == 2
    code, _, said, _ = judge(judges, "--arms", "tuned+short,cheap+long")
    assert code == 2
    assert "was not measured" in said.err
    assert judge({}, "--model", "a@openai", "--model", "a@openai")[0] == 2


def test_nothing_is_spent_unasked(stage, judge, monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_API_KEY", "sk-canary")
    paid = ("--model", "claude-x@http://192.0.2.1/v1", "--model", "mistral-x@http://192.0.2.1/v1")
    code, judgement, said, _ = judge({}, *paid)
    assert (code, judgement) == (2, None)
    assert "--yes" in said.err
    assert "requests" in said.err
    assert "sk-canary" not in said.err + said.out
    code, _, said, _ = judge({}, *paid, "--budget", "5")
    assert code == 2
    assert "--price" in said.err
