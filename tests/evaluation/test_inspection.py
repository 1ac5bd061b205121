"""The evaluation as a folder for Inspect AI: what it holds, how it decides, and what it refuses."""

import ast
import hashlib
import json
import shutil
import sys
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from understudy.cli.inspect_ import inspect_command
from understudy.errors import ConfigError, EvaluationError, MissingExtraError, UnderstudyError
from understudy.evaluation import evaluate
from understudy.evaluation.frozen_probes import read_frozen
from understudy.evaluation.looks import count_looks, exported_on
from understudy.folder import open_folder
from understudy.inspection import build_metrics, load_exported, write_inspection
from understudy.inspection.exported import PARTS

from .stage import FEW_DEVELOPMENT, Stage, set_stage


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder, run = set_stage(tmp_path_factory.mktemp("stage"), lines=250)
    evaluate(folder, run, Stage(folder), FEW_DEVELOPMENT)
    return folder, run


def copy_of(evaluated, place):
    folder, run = evaluated
    shutil.copytree(folder.root, place)
    mine = open_folder(place)
    return mine, mine.run(run.name)


@pytest.fixture
def copied(evaluated, tmp_path):
    """A character and run of one's own to damage."""
    return copy_of(evaluated, tmp_path / "ophelia")


@pytest.fixture(scope="module")
def exported(evaluated, tmp_path_factory):
    """The folder alone: the character that it came from is gone."""
    root = tmp_path_factory.mktemp("away")
    write_inspection(*copy_of(evaluated, root / "ophelia"), output=root / "task")
    shutil.rmtree(root / "ophelia")
    return root / "task"


@pytest.fixture(scope="module")
def found(exported):
    return load_exported(exported)


@pytest.fixture
def app():
    app = typer.Typer()
    app.command()(inspect_command)
    return app


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_folder_decides_every_reply_as_the_verdict_did(evaluated, exported, found):
    _, run = evaluated
    published = [r for r in rows(run / "replies-development.jsonl") if r["part"] in PARTS]

    assert found.otherwise == 0
    assert {r["passed"] for r in published} == {True, False}
    for row in published[::7]:
        decision = found.decide(row["probe_id"], f" {row['reply']}\n")
        assert (decision.passed, decision.why) == (row["passed"], row["why"])
    assert len(rows(exported / "replies.jsonl")) == len(published)


def test_probes_prompts_and_settings_are_those_of_the_verdict(evaluated, exported, found):
    folder, run = evaluated
    verdict = json.loads((run / "verdict-development.json").read_text(encoding="utf-8"))
    sent = {arm["name"]: arm["prompt"] for arm in verdict["arms"]}

    assert found.manifest["sha256"] == verdict["probes"]["sha256"]
    assert (exported / "probes.json").read_bytes() == (folder.probes / "development.json").read_bytes()
    assert len(found.asked("single")) == verdict["arms"][2]["scores"]["probes_passed"]["count"]
    assert (len(found.asked("further")), len(found.asked("skill"))) == (8, 6)
    assert found.prompt("long") == sent["cheap+long"]
    assert (found.prompt("short"), found.prompt("none")) == ("You are Princess Ophelia.", "")
    assert found.settings.as_dict() == verdict["settings"]
    for wrong in (lambda: found.prompt("loud"), lambda: found.asked("script")):
        with pytest.raises(ConfigError, match="give one of"):
            wrong()


def test_the_readme_says_how_to_run_it_what_it_measured_and_whether_it_may_be_shown(exported):
    text = (exported / "README.md").read_text(encoding="utf-8")
    manifest = json.loads((exported / "evaluation.json").read_text(encoding="utf-8"))

    assert "pip install 'understudy[inspect]'" in text
    assert "--model openai-api/understudy/ft:understudy/mini:personal:ophelia:abc" in text
    assert manifest["sha256"] in text
    assert "development probes: choose models" in text
    assert "| tuned+short |" in text
    assert "The character is original" in text
    ast.parse((exported / "task.py").read_text(encoding="utf-8"))


def test_an_export_is_one_look_is_told_later_and_leaves_logs_beside_it(copied):
    folder, run = copied
    path = folder.probes / "development.json"
    sha256 = read_frozen(path).sha256
    assert (count_looks(folder.probes, sha256), exported_on(folder.probes, sha256)) == (1, None)

    first = write_inspection(folder, run)
    (first.folder / "logs").mkdir()
    (first.folder / "logs" / "a.eval").write_text("mine")
    (first.folder / "task.py").write_text("changed")
    second = write_inspection(folder, run)

    assert first.looks == second.looks == count_looks(folder.probes, sha256) == 2
    assert any("was exported on" in note for note in read_frozen(path).set.notes)
    assert (first.folder / "logs" / "a.eval").read_text() == "mine"
    assert "build_task" in (first.folder / "task.py").read_text(encoding="utf-8")
    assert not list(run.glob(".*"))


