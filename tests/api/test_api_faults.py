"""Faults: kill -9 at random moments and damaged checkpoints, with the counts of ``benchmarks/durability``.

Kills and damage are real: real processes over real HTTP, and the real training process on a random
model of a few thousand numbers.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.durability.storm import Storm  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def run_trials(folder: Path, *arguments: str) -> dict:
    """Run the benchmark as a person does, in a process that may fork, and give its counts."""
    report = folder / "counts.json"
    command = [sys.executable, "-m", "benchmarks.durability", *arguments, "--json", str(report)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(report.read_text())


def test_a_dozen_kills_of_the_server_and_its_chat_process_lose_nothing(tmp_path):
    storm = Storm(tmp_path, seed=12, n_epochs=4, fakes=True)
    storm.start()
    phases = ["upload"] * 8 + ["chat"] * 4
    random.Random(12).shuffle(phases)
    for phase in phases:
        storm.kill_once(phase)

    counts = storm.finish()

    assert counts.problems() == {}
    assert sum(counts.kills.values()) == 12
    assert counts.files > 8
    assert counts.replies_whole > 0


def test_a_training_process_killed_at_its_file_operations_ends_with_the_same_weights(tmp_path):
    found = run_trials(tmp_path, "files", "--kills", "4", "--seed", "4")

    assert found["files"]["operations"]["kills"] == 4
    assert found["files"]["operations"]["equal"] == 4
    assert found["files"]["random"]["equal"] == 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills_over_http_lose_nothing_and_change_no_weight(tmp_path):
    found = run_trials(tmp_path, "storm", "--kills", "210")["storm"]

    assert sum(found["kills"].values()) == 210
    assert found["jobs"] >= 10
    assert {name: value for name, value in found.items() if isinstance(value, list) and value} == {}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_kill_before_every_file_operation_changes_no_weight(tmp_path):
    found = run_trials(tmp_path, "files", "--kills", "1000")["files"]["operations"]

    assert found["operations"] > 60
    assert found["kills"] == found["operations"] == found["equal"]
    assert found["failures"] == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_damaged_file_of_the_newest_checkpoint_changes_no_weight(tmp_path):
    found = run_trials(tmp_path, "cuts")["cuts"]["understudy"]

    assert found["damaged"] >= 40
    assert found["equal"] == found["damaged"]
