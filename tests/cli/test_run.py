"""``understudy run`` from dialogues to the report, and what it skips the second time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def understudy(*words: str, home: Path, timeout_seconds: int = 280) -> subprocess.CompletedProcess:
    import os

    command = [sys.executable, "-m", "understudy", *words]
    environment = os.environ | {"UNDERSTUDY_HOME": str(home), "COLUMNS": "160"}
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds, env=environment)


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "home"
    understudy("serve", "--stop", home=tmp_path / "home")


@pytest.mark.slow
def test_run_does_everything_then_skips_everything(tmp_path, home):
    folder = tmp_path / "ophelia"
    made = understudy("init", str(folder), "--example", "ophelia", home=home)
    assert made.returncode == 0, made.stderr
    dialogues = (folder / "dialogues.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "dialogues.jsonl").write_text("".join(dialogues[::8]), encoding="utf-8")

    words = ("run", str(folder), "--base-model", "understudy/mini", "--quick", "--json")
    first = understudy(*words, home=home)
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    assert result["model"].startswith("ft:understudy/mini:")
    assert result["headline"]["answer"] in ("yes", "no", "not_shown")
    verdict = json.loads(Path(result["verdict"]).read_text(encoding="utf-8"))
    measured = [arm["name"] for arm in verdict["arms"] if arm["measured"]]
    assert measured == ["cheap+long", "cheap+short", "tuned+short", "tuned+none", "tuned+long"]
    assert "Princess Ophelia" in Path(result["report"]).read_text(encoding="utf-8")

    again = understudy(*words, home=home)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == result
    skipped = [line.split()[0] for line in again.stderr.splitlines() if " skipped: " in line]
    assert skipped == ["build", "train", "evaluate", "report"]

    said = understudy("chat", str(folder), "--say", "Good morning!", home=home)
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip()


def test_run_without_dialogues_says_what_to_do_first(tmp_path, home):
    folder = tmp_path / "iroh"
    assert understudy("init", str(folder), home=home).returncode == 0
    ended = understudy("run", str(folder), home=home)
    assert ended.returncode == 1
    assert ended.stderr.startswith("understudy: ")
    assert "understudy import" in ended.stderr
    assert "Traceback" not in ended.stderr