def test_the_final_probes_leave_only_where_it_is_said(copied, app):
    folder, run = copied
    evaluate(folder, run, Stage(folder), replace(FEW_DEVELOPMENT, probe_set="final", replies_per_probe=1))
    ended = CliRunner().invoke(app, [str(folder.root), "--final", "--json"])

    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert told["folder"].endswith("inspect-final")
    assert told["looks"] == 2
    assert "Looks at the final probes: 2, this export among them" in ended.stderr
    text = (run / "inspect-final" / "README.md").read_text(encoding="utf-8")
    assert "counted nowhere" in text
    again = evaluate(
        folder, run, Stage(folder), replace(FEW_DEVELOPMENT, probe_set="final", replies_per_probe=1)
    )
    assert any("The final set was exported on" in limit for limit in again.limits)


def test_nothing_is_written_among_files_of_others(evaluated, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="is not empty and holds no earlier export"):
        write_inspection(*evaluated, output=tmp_path)
    with pytest.raises(ConfigError, match="is a file"):
        write_inspection(*evaluated, output=tmp_path / "letter.txt")
    with pytest.raises(UnderstudyError, match="cannot be written"):
        write_inspection(*evaluated, output=tmp_path / "letter.txt" / "task")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_without_a_verdict_on_the_set_both_ways_on_are_named(evaluated):
    folder, run = evaluated
    with pytest.raises(EvaluationError, match=r"no verdict on the final probes.*understudy evaluate"):
        write_inspection(folder, run, probe_set="final")


def test_without_a_run_or_with_an_unknown_one_the_command_says_what_to_do(app, copied):
    folder, run = copied
    unknown = CliRunner().invoke(app, [str(folder.root), "--run", "nonsuch"])
    (run / "verdict-development.json").unlink()
    unjudged = CliRunner().invoke(app, [str(folder.root)])
    shutil.rmtree(folder.runs)
    none = CliRunner().invoke(app, [str(folder.root)])

    assert run.name in str(unknown.exception)
    assert "--development; or export the final ones" in str(unjudged.exception)
    assert isinstance(none.exception, ConfigError)
    assert "understudy train" in str(none.exception)


def test_a_verdict_that_is_not_current_is_not_exported(copied):
    folder, run = copied
    text = folder.character.read_text(encoding="utf-8")
    folder.character.write_text(text + "\n# another sheet\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"the sheet changed after its verdict.*--development"):
        write_inspection(folder, run)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder, run: (folder.probes / "development.json").unlink(), "no such file. Restore it"),
        (lambda folder, run: (folder.probes / "development.json").write_text("{}"), "not a set of probes"),
        (lambda folder, run: (run / "plain_replies.jsonl").unlink(), "does not hold all answers"),
        (lambda folder, run: (run / "replies-development.jsonl").unlink(), "holds no reply"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_written(copied, damage, words):
    folder, run = copied
    damage(folder, run)
    with pytest.raises(EvaluationError, match=words):
        write_inspection(folder, run)
    assert not list(run.glob("*inspect*"))


def test_decisions_that_were_changed_are_found_before_anything_is_written(copied):
    folder, run = copied
    path = run / "replies-development.jsonl"
    first, *rest = rows(path)
    first["passed"] = not first["passed"]
    path.write_text("".join(json.dumps(row) + "\n" for row in (first, *rest)), encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"decide 0\.\d\d% of the verdict's \d+ replies otherwise"):
        write_inspection(folder, run, output=run / "elsewhere")
    assert not (run / "elsewhere").exists()


@pytest.mark.parametrize("name", ["character.yaml", "probes.json", "training.jsonl", "replies.jsonl"])
def test_an_exported_file_that_was_changed_or_lost_is_refused(exported, tmp_path, name):
    place = shutil.copytree(exported, tmp_path / "task")
    (place / name).write_text((place / name).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match=f"{name}: was changed after it was exported"):
        load_exported(place)
    (place / name).unlink()
    with pytest.raises(EvaluationError, match=f"{name}: is missing"):
        load_exported(place)


def test_rules_that_would_decide_otherwise_here_are_not_used(exported, tmp_path):
    """As if another version of the program or of a library had trained the rules."""
    place = shutil.copytree(exported, tmp_path / "task")
    known = rows(place / "replies.jsonl")
    for row in known[::20]:
        row["passed"] = not row["passed"]
    text = "".join(json.dumps(row) + "\n" for row in known)
    (place / "replies.jsonl").write_text(text, encoding="utf-8")
    manifest = json.loads((place / "evaluation.json").read_text(encoding="utf-8"))
    manifest["files"]["replies.jsonl"] = hashlib.sha256(text.encode()).hexdigest()
    (place / "evaluation.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"decide 5\.\d% of the known replies otherwise.*scikit-learn"):
        load_exported(place)


def test_without_inspect_the_message_says_how_to_get_it(monkeypatch, copied, app):
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'understudy\[inspect\]'"):
        build_metrics()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    written = CliRunner().invoke(app, [str(copied[0].root)])
    assert written.exit_code == 0, written.output
    assert "pip install 'understudy[inspect]'" in written.stderr
    assert written.stdout.strip().endswith("inspect-development")
