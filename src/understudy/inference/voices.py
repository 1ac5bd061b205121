"""Voices: bases and the adapters that speak through them, loaded on demand, least recently used leaves.

Weights of a base are in memory once, its adapters beside it, so that the characters of a cast can
share a batch. Only an adapter that is more than pairs of matrices gets a merged copy of the base.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import ModelError
from understudy.inference.adapter import ADAPTER_WEIGHTS, Adapter, read_adapter
from understudy.inference.base import (
    BaseFiles,
    Placement,
    check_base,
    choose_placement,
    context_limit,
    load_base,
)
from understudy.inference.cache import Layers, keeps_whole_layers, layers_of, new_cache
from understudy.inference.head import selected_head
from understudy.inference.memory import device_memory_bytes
from understudy.inference.preamble import Preamble, PreambleShelf
from understudy.inference.shared_attention import can_share, has_windows, share_attention, shared_preamble
from understudy.inference.stage import Stage

if TYPE_CHECKING:
    from understudy.rendering import Renderer

__all__ = ["Base", "Voice", "Voices"]

Key = tuple[Any, ...]

_KEPT_BASES = 2
# By how much a logit may differ with what shares its batch, as a share of the largest: eight
# times what was seen on the embedded model.
_FP32_SLACK = 1e-5
# Where a configuration has one of these, tokens are routed, and a layer no longer sees whose row is whose.
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")


class Base:
    """A base in memory, and the stage on which its adapters speak.

    Attributes:
        mixes: Whether rows of several adapters can share a batch.
    """

    def __init__(self, files: BaseFiles, merged: Path | None = None) -> None:
        from understudy.rendering import Renderer

        self.renderer = Renderer.load(files.directory)
        self.placement = choose_placement(files.parameters)
        _refuse_if_too_large(files, self.placement)
        self.model: Any = load_base(files, self.placement)
        if merged is not None:
            self.model = _merged(self.model, merged)
        config = self.model.config.get_text_config()
        layer_types = set(getattr(config, "layer_types", None) or ())
        if layer_types - {"full_attention", "sliding_attention", "chunked_attention"}:
            raise ModelError(
                f"{files.directory}: its layers ({', '.join(sorted(layer_types))}) keep a state that "
                "this program cannot batch yet. Choose a model with ordinary attention."
            )
        if has_windows(self.model) and not keeps_whole_layers():
            raise ModelError(
                f"{files.directory}: its attention slides over a window, which needs transformers 4.56 or "
                "later. Update transformers: pip install -U transformers"
            )
        self.shares = can_share(self.model)
        if self.shares:
            share_attention(self.model)
        self.device = self.placement.device
        self.dtype_bytes = self.placement.dtype.itemsize
        self.slack = _FP32_SLACK if self.dtype_bytes == 4 else 0.0
        self.head = self.model.get_output_embeddings()
        self.limit = context_limit(self.model.config)
        self.heads = int(config.num_attention_heads)
        self.mixes = not any(getattr(config, name, None) for name in _EXPERTS)
        self.stage = Stage(self.model)

    def logits(
        self,
        ids: Any,
        selected: Any,
        adapters: Sequence[Adapter | None],
        preamble: Preamble | None = None,
        **reading: Any,
    ) -> Any:
        """Run the model and apply its head to the selected positions alone.

        Args:
            ids: ``[R, T]``, what follows the preamble.
            selected: Boolean ``[R, T]`` with N true entries.
            adapters: R of them: with which each row is read; ``None`` is the bare base.
            preamble: What every row begins with.
            reading: Cache, mask and positions as transformers names them.

        Returns:
            ``[N, V]`` in fp32, rows in order.
        """
        layers = None if preamble is None else preamble.layers
        with self.stage.cast(adapters), selected_head(self.head, selected), shared_preamble(layers):
            return self.model(input_ids=ids, **reading).logits[0].float()

    def cache_bytes_per_token(self) -> int:
        """Size of keys and values of one position."""
        config = self.model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return int(2 * config.num_hidden_layers * heads * size * self.dtype_bytes)


def _merged(model: Any, adapter: Path) -> Any:
    """The model with the adapter's products added to its weights."""
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().eval()
    except (ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(
            f"{adapter}: this adapter does not fit the base ({first}). Use the base that it was trained on."
        ) from error


class Voice:
    """One base with one adapter, or without."""

    def __init__(self, base: Base, adapter: Adapter | None) -> None:
        self.base = base
        self.adapter = adapter
        self.renderer: Renderer = base.renderer
        self.device = base.device
        self.limit = base.limit
        self.control_ids = self.renderer.tokenizer.control_ids
        self.stop_ids = self.renderer.stop_ids
        self.preambles = PreambleShelf(self._read_preamble)
        self._bytes: dict[int, bytes] = {}

    @property
    def size_bytes(self) -> int:
        """What this voice holds beside its base: its adapter, and the prompts that it has read."""
        return self.preambles.size_bytes + (self.adapter.size_bytes if self.adapter else 0)

    def token_bytes(self, token: int) -> bytes:
        """Bytes that a token adds to a reply; control tokens add none."""
        found = self._bytes.get(token)
        if found is None:
            found = b"" if token in self.control_ids else self.renderer.token_bytes(token)
            self._bytes[token] = found
        return found

    def preamble(self, messages: Sequence[Mapping[str, Any]]) -> Preamble:
        """The part of the prompt that other conversations share, read and kept; or the empty one."""
        if not self.base.shares:
            return self.preambles.empty
        return self.preambles.find(self.renderer, messages)

    def _read_preamble(self, ids: Sequence[int]) -> Layers:
        cache = new_cache()
        self._read_alone(ids, past_key_values=cache, use_cache=True)
        return [(keys.contiguous(), values.contiguous()) for keys, values in layers_of(cache)]

    def logits_alone(self, ids: Sequence[int]) -> Any:
        """Next-token logits ``[1, V]`` in fp32 after ``ids``, read at once and from the beginning."""
        return self._read_alone(ids, use_cache=False)

    def _read_alone(self, ids: Sequence[int], **reading: Any) -> Any:
        import torch

        row = torch.tensor([list(ids)], device=self.device)
        last = torch.zeros(row.shape, dtype=torch.bool, device=self.device)
        last[0, -1] = True
        return self.base.logits(row, last, [self.adapter], **reading)


class Voices:
    """Finds, loads and forgets voices.

    Args:
        kept_bytes: How much adapters and prompts that were read may hold in all before the voices
            that spoke least recently leave; an eighth of the device's memory where absent.
    """

    def __init__(self, kept_bytes: int | None = None) -> None:
        self._bases: OrderedDict[Key, Base] = OrderedDict()
        self._voices: OrderedDict[Key, Voice] = OrderedDict()
        self._read: dict[Key, Adapter] = {}  # read beforehand, not yet a voice
        self._kept_bytes = kept_bytes

    def get(self, base: Path, adapter: Path | None) -> Voice:
        """The voice of this base and adapter; files that changed on disk are loaded anew.

        Raises:
            ModelError: The base or the adapter is missing, damaged or does not fit.
        """
        base_key, key = _keys(base, adapter)
        if key not in self._voices:
            self._voices[key] = self._load(base_key, key, base, adapter)
            while len(self._bases) > _KEPT_BASES:
                self._forget_base(next(iter(self._bases)))
        self._voices.move_to_end(key)
        if base_key in self._bases:
            self._bases.move_to_end(base_key)
        self._forget_oldest(self._voices[key])
        return self._voices[key]

    def waits_for(self, base: Path, adapter: Path | None) -> bool:
        """Whether an adapter must be read before its voice can be had."""
        _, key = _keys(base, adapter)
        return adapter is not None and key not in self._voices and key not in self._read

    def hand_over(self, base: Path, adapter: Adapter) -> None:
        """Take an adapter that was read beforehand, for the next ``get``."""
        self._read[_keys(base, adapter.directory)[1]] = adapter

    def _load(
        self, base_key: tuple[Any, ...], key: tuple[Any, ...], base: Path, adapter: Path | None
    ) -> Voice:
        read = None
        if adapter is not None:
            read = self._read.pop(key, None) or read_adapter(adapter)
        if read is not None and read.pairs is None:
            return Voice(Base(check_base(base), merged=read.directory), None)
        if base_key not in self._bases:
            self._bases[base_key] = Base(check_base(base))
        if read is not None:
            self._bases[base_key].stage.fits(read)
        return Voice(self._bases[base_key], read)

    def _forget_oldest(self, newest: Voice) -> None:
        if self._kept_bytes is None:
            self._kept_bytes = device_memory_bytes(newest.device.type) // 8
        sizes = {key: voice.size_bytes for key, voice in self._voices.items()}
        total = sum(sizes.values())
        for key, size in sizes.items():
            if total <= self._kept_bytes or self._voices[key] is newest:
                return
            self._leave(key)
            total -= size

    def _forget_base(self, base_key: Key) -> None:
        del self._bases[base_key]
        for key in [key for key in self._voices if key[:2] == base_key]:
            del self._voices[key]

    def _leave(self, key: Key) -> None:
        voice = self._voices.pop(key)
        if voice.adapter is not None:
            voice.base.stage.leave(voice.adapter)


def _keys(base: Path, adapter: Path | None) -> tuple[Key, Key]:
    """By what a base and a voice are known: their folders, and when these were written."""
    base_key = (str(base), _stamp(base / "config.json"))
    return base_key, (*base_key, str(adapter), _stamp(adapter / ADAPTER_WEIGHTS) if adapter else None)


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _refuse_if_too_large(files: BaseFiles, placement: Placement) -> None:
    """Refuse weights that cannot fit, instead of letting the system end the process."""
    need = files.parameters * placement.dtype.itemsize
    memory = device_memory_bytes(placement.device.type)
    if need > memory:
        raise ModelError(
            f"{files.directory}: {files.parameters:,} parameters x {placement.dtype.itemsize} bytes = "
            f"{need / 2**30:.1f} GiB, and this machine has {memory / 2**30:.1f} GiB. Choose a smaller model."
        )
