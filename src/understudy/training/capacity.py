"""Capacity: whether a job fits into memory, told before it starts and with the arithmetic."""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from understudy.inference.base import check_base
from understudy.inference.memory import machine_memory_bytes
from understudy.training.failure import JobFailed

__all__ = ["Need", "estimate_need", "micro_batch_tokens", "refuse_base", "refuse_if_too_large"]

_GIB = 2**30
_ADAPTER_BYTES = 16  # fp32 weight, gradient and two moments
# A number of four bits, its share of a scale of eight bits for 64 numbers, and of one of fp32 for 256 scales.
_FOUR_BIT_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)


@dataclass(frozen=True)
class Need:
    """Bytes that training takes at the least."""

    weights: int
    adapter: int
    longest_example: int

    @property
    def total(self) -> int:
        return self.weights + self.adapter + self.longest_example


def estimate_need(
    parameters: int, dtype_bytes: int, config: Any, rank: int, tokens: int, four_bit: bool = False
) -> Need:
    """Lower bound of the memory of a step with one example.

    Weights in their number format; adapter weights with gradient and two moments in fp32; about
    16 kept vectors of hidden size a layer and token, and the logits three times in fp32 for half
    the tokens. Source: counted from a Llama layer with the attention matrix not stored.

    Args:
        parameters: Numbers in the base's files.
        dtype_bytes: 4 for fp32, 2 for bf16.
        config: The model's configuration.
        rank: Of the adapter.
        tokens: Of the longest example.
        four_bit: Whether the matrices of the layers are stored in four bits.
    """
    text = config.get_text_config()
    hidden, layers = int(text.hidden_size), int(text.num_hidden_layers)
    inner = int(getattr(text, "intermediate_size", 4 * hidden))
    adapter = layers * rank * (8 * hidden + 3 * (hidden + inner))
    activations = tokens * layers * (16 * hidden + 4 * inner) * dtype_bytes
    logits = tokens // 2 * int(text.vocab_size) * 4 * 3
    weights = _four_bit_bytes(parameters, text) if four_bit else parameters * dtype_bytes
    return Need(weights, adapter * _ADAPTER_BYTES, activations + logits)


def _four_bit_bytes(parameters: int, text: Any) -> int:
    """Bytes of a base in four bits: its layers so, embeddings and head in bf16."""
    matrices = 1 if getattr(text, "tie_word_embeddings", False) else 2
    whole = min(parameters, matrices * int(text.vocab_size) * int(text.hidden_size))
    return int((parameters - whole) * _FOUR_BIT_BYTES) + whole * 2


def refuse_if_too_large(need: Need, memory_bytes: int, place: str) -> None:
    """Stop a job that cannot fit, before it starts.

    Raises:
        JobFailed: With the sum that does not fit.
    """
    if need.total <= memory_bytes:
        return
    parts = [
        f"{name} {size / _GIB:.1f}"
        for name, size in (
            ("weights", need.weights),
            ("adapter with optimizer", need.adapter),
            ("one example", need.longest_example),
        )
        if size
    ]
    raise JobFailed(
        f"This base does not fit: {' + '.join(parts)} = {need.total / _GIB:.1f} GiB, and {place} has "
        f"{memory_bytes / _GIB:.1f} GiB. Choose a smaller base model or a smaller max_tokens, or train on a "
        "machine with more memory.",
        "out_of_memory",
        "model",
    )


def refuse_base(directory: Path, rank: int, four_bit: bool = False) -> None:
    """Stop a job whose base cannot fit whatever its data are, without loading torch or the model.

    Weights are counted in bf16, the smallest format that is trained without quantization. Where a GPU
    may hold the model, the training process, which can ask it, decides.

    Raises:
        JobFailed: With the sum that does not fit.
        ModelError: The directory is no usable model.
    """
    if sys.platform == "darwin" or Path("/dev/nvidia0").exists():
        return
    files = check_base(directory)
    text = SimpleNamespace(**(files.config.get("text_config") or files.config))
    config = SimpleNamespace(get_text_config=lambda: text)
    try:
        need = estimate_need(files.parameters, 2, config, rank, 0, four_bit)
    except (AttributeError, TypeError, ValueError):  # A configuration with other names.
        need = Need(files.parameters * 2, 0, 0)
    refuse_if_too_large(need, machine_memory_bytes(), "this machine")


def micro_batch_tokens(need: Need, memory_bytes: int, tokens: int) -> int:
    """Padded tokens that one forward and backward pass may hold, from what the weights leave free.

    At most 16,384, because larger pieces are not faster; at least the longest example.
    """
    free = max(0, memory_bytes - need.weights - need.adapter) // 3
    per_token = max(1, need.longest_example // max(1, tokens))
    return max(tokens, min(16_384, free // per_token))
