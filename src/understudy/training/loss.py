"""Loss: cross-entropy of the learned tokens, with the output head applied to nothing else."""

from typing import TYPE_CHECKING, Any

from understudy.inference.head import selected_head
from understudy.training.examples import IGNORE_INDEX

if TYPE_CHECKING:
    import torch

__all__ = ["LearnedLoss", "learned_loss"]


class LearnedLoss:
    """Sums over one piece of a batch: ``loss`` (nats, carries gradients), ``correct`` and ``tokens``."""

    def __init__(self, loss: "torch.Tensor", correct: "torch.Tensor", tokens: int) -> None:
        self.loss = loss
        self.correct = correct
        self.tokens = tokens


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
