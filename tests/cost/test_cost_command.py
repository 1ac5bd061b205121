"""``understudy cost`` on the command line."""

import json
from datetime import date

import pytest
import typer
from typer.testing import CliRunner

from understudy.cli.cost import cost_command
from understudy.cost.arms import can_tune
from understudy.errors import ConfigError

app = typer.Typer()
app.command()(cost_command)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "iroh"
    root.mkdir()
    (root / "character.yaml").write_text("name: Iroh\n", encoding="utf-8")
    return root


def test_it_works_alone_and_answers_in_words(folder):
    result = CliRunner().invoke(app, [str(folder), "--turns", "4"])
    assert result.exit_code == 0, result.output
    assert "conversations of 4 turns" in result.output
    assert "priced, not measured" in result.output
    assert not (folder / "runs").exists()


def test_the_claims_need_no_character():
    words = CliRunner().invoke(app, ["--claims"]).stdout
    assert "2023-08-22: using a tuned gpt-3.5-turbo costs 8 times its base ($12 / $16 against" in words
    assert "Today: using a tuned gpt-4.1-mini costs 2 times its base" in words
    claims = json.loads(CliRunner().invoke(app, ["--claims", "--json"]).stdout)
    assert claims[0]["input_ratio"] == 8.0


def test_without_a_name_it_says_what_to_give(folder):
    result = CliRunner().invoke(app, [])
    assert isinstance(result.exception, ConfigError)
    assert "understudy cost NAME" in str(result.exception)


def test_json_is_the_whole_table_and_is_saved_with_the_run(folder):
    run = folder / "runs" / "20261123-060000"
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}", encoding="utf-8")
    result = CliRunner().invoke(app, [str(folder), "--json", "--cheap", "gpt-4o-mini"])
    table = json.loads(result.stdout)
    assert table["schema"] == "understudy.cost/2"
    tuned = {"ft:gpt-4o-mini"} if can_tune("gpt-4o-mini", date.today()) else set()
    assert {arm["model"] for arm in table["arms"]} >= {"gpt-4o-mini"} | tuned
    assert json.loads((run / "cost.json").read_text(encoding="utf-8")) == table
