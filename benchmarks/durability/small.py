"""Small: a job of a few seconds, on a random model of a few thousand numbers."""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from models import build_tiny_model, write_chat_file

__all__ = ["SmallJob", "weights_of"]


@dataclass(frozen=True)
class SmallJob:
    """Base model, data and numbers of one job; only the output differs from run to run."""

    base: Path
    training_file: Path
    n_epochs: int = 3
    batch_size: int = 8
    seed: int = 7

    @classmethod
    def make(cls, root: Path, **numbers: int) -> "SmallJob":
        """Write model and data below ``root`` unless they are there."""
        base, data = root / "base", root / "train.jsonl"
        if not base.is_dir():
            build_tiny_model(base)
            write_chat_file(data, 24)
        return cls(base, data, **numbers)

    def spec(self, output: Path) -> dict[str, Any]:
        """What the training process is told; dropout makes every random number matter."""
        return {
            "job_id": output.name,
            "base_model": str(self.base),
            "adapter": None,
            "training_file": str(self.training_file),
            "validation_file": None,
            "output_directory": str(output),
            "method": "supervised",
            "hyperparameters": {
                "n_epochs": self.n_epochs,
                "batch_size": self.batch_size,
                "learning_rate": 0.01,
            },
            "lora": {"rank": 4, "alpha": 8, "dropout": 0.1},
            "max_tokens": 256,
            "seed": self.seed,
            "threads": 1,
            "precision": "no",
        }

    def train(self, output: Path) -> list[dict[str, Any]]:
        """Train in this process, as the server's process does, and give the events."""
        import io

        from understudy.inference.channel import Channel
        from understudy.training.__main__ import run_job

        stream, path = io.StringIO(), output.with_suffix(".json")
        path.write_text(json.dumps(self.spec(output)))
        run_job(path, Channel(stream), lambda: False)
        return [json.loads(line) for line in stream.getvalue().splitlines()]


def weights_of(folder: Path) -> str | None:
    """SHA-256 of an adapter's weights; ``None`` where there are none."""
    path = folder / "adapter_model.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
