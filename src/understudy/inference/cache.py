"""Cache: keys and values of what a model has read, cut, padded and joined along rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["Layers", "join_rows", "keeps_whole_layers", "layers_of", "left_align_ends", "new_cache"]

# One (keys, values) pair a layer, each [R, H, T, D].
Layers = list[tuple["torch.Tensor", "torch.Tensor"]]

_SPARE_TOKENS = 64


def new_cache(layers: Layers | None = None) -> Any:
    """A transformers cache that begins with ``layers`` and grows in place.

    Every layer keeps all positions, also where attention slides over a window: the model's mask
    takes care of the window, and rows can then be cut and joined freely.
    """
    from transformers import DynamicCache

    cache = DynamicCache()
    growing = _growing_layer()
    if growing is not None:
        cache.layer_class_to_replicate = growing
    for index, (keys, values) in enumerate(layers or []):
        cache.update(keys, values, index)
    return cache


def _growing_layer() -> type | None:
    """A cache layer with spare room, so that a step writes one column and copies nothing.

    ``None`` with a transformers that has no cache layers yet; its cache then copies every step.
    """
    try:
        from transformers.cache_utils import DynamicLayer
    except ImportError:
        return None
    global _Growing
    if _Growing is None:
        _Growing = _define_growing(DynamicLayer)
    return _Growing


def keeps_whole_layers() -> bool:
    """Whether caches of this transformers keep every position also where attention slides."""
    return _growing_layer() is not None


_Growing: type | None = None


def _define_growing(DynamicLayer: Any) -> type:
    class GrowingLayer(DynamicLayer):
        """Keys and values as views of larger buffers."""

        is_initialized: bool

        def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.is_initialized:
                self.dtype, self.device = key_states.dtype, key_states.device
                self.is_initialized = True
                self._buffers: tuple[Any, ...] = (None, None)
                self._length = 0
            end = self._length + key_states.shape[-2]
            self._buffers = tuple(
                _with_room(buffer, new, self._length, end)
                for buffer, new in zip(self._buffers, (key_states, value_states), strict=True)
            )
            self._length = end
            self.keys, self.values = (buffer[:, :, :end] for buffer in self._buffers)
            return self.keys, self.values

    return GrowingLayer


def _with_room(buffer: Any, new: Any, length: int, end: int) -> Any:
    """``buffer`` with ``new`` written at ``length:end``; a larger copy where it does not fit."""
    if buffer is None or buffer.shape[2] < end:
        rows, heads, _, width = new.shape
        larger = new.new_empty((rows, heads, end + max(_SPARE_TOKENS, end // 8), width))
        if buffer is not None:
            larger[:, :, :length] = buffer[:, :, :length]
        buffer = larger
    buffer[:, :, length:end] = new
    return buffer


def layers_of(cache: Any) -> Layers:
    """The cache's keys and values."""
    if hasattr(cache, "layers"):
        return [(layer.keys, layer.values) for layer in cache.layers]
    return list(zip(cache.key_cache, cache.value_cache, strict=True))


def left_align_ends(layers: Layers, lengths: Sequence[int]) -> Layers:
    """Move each row to the right edge: from padded on the right to padded on the left.

    Args:
        layers: ``[R, H, T, D]`` with row ``r`` in columns ``0 … lengths[r]``.
        lengths: R of them, at most T.
    """
    import torch

    width = layers[0][0].shape[2]
    if all(length == width for length in lengths):
        return layers
    device = layers[0][0].device
    shift = width - torch.tensor(lengths, device=device)[:, None]
    source = (torch.arange(width, device=device)[None] - shift) % width

    def move(tensor: "torch.Tensor") -> "torch.Tensor":
        rows, heads, _, size = tensor.shape
        return tensor.gather(2, source[:, None, :, None].expand(rows, heads, width, size))

    return [(move(keys), move(values)) for keys, values in layers]


def join_rows(parts: Sequence[Layers]) -> Layers:
    """Put rows of several caches into one, padded on the left to the longest."""
    import torch
    import torch.nn.functional as F

    if len(parts) == 1:
        return parts[0]
    width = max(part[0][0].shape[2] for part in parts)

    def pad(tensor: "torch.Tensor") -> "torch.Tensor":
        return F.pad(tensor, (0, 0, width - tensor.shape[2], 0))

    return [
        (
            torch.cat([pad(part[index][0]) for part in parts]),
            torch.cat([pad(part[index][1]) for part in parts]),
        )
        for index in range(len(parts[0]))
    ]
