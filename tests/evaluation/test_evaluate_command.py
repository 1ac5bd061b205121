"""The command: what it prints, what it skips, and what it says when it cannot."""

import json
import time

import pytest
import typer
from typer.testing import CliRunner

from understudy.cli.evaluate import evaluate_command, print_verdict
from understudy.cli.progress import ProgressLine
from understudy.errors import ConfigError
from understudy.evaluation import Settings, evaluate
from understudy.evaluation.replies import Progress

from .stage import Stage, set_stage


@pytest.fixture
def app():
    app = typer.Typer()
    app.command()(evaluate_command)
    return app


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder, run = set_stage(tmp_path_factory.mktemp("command"), lines=300)
    verdict = evaluate(folder, run, Stage(folder), Settings(seed=0, concurrency=16).quick())
    return folder, run, verdict.as_dict()


def test_a_current_verdict_is_printed_again_without_asking_anybody(app, judged):
    folder, *_ = judged
    result = CliRunner().invoke(app, [str(folder.root), "--quick"])

    assert result.exit_code == 0, result.output
    assert "already evaluated" in result.stderr
    assert "tuned+short" in result.stdout
    assert result.stdout.splitlines()[0]


def test_json_is_the_verdict_and_nothing_else(app, judged):
    folder, run, row = judged
    result = CliRunner().invoke(app, [str(folder.root), "--quick", "--json", "--run", run.name])

    assert json.loads(result.stdout) == row


def test_a_character_without_a_trained_run_is_told_to_train(app, tmp_path):
    folder, run = set_stage(tmp_path, lines=100)
    (run / "job.json").unlink()

    result = CliRunner().invoke(app, [str(folder.root)])

    assert isinstance(result.exception, ConfigError)
    assert "understudy train" in str(result.exception)


def test_an_unknown_run_names_the_known_ones(app, judged):
    folder, run, _ = judged
    result = CliRunner().invoke(app, [str(folder.root), "--run", "nonsuch"])

    assert isinstance(result.exception, ConfigError)
    assert run.name in str(result.exception)


def test_a_run_from_another_provider_is_not_sought_on_this_machine(app, tmp_path):
    folder, run = set_stage(tmp_path, lines=100)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    elsewhere = {**config, "provider": {"name": "openai", "base_url": "https://api.openai.com/v1"}}
    (run / "config.json").write_text(json.dumps(elsewhere), encoding="utf-8")

    result = CliRunner().invoke(app, [str(folder.root)])

    assert isinstance(result.exception, ConfigError)
    assert "--provider openai" in str(result.exception)


def test_spending_is_counted_and_needs_a_yes(app, judged, monkeypatch):
    folder, _, _ = judged
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    result = CliRunner().invoke(app, [str(folder.root), "--provider", "openai", "--again"])

    assert isinstance(result.exception, ConfigError)
    assert "--yes" in str(result.exception)
    assert "requests" in result.stderr
    assert "prompt tokens" in result.stderr


def test_the_table_shows_intervals_in_eighty_columns(judged, capsys):
    print_verdict(judged[2])
    printed = capsys.readouterr().out

    assert max(len(line) for line in printed.splitlines()) <= 80
    assert "…" not in printed.split("Detector")[0]
    assert "facts" in printed
    assert "Limit:" in printed


def test_progress_tells_rate_and_time_left(capsys):
    class Stream:
        def __init__(self):
            self.text = ""

        def isatty(self):
            return True

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    stream = Stream()
    line = ProgressLine(stream)
    progress = Progress("replies", 10, line.show, started=time.monotonic() - 1.0)
    for _ in range(5):
        progress.advance(fresh=True)

    assert "replies 5/10" in stream.text
    assert "/s" in stream.text
    assert "left" in stream.text


def test_ctrl_c_says_that_the_replies_are_kept(app, judged, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    folder, *_ = judged
    monkeypatch.setattr("understudy.client.connect_async", interrupt)
    ended = CliRunner().invoke(app, [str(folder.root), "--again"])
    assert ended.exit_code == 130
    assert "the same command goes on from there" in ended.stderr
