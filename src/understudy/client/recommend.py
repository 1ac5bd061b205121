"""Recommend: a base model that this machine can train in reasonable time."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Machine", "Recommendation", "look_at_machine", "recommend_base"]

OFFLINE_MODEL = "understudy/mini"

# Smallest memory in GB, then the model. With LoRA the weights stay in 16 bits (2 GB per billion
# parameters) and activations take about as much again; on a processor time is the tighter limit.
ON_GPU = (
    (40, "Qwen/Qwen3-14B"),
    (22, "Qwen/Qwen3-8B"),
    (12, "Qwen/Qwen3-4B"),
    (6, "Qwen/Qwen3-1.7B"),
    (0, "Qwen/Qwen3-0.6B"),
)
ON_PROCESSOR = (
    (12, "Qwen/Qwen3-0.6B"),
    (6, "HuggingFaceTB/SmolLM2-360M-Instruct"),
    (0, "HuggingFaceTB/SmolLM2-135M-Instruct"),
)


@dataclass(frozen=True)
class Machine:
    """Memory in GB (10**9 bytes) that a model could use, and processor cores."""

    memory_gb: float
    gpu_memory_gb: float = 0.0
    gpu: str = ""
    cores: int = 1


@dataclass(frozen=True)
class Recommendation:
    """A model for this machine, the reason, and one that needs no download."""

    model: str
    reason: str
    offline_model: str = OFFLINE_MODEL


def recommend_base(machine: Machine | None = None) -> Recommendation:
    """The largest usual chat model whose LoRA training fits the machine."""
    machine = machine or look_at_machine()
    if machine.gpu_memory_gb:
        model = next(name for least, name in ON_GPU if machine.gpu_memory_gb >= least)
        return Recommendation(model, f"{machine.gpu} with {machine.gpu_memory_gb:.0f} GB")
    model = next(name for least, name in ON_PROCESSOR if machine.memory_gb >= least)
    cores = f"{machine.cores} core{'s' if machine.cores != 1 else ''}"
    return Recommendation(model, f"no GPU, {machine.memory_gb:.0f} GB of memory, {cores}")


def look_at_machine() -> Machine:
    """Measure this machine without importing a machine-learning library."""
    gpu, gpu_memory_gb = _largest_gpu()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(_memory_gb(), gpu_memory_gb, gpu, cores)


def _memory_gb() -> float:
    """Physical memory, or the limit of the container where that is lower."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        total = 8_000_000_000  # unknown system: assume an ordinary laptop
    limits = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
    for limit in limits:
        try:
            total = min(total, int(limit.read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return total / 1e9


def _largest_gpu() -> tuple[str, float]:
    """Name and memory in GB of the largest NVIDIA GPU; ``("", 0)`` without one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "", 0.0
    try:
        answer = subprocess.run(
            [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        ).stdout
        rows = [line.rsplit(",", 1) for line in answer.splitlines() if "," in line]
        gpus = [(name.strip(), float(mebibytes) * 2**20 / 1e9) for name, mebibytes in rows]
    except (OSError, subprocess.SubprocessError, ValueError):
        return "", 0.0
    return max(gpus, key=lambda gpu: gpu[1], default=("", 0.0))
