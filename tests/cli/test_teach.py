"""``understudy teach`` as a person types it, with the embedded server and the embedded model."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE_LINES = "Hello!\nHow are you today?\n\nWhat a lovely evening.\n\nTell me a story.\n"


def command(*words):
    return [sys.executable, "-m", "understudy", *map(str, words)]


def understudy(*words, home, timeout=240, **environment):
    ended = subprocess.run(
        command(*words), capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
        env=os.environ | {"UNDERSTUDY_HOME": str(home), "COLUMNS": "160"} | environment,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("home")
    yield place
    understudy("serve", "--stop", home=place)


@pytest.fixture
def folder(tmp_path, home):
    root = tmp_path / "ophelia"
    assert understudy("init", root, "--example", "ophelia", home=home).returncode == 0
    return root


@pytest.mark.slow
def test_the_embedded_model_writes_is_current_and_keeps_what_was_there(folder, home, tmp_path):
    lines = tmp_path / "asked.txt"
    lines.write_text(EXAMPLE_LINES, encoding="utf-8")
    before = (folder / "dialogues.jsonl").read_bytes()
    words = ("teach", folder, "--teacher", "understudy/mini", "--lines", lines, "--max-tokens", 64)
    first = understudy(*words, "--json", home=home)
    assert first.returncode == 0, first.stderr
    assert "dialogues 3/3" in first.stderr
    result = json.loads(first.stdout)
    assert 1 <= result["dialogues"] <= 3
    assert (folder / result["kept"]).read_bytes() == before
    rows = [json.loads(line) for line in (folder / "dialogues.jsonl").read_text("utf-8").splitlines()]
    assert {row["source"] for row in rows} == {"written by understudy/mini under the long prompt"}
    again = understudy(*words, home=home)
    assert again.returncode == 0
    assert "is current: understudy/mini wrote it" in again.stdout
    assert again.stderr == ""


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(folder, home):
    words = ("teach", folder, "--teacher", "understudy/mini", "--dialogues", 60, "--concurrency", 4)
    before = (folder / "dialogues.jsonl").read_bytes()
    process = subprocess.Popen(
        command(*words), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"UNDERSTUDY_HOME": str(home)},
    )  # fmt: skip
    for line in process.stderr:
        if line.startswith("dialogues 15/60"):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped. Every answer is kept" in said
    assert "Traceback" not in said
    assert (folder / "dialogues.jsonl").read_bytes() == before
    done = (folder / "calls.jsonl").read_text(encoding="utf-8").count('"finished"')
    assert 15 <= done < 60
    result = json.loads(understudy(*words, "--json", home=home).stdout)
    assert result["fresh"] == 60 - done


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_batches_of_the_embedded_server_write_a_plan(folder, home):
    assert understudy("plan", folder, "--dialogues", 2, home=home).returncode == 0
    words = (
        "generate", folder, "--teacher", "understudy/mini", "--batch", "--repeats", 0, "--max-tokens", 24,
    )  # fmt: skip
    first = understudy(*words, "--json", home=home, timeout=600)
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    assert result["complete"]
    assert 1 <= result["dialogues"] <= 3
    batches = [json.loads(line) for line in (folder / "batches.jsonl").read_text("utf-8").splitlines()]
    created = {row["batch"]: row["requests"] for row in batches if "batch" in row}
    assert first.stderr.count("batch batch_") == len(created) > 0
    assert sum(created.values()) == result["fresh_requests"]
    # What was lost before it could be noted is found in the batches, and asked of nobody again.
    (folder / "calls.jsonl").unlink()
    (folder / "teaching.json").unlink()
    again = understudy(*words, "--again", home=home)
    assert again.returncode == 0, again.stderr
    assert "batch batch_" not in again.stderr


def test_a_dry_run_starts_nothing_and_writes_nothing(folder, tmp_path):
    files = sorted(folder.rglob("*"))
    ended = understudy("teach", folder, "--teacher", "understudy/mini", "--dry-run", home=tmp_path / "none")
    assert ended.returncode == 0
    assert "1,023 conversations" in ended.stdout
    assert "on this machine, free" in ended.stdout
    assert sorted(folder.rglob("*")) == files
    assert not (tmp_path / "none").exists()


def test_nothing_is_spent_unasked(folder, home):
    words = ("teach", folder, "--teacher", "gpt-4o", "--provider", "openai", "--dialogues", 5)
    key = {"OPENAI_API_KEY": "sk-canary"}
    refused = understudy(*words, home=home, **key)
    assert refused.returncode == 2
    assert "USD (" in refused.stderr
    assert "--yes" in refused.stderr
    told = understudy(*words, "--dry-run", "--json", home=home, **key)
    assert json.loads(told.stdout)["cost"]["usd"] > 0
    assert "sk-canary" not in refused.stderr + told.stdout + told.stderr
    without = understudy(*words, home=home, OPENAI_API_KEY="")
    assert without.returncode == 2
    assert not (folder / "calls.jsonl").exists()


def test_a_server_that_is_not_there_is_one_message(folder, home):
    words = ("teach", folder, "--teacher", "m", "--provider", "http://127.0.0.1:9/v1", "--dialogues", 2)
    ended = understudy(*words, home=home)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("understudy: The server stopped answering")


def test_what_is_wrong_is_one_message(folder, home, tmp_path):
    missing = understudy("teach", folder, "--teacher", "m", "--lines", tmp_path / "none.txt", home=home)
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    assert "none.txt: no such file" in missing.stderr
    nameless = understudy("teach", folder, "--teacher", " ", home=home)
    assert (nameless.returncode, nameless.stderr.count("\n")) == (2, 1)
    starless = understudy("run", folder, "--teach", 5, home=home)
    assert starless.stderr == "understudy: --teach needs the model that writes: --star MODEL\n"
    shutil.rmtree(folder)
    gone = understudy("teach", folder, "--teacher", "m", home=home)
    assert gone.returncode == 2
    assert "holds no character.yaml" in gone.stderr


@pytest.mark.slow
def test_run_lets_the_star_write_first_and_measures_it(folder, home):
    words = (
        "run", folder, "--base-model", "understudy/mini", "--star", "understudy/mini", "--teach", "60",
        "--quick", "--json",
    )  # fmt: skip
    first = understudy(*words, home=home)
    assert first.returncode == 0, first.stderr
    verdict = json.loads(Path(json.loads(first.stdout)["verdict"]).read_text(encoding="utf-8"))
    assert "expensive+long" in [arm["name"] for arm in verdict["arms"] if arm["measured"]]
    again = understudy(*words, home=home)
    skipped = [line.split()[0] for line in again.stderr.splitlines() if " skipped: " in line]
    assert skipped == ["teach", "build", "train", "evaluate", "report"]
