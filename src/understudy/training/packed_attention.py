"""Packed attention: each sequence of a pack attends to its prefix and to itself, and to nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from understudy.inference.shared_attention import attend, can_share

if TYPE_CHECKING:
    import torch

__all__ = ["NAME", "pack_attention", "packed"]

NAME = "understudy_packed"
Spans = tuple[tuple[int, tuple[int, ...]], ...]
_layout: "_Layout | None" = None


class _Layout:
    """Where the parts of each group lie in the row, found once for all layers."""

    def __init__(self, spans: Spans, device: "torch.device") -> None:
        import torch

        self.groups: list[tuple[int, int, torch.Tensor, torch.Tensor, torch.Tensor | None]] = []
        start = 0
        for prefix, lengths in spans:
            length = torch.tensor(lengths, device=device)
            first = start + prefix + torch.cumsum(length, 0) - length
            column = torch.arange(max(lengths), device=device)
            real = column[None] < length[:, None]
            rows = torch.where(real, first[:, None] + column[None], first[:, None])
            self.groups.append((start, prefix, rows, real, _mask(prefix, max(lengths), device)))
            start += prefix + sum(lengths)


def _mask(prefix: int, width: int, device: "torch.device") -> "torch.Tensor | None":
    """``[T, P + T]``, true where a token sees; ``None`` where plain causal attention is meant."""
    import torch

    if not prefix:
        return None
    own = torch.ones((width, width), dtype=torch.bool, device=device).tril()
    return torch.cat([torch.ones((width, prefix), dtype=torch.bool, device=device), own], 1)


def pack_attention(model: Any) -> bool:
    """Let a model read packs; False where its attention cannot be split (windows, other kernels)."""
    if not can_share(model):
        return False
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, _no_mask)
    model.config.get_text_config()._attn_implementation = NAME
    return True


@contextmanager
def packed(spans: Spans, device: "torch.device") -> Iterator[None]:
    """While open, the model reads one row that is laid out like this."""
    global _layout
    _layout = _Layout(spans, device)
    try:
        yield
    finally:
        _layout = None


def _no_mask(*args: Any, **kwargs: Any) -> Any:
    from transformers.masking_utils import sdpa_mask

    return sdpa_mask(*args, **kwargs) if _layout is None else None


def _attend(
    module: Any,
    query: "torch.Tensor",
    key: "torch.Tensor",
    value: "torch.Tensor",
    attention_mask: "torch.Tensor | None",
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple["torch.Tensor", None]:
    if _layout is None:
        return attend(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs)
    return attend_packed(query, key, value, _layout, scaling, dropout), None


def attend_packed(
    query: "torch.Tensor",
    key: "torch.Tensor",
    value: "torch.Tensor",
    layout: _Layout,
    scale: float | None,
    dropout: float = 0.0,
) -> "torch.Tensor":
    """Attention within the groups of one packed row.

    Args:
        query: ``[1, H, N, D]``.
        key: ``[1, K, N, D]``, K a divisor of H; so is ``value``.
        layout: Of the N tokens.
        scale: Of the scores; ``None`` is one over the root of D.
        dropout: Of the weights.

    Returns:
        ``[1, N, H, D]``.
    """
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    each = query.shape[1] // key.shape[1]
    if each > 1:
        key, value = key.repeat_interleave(each, 1), value.repeat_interleave(each, 1)
    options: dict[str, Any] = {"scale": scale, "dropout_p": dropout}
    outputs = []
    for start, prefix, rows, real, mask in layout.groups:
        queries, keys, values = (t[0][:, rows].transpose(0, 1) for t in (query, key, value))
        if prefix:
            head_query, head_key, head_value = (t[:, :, start : start + prefix] for t in (query, key, value))
            head = scaled_dot_product_attention(head_query, head_key, head_value, is_causal=True, **options)
            outputs.append(head[0].transpose(0, 1))
            keys = torch.cat([head_key.expand(len(rows), -1, -1, -1), keys], 2)
            values = torch.cat([head_value.expand(len(rows), -1, -1, -1), values], 2)
        own = scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, is_causal=mask is None, **options
        )
        outputs.append(own.transpose(1, 2)[real])
    return torch.cat(outputs)[None]
