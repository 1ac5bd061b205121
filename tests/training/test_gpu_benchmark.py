"""The measurement for GPUs: its path on the processor, and its refusal where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.gpu import SHAPES, matmul_weights  # noqa: E402


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.gpu", *arguments], cwd=ROOT, text=True,
        capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip


def test_without_a_device_it_says_so() -> None:
    done = run()
    assert done.returncode == 2
    assert "no CUDA device here" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(("name", "least", "most"), [("1B", 1.23e9, 1.24e9), ("8B", 7.5e9, 7.51e9)])
def test_the_weights_of_products_are_counted_as_the_model_has_them(
    name: str, least: float, most: float
) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**({"tie_word_embeddings": True} | SHAPES[name])))
    found = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Linear))
    assert matmul_weights(SHAPES[name]) == found
    assert least < found < most


@pytest.mark.slow
def test_the_same_path_runs_on_the_processor() -> None:
    pytest.importorskip("understudy_miniatures")
    done = run("--device", "cpu", "--parameters", "20M", "--smoke")
    assert done.returncode == 0, done.stderr[-2000:]
    for words in ("ceiling of training", "| identity | understudy |", "| 400 | understudy |"):
        assert words in done.stdout
    assert "| short | 2 | transformers serve |" in done.stdout
    assert "failed" not in done.stdout
