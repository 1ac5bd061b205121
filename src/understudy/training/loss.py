"""Loss: cross-entropy of the learned tokens, with the output head applied to nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from understudy.training.examples import IGNORE_INDEX

if TYPE_CHECKING:
    import torch

__all__ = ["LearnedLoss", "learned_loss", "selected_head"]


class LearnedLoss:
    """Sums over one piece of a batch: ``loss`` (nats, carries gradients), ``correct`` and ``tokens``."""

    def __init__(self, loss: "torch.Tensor", correct: "torch.Tensor", tokens: int) -> None:
        self.loss = loss
        self.correct = correct
        self.tokens = tokens


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


def learned_loss(model: Any, head: Any, ids: "torch.Tensor", labels: "torch.Tensor") -> LearnedLoss:
    """Sum of ``-log p(label | what precedes it)`` over the learned positions.

    Args:
        model: Called with ``input_ids`` alone.
        head: The output projection inside ``model``.
        ids: ``[B, T]``, padded on the right.
        labels: ``[B, T]``; the token where learned, ``IGNORE_INDEX`` elsewhere. ``labels[:, t]``
            is predicted at position ``t - 1``.
    """
    import torch
    import torch.nn.functional as F

    targets = torch.full_like(labels, IGNORE_INDEX)
    targets[:, :-1] = labels[:, 1:]
    selected = targets != IGNORE_INDEX
    wanted = targets[selected]
    with selected_head(head, selected):
        logits = model(input_ids=ids, use_cache=False).logits[0].float()
    loss = F.cross_entropy(logits, wanted, reduction="sum")
    correct = (logits.detach().argmax(-1) == wanted).sum()
    return LearnedLoss(loss, correct, int(wanted.numel()))
