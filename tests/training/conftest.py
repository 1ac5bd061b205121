"""Fixtures of the training tests: a small job and the process that runs it."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from models import tiny_model, write_chat_file

__all__ = ["Job", "tiny_model"]


class Job:
    """A job's folder, specification and process."""

    def __init__(self, root: Path, base: Path) -> None:
        self.root = root
        self.output = root / "out"
        self.spec: dict[str, Any] = {
            "job_id": "job",
            "base_model": str(base),
            "adapter": None,
            "training_file": str(write_chat_file(root / "train.jsonl", 24)),
            "validation_file": str(write_chat_file(root / "valid.jsonl", 5)),
            "output_directory": str(self.output),
            "method": "supervised",
            "hyperparameters": {"n_epochs": 3, "batch_size": 4, "learning_rate": 0.01},
            "lora": {"rank": 4, "alpha": 8, "dropout": 0.1},
            "max_tokens": 256,
            "seed": 7,
            "threads": 1,
        }

    def start(self, code: str | None = None) -> subprocess.Popen[str]:
        """Start the worker; ``code`` is Python that runs before it, in the same process."""
        path = self.root / "spec.json"
        path.write_text(json.dumps(self.spec))
        arguments = ["-m", "understudy.training", str(path)]
        if code is not None:
            main = "import sys; from understudy.training.__main__ import main; sys.exit(main(sys.argv[1:]))"
            arguments = ["-c", code + "\n" + main, str(path)]
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def run(self, stop_after: int | None = None) -> list[dict[str, Any]]:
        """Run in this process, which saves the start of another, and give all events.

        Args:
            stop_after: Ask the job to stop once this step was reported.
        """
        from understudy.inference.channel import Channel
        from understudy.training.__main__ import run_job

        path, stream = self.root / "spec.json", io.StringIO()
        path.write_text(json.dumps(self.spec))
        run_job(path, Channel(stream), lambda: f'"step":{stop_after},' in stream.getvalue())
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    def run_alone(self, code: str | None = None) -> list[dict[str, Any]]:
        """Run to the end in a process of its own and give all events."""
        output, errors = self.start(code).communicate(timeout=120)
        assert "Traceback" not in errors, errors
        return [json.loads(line) for line in output.splitlines()]

    def run_until(self, step: int, number: int = signal.SIGTERM) -> list[dict[str, Any]]:
        """Run, and send a signal once a step is reported."""
        process, events = self.start(), []
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "step" and events[-1]["step"] == step:
                process.send_signal(number)
        process.wait(timeout=60)
        process.stdout.close()
        process.stderr.close()
        return events

    def weights(self) -> bytes:
        return (self.output / "model" / "adapter_model.safetensors").read_bytes()


@pytest.fixture
def job(tmp_path: Path, tiny_model: Callable[[str], Path]) -> Job:
    """A job of 18 steps in three epochs on the tiny Llama."""
    return Job(tmp_path, tiny_model("llama"))
