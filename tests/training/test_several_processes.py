"""Two processes with gloo learn what one learns: the same losses, the same weights."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from .conftest import Job

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def run_together(job: Job, processes: int) -> list[dict[str, Any]]:
    """Run a job in several processes as ``torchrun`` starts them; the events of the first."""
    path = job.root / "spec.json"
    path.write_text(json.dumps(job.spec))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = []
    for rank in range(processes):
        environment = {
            **os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
            "WORLD_SIZE": str(processes), "RANK": str(rank), "LOCAL_RANK": str(rank),
            "LOCAL_WORLD_SIZE": str(processes),
        }  # fmt: skip
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "understudy.training", str(path)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
        )
    try:
        told = [process.communicate(timeout=180) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert [process.returncode for process in started] == [0] * processes, told
    assert not any(output for output, _ in told[1:])  # the first speaks for all
    return [json.loads(line) for line in told[0][0].splitlines()]


def test_two_processes_learn_what_one_learns(tmp_path: Path, tiny_model: Callable[[str], Path]) -> None:
    jobs = []
    for name in ("alone", "together"):
        (tmp_path / name).mkdir()
        job = Job(tmp_path / name, tiny_model("llama"))
        # 24 examples in batches of 11: the shares of a batch are unequal.
        job.spec["hyperparameters"] = {"n_epochs": 2, "batch_size": 11, "learning_rate": 0.01}
        job.spec["lora"]["dropout"] = 0.0
        job.spec["precision"] = "no"
        jobs.append(job)
    alone, together = jobs
    expected = alone.run()
    events = run_together(together, 2)
    counts = [next(e["processes"] for e in told if e["event"] == "started") for told in (expected, events)]
    assert counts == [1, 2]
    steps, others = ([e for e in found if e["event"] == "step"] for found in (expected, events))
    assert len(steps) == len(others) == 6
    for one, other in zip(steps, others, strict=True):
        for key in ("train_loss", "train_mean_token_accuracy", "gradient_norm"):
            assert other[key] == pytest.approx(one[key], rel=1e-4), key
    weights, found = load(alone.weights()), load(together.weights())
    for name, tensor in weights.items():
        torch.testing.assert_close(found[name], tensor, atol=2e-5, rtol=1e-3)
