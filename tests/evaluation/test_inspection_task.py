"""Inspect AI runs the exported task: its decisions, shares and errors are those of the verdict."""

import gc
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from understudy.evaluation import OpenAIConnection, evaluate
from understudy.evaluation.statistics import share
from understudy.inspection import write_inspection

from .stage import FEW_DEVELOPMENT, Stage, set_stage

inspect_ai = pytest.importorskip("inspect_ai", reason="the extra 'inspect' is not installed")

from inspect_ai.log import EvalLog  # noqa: E402
from inspect_ai.model import ModelOutput, ModelUsage, get_model  # noqa: E402

# What another program and its libraries warn of is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

USAGE = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
"""Given, so that Inspect does not fetch a tokenizer to count."""


@pytest.fixture(autouse=True)
def swept():
    """Streams that Inspect leaves open are found now, where warnings of them are ignored."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder, run = set_stage(tmp_path_factory.mktemp("stage"), lines=250)
    evaluate(folder, run, Stage(folder), FEW_DEVELOPMENT)
    write_inspection(folder, run, output=run / "task")
    return run


def replies_of(run: Path, arm: str, part: str = "single") -> list[dict]:
    text = (run / "replies-development.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    return [row for row in rows if (row["arm"], row["part"]) == (arm, part)]


def scores_of(run: Path, arm: str) -> dict:
    verdict = json.loads((run / "verdict-development.json").read_text(encoding="utf-8"))
    return next(row["scores"] for row in verdict["arms"] if row["name"] == arm)


def ask(run: Path, model, log_dir: Path, **arguments) -> EvalLog:
    (log,) = inspect_ai.eval(
        f"{run / 'task' / 'task.py'}@probes",
        model=model,
        task_args=arguments,
        log_dir=str(log_dir),
        display="none",
    )
    assert log.status == "success", log.error
    return log


def reciting(rows: list[dict], refuse: str | None = None):
    """A model that says what the arm said to the same messages under the same seed."""
    by_seed = {FEW_DEVELOPMENT.seed_for(row["probe_id"], row["sample"]): row for row in rows}
    assert len(by_seed) == len(rows)

    def recite(input, tools, tool_choice, config):
        row = by_seed[config.seed]
        assert [{"role": m.role, "content": m.text} for m in input] == row["messages"]
        assert config.temperature == FEW_DEVELOPMENT.temperature
        assert config.extra_headers is None  # This is no server of Understudy.
        if row["probe_id"] == refuse:
            output = ModelOutput.from_content("mock", "too long", stop_reason="model_length")
        else:
            output = ModelOutput.from_content("mock", f"{row['reply']}\n")
        output.usage = USAGE
        return output

    return get_model("mockllm/model", custom_outputs=recite)


def figures(log: EvalLog) -> dict[str, float]:
    (scorer,) = log.results.scores
    return {name: metric.value for name, metric in scorer.metrics.items()}


@pytest.mark.parametrize(
    ("arm", "prompt"), [("tuned+short", "short"), ("cheap+long", "long"), ("cheap+trimmed", "trimmed")]
)
def test_every_reply_passes_or_fails_as_in_the_verdict_for_the_same_reason(run, tmp_path, arm, prompt):
    rows = replies_of(run, arm)
    log = ask(run, reciting(rows), tmp_path, prompt=prompt)

    decided = {
        (sample.id, sample.epoch - 1): (score.value == "C", score.explanation)
        for sample in log.samples
        for score in sample.scores.values()
    }
    assert decided == {(row["probe_id"], row["sample"]): (row["passed"], row["why"]) for row in rows}
    assert len(decided) == 2 * scores_of(run, arm)["probes_passed"]["count"]
    assert figures(log)["accuracy"] == pytest.approx(scores_of(run, arm)["probes_passed"]["value"])
    assert 0 < figures(log)["accuracy"] < 1


@pytest.fixture(scope="module")
def tuned_log(run, tmp_path_factory):
    return ask(run, reciting(replies_of(run, "tuned+short")), tmp_path_factory.mktemp("logs"))


def test_categories_and_errors_are_those_of_the_replies_by_family(run, tuned_log):
    rows = replies_of(run, "tuned+short")
    found = figures(tuned_log)

    probes: dict[str, list[dict]] = {}
    for row in rows:
        probes.setdefault(row["probe_id"], []).append(row)
    values = {name: sum(row["passed"] for row in given) / len(given) for name, given in probes.items()}
    mean = sum(values.values()) / len(values)
    families: dict[str, float] = {}
    for name, given in probes.items():
        families[given[0]["group"]] = families.get(given[0]["group"], 0.0) + values[name] - mean
    count = len(families)
    expected = math.sqrt(sum(v * v for v in families.values()) * count / (count - 1)) / len(values)
    assert found["stderr"] == pytest.approx(expected)
    categories = {row["category"] for row in rows}
    for category in categories:
        mine = {name: value for name, value in values.items() if probes[name][0]["category"] == category}
        assert found[category] == pytest.approx(sum(mine.values()) / len(mine)), category
        assert f"{category} stderr" in found
    assert set(found) == {"accuracy", "stderr", *categories, *(f"{name} stderr" for name in categories)}
    # Both ways to an interval agree where there are many families.
    interval = share(list(values.values()), [given[0]["group"] for given in probes.values()])
    assert (interval.high - interval.low) / 3.92 == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("part", ["further", "skill"])
def test_other_parts_are_asked_once_each(run, tmp_path, part):
    rows = replies_of(run, "tuned+short", part)
    log = ask(run, reciting(rows), tmp_path, part=part)

    passed = {sample.id: sample.scores["pass_rules"].value == "C" for sample in log.samples}
    assert passed == {row["probe_id"]: row["passed"] for row in rows}


def test_a_sample_shows_history_real_reply_and_family(run, tuned_log):
    samples = {sample.id: sample for sample in tuned_log.samples if sample.epoch == 1}

    for row in replies_of(run, "tuned+short"):
        sample = samples[row["probe_id"]]
        assert [{"role": m.role, "content": m.text} for m in sample.input] == row["messages"]
        assert sample.target == (row["reference"] or "")
        assert (sample.metadata["family"], sample.metadata["category"]) == (row["group"], row["category"])
        assert sample.metadata["kind"] == row["kind"]
    assert any(len(sample.input) > 2 for sample in samples.values())
    manifest = json.loads((run / "task" / "evaluation.json").read_text(encoding="utf-8"))
    assert tuned_log.eval.metadata["probes_sha256"] == manifest["sha256"]
    assert tuned_log.eval.task_version == manifest["sha256"][:12]
    assert tuned_log.eval.task == "princess-ophelia-development"


def test_a_request_that_was_too_long_is_missing_and_no_bad_reply(run, tmp_path):
    rows = replies_of(run, "tuned+short")
    refused = next(row["probe_id"] for row in rows if row["passed"])
    log = ask(run, reciting(rows, refuse=refused), tmp_path)

    values = {
        name: [r["passed"] for r in rows if r["probe_id"] == name] for name in {r["probe_id"] for r in rows}
    }
    del values[refused]
    expected = sum(sum(given) / len(given) for given in values.values()) / len(values)
    assert figures(log)["accuracy"] == pytest.approx(expected)
    (score,) = {s.scores["pass_rules"].explanation for s in log.samples if s.id == refused}
    assert score == "refused: too long"


@pytest.mark.parametrize(
    ("argument", "words"),
    [("prompt=loud", "prompt 'loud': give one of short, long, none"), ("part=script", "give one of single,")],
)
def test_a_wrong_argument_is_one_message(run, tmp_path, argument, words):
    task = f"{run / 'task' / 'task.py'}@probes"
    command = [sys.executable, "-m", "inspect_ai", "eval", task, "-T", argument]
    done = subprocess.run(
        [*command, "--model", "mockllm/model"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    told = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert words in told
    assert "Traceback" not in told


def test_a_log_is_scored_again_by_the_rules_of_the_folder(tuned_log, tmp_path):
    again = tmp_path / "again.eval"
    command = [sys.executable, "-m", "inspect_ai", "score", tuned_log.location, "--output-file", str(again)]
    done = subprocess.run(
        [*command, "--action", "overwrite", "--display", "plain"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    from inspect_ai.log import read_eval_log

    assert figures(read_eval_log(str(again))) == pytest.approx(figures(tuned_log))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_real_server_gives_inspect_the_replies_and_decisions_of_the_verdict(tmp_path, monkeypatch):
    """The same seeds and messages: not only the decisions are equal, the replies are."""
    pytest.importorskip("understudy_miniatures")
    import openai

    sys.path.insert(0, str(Path(__file__).parent.parent / "api"))
    from running_server import RunningServer

    folder, run = set_stage(tmp_path / "stage", lines=250, models=("understudy/mini", "understudy/mini"))
    server = RunningServer(tmp_path / "home", Path("understudy/mini"), fakes=False)
    server.start()
    try:
        client = openai.AsyncOpenAI(
            base_url=server.url,
            api_key=server.token,
            default_headers={"x-understudy-policies": "off"},
            timeout=120,
        )
        evaluate(folder, run, OpenAIConnection(client), FEW_DEVELOPMENT)
        write_inspection(folder, run, output=run / "task")
        monkeypatch.setenv("UNDERSTUDY_BASE_URL", server.url)
        monkeypatch.setenv("UNDERSTUDY_API_KEY", server.token)
        for arm, prompt in (("cheap+short", "short"), ("cheap+long", "long")):
            rows = {(row["probe_id"], row["sample"]): row for row in replies_of(run, arm)}
            log = ask(run, "openai-api/understudy/understudy/mini", tmp_path / arm, prompt=prompt)
            assert len(log.samples) == len(rows)
            for sample in log.samples:
                row, score = rows[sample.id, sample.epoch - 1], sample.scores["pass_rules"]
                assert score.answer == row["reply"]
                assert (score.value == "C", score.explanation) == (row["passed"], row["why"])
            assert figures(log)["accuracy"] == pytest.approx(scores_of(run, arm)["probes_passed"]["value"])
    finally:
        server.stop()
