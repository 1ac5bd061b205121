"""Head: the output projection, applied only where its result is wanted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["selected_head"]


@contextmanager
def selected_head(head: Any, selected: "torch.Tensor") -> Iterator[None]:
    """While open, ``head`` sees only the selected positions, as one row ``[1, N, H]``.

    The vocabulary projection is the largest product of a small model, and most positions of a
    conversation are prompt. Whatever the model does with its logits afterwards (scaling,
    soft-capping) works on each position alone, so it stays right.

    Args:
        head: The model's output projection.
        selected: Boolean ``[B, T]`` with N true entries.
    """
    handle = head.register_forward_pre_hook(
        lambda module, inputs: (inputs[0][selected].unsqueeze(0), *inputs[1:])
    )
    try:
        yield
    finally:
        handle.remove()
