"""Quantization: the base's matrices in four bits while an adapter learns on them (QLoRA).

Source: Dettmers et al. 2023, https://arxiv.org/abs/2305.14314: NormalFloat numbers in blocks of
64 with a scale each, the scales themselves in eight bits, products in bf16.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from understudy.training.failure import JobFailed

__all__ = ["FOUR_BIT", "four_bit_config", "prepare_four_bit", "refuse_four_bit", "why_not_four_bit"]

FOUR_BIT = "4bit"
PARAM = "hyperparameters.quantization"
# bitsandbytes computes on processors too, many times slower than bf16 there; tests of the path use it.
ALSO_ON_CPU = False


def why_not_four_bit(has_cuda: bool | None = None) -> str | None:
    """Why this machine cannot train in four bits, and what to do; ``None`` where it can.

    Args:
        has_cuda: What torch says; ``None`` asks the system, without torch.
    """
    if has_cuda is None:
        has_cuda = any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()
    if not has_cuda and not ALSO_ON_CPU:
        return (
            "Four-bit training needs an NVIDIA GPU with CUDA, and this machine shows none: its products run "
            "there. Leave quantization out and choose a base that fits in bf16, or send the job to a machine "
            "with such a GPU: --provider http://THAT-MACHINE:8321/v1"
        )
    if find_spec("bitsandbytes") is None:
        return (
            "Four-bit training needs the package 'bitsandbytes'. Install it where the server runs: "
            "pip install 'understudy[qlora]'"
        )
    return None


def refuse_four_bit(device_kind: str) -> None:
    """Stop a job in four bits where they cannot be had, before anything is loaded.

    Raises:
        JobFailed: Saying why, and what to do.
    """
    reason = why_not_four_bit(device_kind == "cuda")
    if reason:
        raise JobFailed(reason, "unsupported_value", PARAM)


def four_bit_config() -> Any:
    """How transformers is told to load the base."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def prepare_four_bit(model: Any) -> None:
    """Make a base that was loaded in four bits ready for this project's loop.

    It is frozen already, and what is not quantized (embeddings, norms, head) stays in bf16 as in
    every job on a GPU: the norms compute in fp32 inside. PEFT's own preparation would store these
    in fp32, a gibibyte for a large vocabulary, and turn on recomputation, which the loop does not
    need because it cuts a batch to the memory that is there.

    bitsandbytes repacks matrices on a processor when they are read without gradients, and cannot
    learn through them afterwards; a validation would end the learning. So that is switched off.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
