"""Voices: bases and the adapters that speak through them, loaded on demand, least recently used leaves.

Weights of a base are in memory once. A small base gets a merged copy for each adapter, because
one extra product per layer costs more than the copy; a large one keeps its adapters beside it.
"""

import copy
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import ModelError
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
from understudy.inference.sealed import MANIFEST, check_sealed
from understudy.inference.shared_attention import can_share, has_windows, share_attention, shared_preamble

if TYPE_CHECKING:
    from understudy.rendering import Renderer

__all__ = ["Voice", "Voices"]

_MERGE_BELOW_BYTES = 256 * 2**20
_KEPT_BASES = 2
_KEPT_VOICES = 32
# By how much a logit may differ with what shares its batch, as a share of the largest: eight
# times what was seen on the embedded model.
_FP32_SLACK = 1e-5
_ADAPTER_WEIGHTS = "adapter_model.safetensors"


class _Base:
    """A base in memory and the adapters beside it."""

    def __init__(self, files: BaseFiles) -> None:
        from understudy.rendering import Renderer

        self.renderer = Renderer.load(files.directory)
        self.placement = choose_placement(files.parameters)
        _refuse_if_too_large(files, self.placement)
        self.model: Any = load_base(files, self.placement)
        layer_types = set(getattr(self.model.config.get_text_config(), "layer_types", None) or ())
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
        self.merges = files.parameters * self.placement.dtype.itemsize <= _MERGE_BELOW_BYTES
        self.tuned: Any = None  # a PeftModel around the model, once an unmerged adapter was asked for
        self.active: str | None = None

    def merged(self, adapter: Path) -> Any:
        """A copy of the base with the adapter's products added to its weights."""
        from peft import PeftModel

        return PeftModel.from_pretrained(copy.deepcopy(self.model), str(adapter)).merge_and_unload().eval()

    def add(self, name: str, adapter: Path) -> None:
        """Load an adapter beside the base."""
        from peft import PeftModel

        if self.tuned is None:
            self.tuned = PeftModel.from_pretrained(self.model, str(adapter), adapter_name=name).eval()
            self.active = name
        else:
            self.tuned.load_adapter(str(adapter), adapter_name=name)

    def remove(self, name: str) -> None:
        """Forget an adapter that lay beside the base."""
        if self.tuned is not None:
            self.activate(None)
            self.tuned.delete_adapter(name)

    def activate(self, name: str | None) -> None:
        """Switch to an adapter beside the base, or to the bare base."""
        if self.tuned is None or name == self.active:
            return
        if name is None:
            self.tuned.base_model.disable_adapter_layers()
        else:
            self.tuned.base_model.enable_adapter_layers()
            self.tuned.set_adapter(name)
            self.tuned.requires_grad_(False)
        self.active = name


