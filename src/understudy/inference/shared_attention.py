"""Shared attention: all rows of a batch look at one copy of the prompt that they begin with.

A character's long prompt is the same in every conversation. Copied into each of sixteen rows,
its keys and values are read from memory sixteen times a step, which costs more than all the
rest; kept once, they are read once, as one matrix product for all rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from understudy.inference.cache import Layers

if TYPE_CHECKING:
    import torch

__all__ = ["NAME", "attend", "can_share", "has_windows", "share_attention", "shared_preamble"]

NAME = "understudy_shared"
_preamble: Layers | None = None


def can_share(model: Any) -> bool:
    """Whether every layer attends to everything, in the plain way that can be split in two."""
    config = model.config.get_text_config()
    if has_windows(model) or getattr(config, "_attn_implementation", None) != "sdpa":
        return False
    try:
        from transformers import AttentionInterface  # noqa: F401
        from transformers.masking_utils import AttentionMaskInterface  # noqa: F401
    except ImportError:
        return False
    return True


def has_windows(model: Any) -> bool:
    """Whether some layer attends only to the last tokens."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    return bool(kinds != {"full_attention"} or windowed)


def share_attention(model: Any) -> None:
    """Let a model that ``can_share`` use this attention; without a preamble it is the usual one."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.config.get_text_config()._attn_implementation = NAME


@contextmanager
def shared_preamble(layers: Layers | None) -> Iterator[None]:
    """While open, every row's own tokens follow these keys and values, ``[1, H, P, D]`` a layer."""
    global _preamble
    _preamble = layers
    try:
        yield
    finally:
        _preamble = None


def attend(
    module: Any,
    query: "torch.Tensor",
    key: "torch.Tensor",
    value: "torch.Tensor",
    attention_mask: "torch.Tensor | None",
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple["torch.Tensor", None]:
    """Attention of one layer as transformers calls it; the usual one where no preamble is open."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if _preamble is None:
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return output, None
    keys, values = _preamble[module.layer_idx]
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    return attend_split(query, key, value, keys[0], values[0], attention_mask, scale), None


def attend_split(
    query: "torch.Tensor",
    key: "torch.Tensor",
    value: "torch.Tensor",
    shared_keys: "torch.Tensor",
    shared_values: "torch.Tensor",
    mask: "torch.Tensor | None",
    scale: float,
) -> "torch.Tensor":
    """Softmax attention over a shared beginning and each row's own continuation.

    Args:
        query: ``[R, H, Q, D]``.
        key: ``[R, K, T, D]`` of the rows' own tokens, K a divisor of H; so is ``value``.
        shared_keys: ``[K, P, D]``; so are ``shared_values``. Seen by every query.
        mask: ``[R, 1, Q, T]``, true (or 0) where a query sees an own token; ``None`` is causal.
        scale: Of the scores.

    Returns:
        ``[R, Q, H, D]``.
    """
    import torch

    rows, heads, queries, size = query.shape
    groups, own = key.shape[1], key.shape[2]
    each = heads // groups
    grouped = query.reshape(rows, groups, each * queries, size) * scale
    stacked = grouped.transpose(0, 1).reshape(groups, rows * each * queries, size)
    before = torch.matmul(stacked, shared_keys.transpose(1, 2))
    before = before.view(groups, rows, each * queries, -1).transpose(0, 1)
    after = torch.matmul(grouped, key.transpose(2, 3)).view(rows, groups, each, queries, own)
    after = _masked(after, mask).view(rows, groups, each * queries, own)
    weights = torch.softmax(torch.cat([before, after], -1).float(), -1).to(query.dtype)
    length = shared_keys.shape[1]
    seen = weights[..., :length].transpose(0, 1).reshape(groups, rows * each * queries, length)
    output = torch.matmul(seen, shared_values).view(groups, rows, each * queries, size).transpose(0, 1)
    output = output + torch.matmul(weights[..., length:], value)
    return output.reshape(rows, heads, queries, size).transpose(1, 2).contiguous()


def _masked(scores: "torch.Tensor", mask: "torch.Tensor | None") -> "torch.Tensor":
    """Scores ``[R, K, G, Q, T]`` with what may not be seen at minus infinity."""
    import torch

    if mask is None:
        queries, own = scores.shape[-2:]
        if queries == 1:
            return scores
        mask = torch.ones((queries, own), dtype=torch.bool, device=scores.device).tril(own - queries)
        return scores.masked_fill(~mask, float("-inf"))
    mask = mask[..., : scores.shape[-1]][:, :, None]
    return scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask
