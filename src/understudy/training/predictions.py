"""Predictions: what a model says about the learned tokens of a batch, and about nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from understudy.inference.head import selected_head
from understudy.training.batches import collate
from understudy.training.examples import IGNORE_INDEX, Example
from understudy.training.packed_attention import NAME, packed
from understudy.training.packing import pack

if TYPE_CHECKING:
    import torch

__all__ = ["Predictions", "predict"]


@dataclass(frozen=True)
class Predictions:
    """Of M learned tokens: logits ``[M, V]`` in fp32, the tokens themselves, and each one's sequence."""

    logits: "torch.Tensor"
    targets: "torch.Tensor"
    owners: "torch.Tensor"

    def logprobs(self) -> "torch.Tensor":
        """Of the learned tokens ``[M]``, in nats; carries gradients."""
        import torch.nn.functional as F

        return -F.cross_entropy(self.logits, self.targets, reduction="none")

    def correct(self) -> "torch.Tensor":
        """How many learned tokens are the likeliest ones."""
        return (self.logits.detach().argmax(-1) == self.targets).sum()


def predict(model: Any, head: Any, batch: Sequence[Example], device: "torch.device") -> Predictions:
    """Run the model over a batch: packed where its attention was prepared for that, else padded.

    Args:
        model: Called with ``input_ids`` (and ``position_ids``).
        head: The output projection inside ``model``; applied where a learned token follows.
        batch: B sequences; owners count them from 0.
        device: Of the model.
    """
    if _reads_packs(model):
        row = pack(batch, device)
        with selected_head(head, row.selected), packed(row.spans, device):
            output = model(input_ids=row.ids, position_ids=row.positions, use_cache=False)
        return Predictions(output.logits[0].float(), row.targets, row.owners)
    import torch

    ids, labels = collate(batch, device)
    following = torch.full_like(labels, IGNORE_INDEX)
    following[:, :-1] = labels[:, 1:]
    selected = following != IGNORE_INDEX
    with selected_head(head, selected):
        output = model(input_ids=ids, use_cache=False)
    return Predictions(output.logits[0].float(), following[selected], selected.nonzero()[:, 0])


def _reads_packs(model: Any) -> bool:
    config = getattr(getattr(model, "module", model), "config", None)
    return config is not None and config.get_text_config()._attn_implementation == NAME