class Voice:
    """One base with one adapter, or without: what a batch speaks with."""

    def __init__(self, base: _Base, adapter: Path | None, name: str | None) -> None:
        merged = adapter is not None and base.merges
        self._base = base
        self._name = None if merged else name
        self._model: Any = base.merged(adapter) if merged and adapter is not None else base.model
        if adapter is not None and name is not None and not merged:
            base.add(name, adapter)
        self.renderer: Renderer = base.renderer
        self.device = base.placement.device
        self.dtype_bytes = base.placement.dtype.itemsize
        self.slack = _FP32_SLACK if self.dtype_bytes == 4 else 0.0
        self.head = self._model.get_output_embeddings()
        self.limit = context_limit(self._model.config)
        self.heads = int(self._model.config.get_text_config().num_attention_heads)
        self.control_ids = self.renderer.tokenizer.control_ids
        self.stop_ids = self.renderer.stop_ids
        self.preambles = PreambleShelf(self._read_preamble)
        self._bytes: dict[int, bytes] = {}

    def close(self) -> None:
        """Let go of what only this voice used."""
        if self._name is not None:
            self._base.remove(self._name)

    def token_bytes(self, token: int) -> bytes:
        """Bytes that a token adds to a reply; control tokens add none."""
        found = self._bytes.get(token)
        if found is None:
            found = b"" if token in self.control_ids else self.renderer.token_bytes(token)
            self._bytes[token] = found
        return found

    def cache_bytes_per_token(self) -> int:
        """Size of keys and values of one position."""
        config = self._model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return int(2 * config.num_hidden_layers * heads * size * self.dtype_bytes)

    def preamble(self, messages: Sequence[Mapping[str, Any]]) -> Preamble:
        """The part of the prompt that other conversations share, read and kept; or the empty one."""
        if not self._base.shares:
            return self.preambles.empty
        return self.preambles.find(self.renderer, messages)

    def _read_preamble(self, ids: Sequence[int]) -> Layers:
        import torch

        row = torch.tensor([list(ids)], device=self.device)
        last = torch.zeros(row.shape, dtype=torch.bool, device=self.device)
        last[0, -1] = True
        cache = new_cache()
        self.logits(row, last, self.preambles.empty, past_key_values=cache, use_cache=True)
        return [(keys.contiguous(), values.contiguous()) for keys, values in layers_of(cache)]

    def logits(self, ids: Any, selected: Any, preamble: Preamble, **reading: Any) -> Any:
        """Run the model and apply its head to the selected positions alone.

        Args:
            ids: ``[R, T]``, what follows the preamble.
            selected: Boolean ``[R, T]`` with N true entries.
            preamble: What every row begins with.
            reading: Cache, mask and positions as transformers names them.

        Returns:
            ``[N, V]`` in fp32, rows in order.
        """
        self._base.activate(self._name)
        with selected_head(self.head, selected), shared_preamble(preamble.layers):
            return self._model(input_ids=ids, **reading).logits[0].float()

    def logits_alone(self, ids: Sequence[int]) -> Any:
        """Next-token logits ``[1, V]`` in fp32 after ``ids``, read at once and from the beginning."""
        import torch

        row = torch.tensor([list(ids)], device=self.device)
        last = torch.zeros(row.shape, dtype=torch.bool, device=self.device)
        last[0, -1] = True
        return self.logits(row, last, self.preambles.empty, use_cache=False)


class Voices:
    """Finds, loads and forgets voices."""

    def __init__(self) -> None:
        self._bases: OrderedDict[tuple[Any, ...], _Base] = OrderedDict()
        self._voices: OrderedDict[tuple[Any, ...], Voice] = OrderedDict()

    def get(self, base: Path, adapter: Path | None) -> Voice:
        """The voice of this base and adapter; files that changed on disk are loaded anew.

        Raises:
            ModelError: The base or the adapter is missing, damaged or does not fit.
        """
        base_key = (str(base), _stamp(base / "config.json"))
        key = (*base_key, str(adapter), _stamp(adapter / _ADAPTER_WEIGHTS) if adapter else None)
        if key not in self._voices:
            self._voices[key] = self._load(base_key, base, adapter)
            self._forget_oldest()
        self._voices.move_to_end(key)
        self._bases.move_to_end(base_key)
        return self._voices[key]

    def _load(self, base_key: tuple[Any, ...], base: Path, adapter: Path | None) -> Voice:
        if adapter is not None:
            _check_adapter(adapter)
        if base_key not in self._bases:
            self._bases[base_key] = _Base(check_base(base))
        try:
            name = None if adapter is None else f"voice{len(self._voices)}x{abs(hash(str(adapter))) % 10**8}"
            return Voice(self._bases[base_key], adapter, name)
        except (ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise ModelError(
                f"{adapter}: this adapter does not fit the base {base.name} ({first}). Use the base "
                "that it was trained on."
            ) from error

    def _forget_oldest(self) -> None:
        while len(self._voices) > _KEPT_VOICES:
            self._voices.popitem(last=False)[1].close()
        while len(self._bases) > _KEPT_BASES:
            oldest, _ = self._bases.popitem(last=False)
            for key in [key for key in self._voices if key[:2] == oldest]:
                del self._voices[key]


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


def _check_adapter(directory: Path) -> None:
    """Refuse adapters that are missing, damaged, or pickles."""
    if not (directory / _ADAPTER_WEIGHTS).is_file() or not (directory / "adapter_config.json").is_file():
        raise ModelError(
            f"{directory}: holds no {_ADAPTER_WEIGHTS} with adapter_config.json. Train the model again, "
            "or give the folder of a PEFT adapter in safetensors format."
        )
    if (directory / MANIFEST).is_file():
        check_sealed(directory)
