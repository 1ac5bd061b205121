"""Growing: a larger Llama that begins with everything a smaller one of the same tokenizer has learned.

The larger model gives the same logits as the smaller one at the start: what is new writes zeros into the
residual stream, or reads zeros from it, and is learned from there.

Source: the function-preserving growth of Net2Net (Chen et al., arXiv 1511.05641), by zeros instead of copies.
"""

import math

import torch

__all__ = ["grow_weights"]

WRITERS = ("o_proj", "down_proj")
Weights = dict[str, torch.Tensor]


def grow_weights(small: Weights, fresh: Weights) -> Weights:
    """Weights of the larger model.

    Args:
        small: State of the smaller model without its head; heads of the same size as the larger one's.
        fresh: Randomly initialised state of the larger model, not changed.

    Raises:
        ValueError: The smaller model is larger somewhere, or has another vocabulary.
    """
    if small["embed_tokens.weight"].shape[0] != fresh["embed_tokens.weight"].shape[0]:
        raise ValueError("The models differ in their vocabulary, so one cannot begin from the other.")
    missing = small.keys() - fresh.keys()
    if missing:
        raise ValueError(f"The model to begin from has more layers: {', '.join(sorted(missing)[:3])}.")
    return {name: _grown(name, small.get(name), tensor) for name, tensor in fresh.items()}


def _grown(name: str, small: torch.Tensor | None, fresh: torch.Tensor) -> torch.Tensor:
    writes = any(f"{writer}.weight" in name for writer in WRITERS)
    if small is None:  # a whole new layer, which adds nothing yet
        return torch.zeros_like(fresh) if writes else fresh.clone()
    if any(old > new for old, new in zip(small.shape, fresh.shape, strict=True)):
        raise ValueError(f"{name}: the model to begin from is larger, {tuple(small.shape)}.")
    if small.dim() == 1:
        # A norm divides by the root mean square over all positions, of which the new ones are zero.
        grown = fresh.clone()
        grown[: len(small)] = small
        return grown * math.sqrt(len(small) / len(fresh))
    rows, columns = small.shape
    grown = torch.zeros_like(fresh) if writes or "embed_tokens" in name else fresh.clone()
    grown[:rows, :columns] = small
    return grown
