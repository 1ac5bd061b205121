"""Adapter: what LoRA adds to a base, read from PEFT's two files; no more than its matrices is kept."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import ModelError
from understudy.inference.sealed import MANIFEST, check_sealed

if TYPE_CHECKING:
    import torch

__all__ = ["ADAPTER_WEIGHTS", "Adapter", "read_adapter"]

ADAPTER_WEIGHTS = "adapter_model.safetensors"
_CONFIG = "adapter_config.json"
_PREFIX = "base_model.model."
# Settings of PEFT under which an adapter is more than one pair of matrices a layer.
_MORE_THAN_PAIRS = (
    "alora_invocation_tokens",
    "alpha_pattern",
    "fan_in_fan_out",
    "layer_replication",
    "lora_bias",
    "modules_to_save",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
)


@dataclass(frozen=True, eq=False)
class Adapter:
    """Pairs of matrices, one for each linear layer that has one.

    Attributes:
        directory: Where it was read.
        pairs: By the layer's name in the base: ``[in, r]`` and ``[r, out]``, the second scaled, so
            that the layer's output grows by ``x @ first @ second``. ``None`` where the adapter is
            of another kind, which only a merged copy of the base can speak with.
    """

    directory: Path
    pairs: dict[str, tuple["torch.Tensor", "torch.Tensor"]] | None

    @property
    def size_bytes(self) -> int:
        return sum(first.nbytes + second.nbytes for first, second in (self.pairs or {}).values())


def read_adapter(directory: Path) -> Adapter:
    """Check an adapter's files and read them. Needs no base, so that it can run in another thread.

    Raises:
        ModelError: A file is missing, damaged, changed since it was written, or a pickle.
    """
    weights, config_path = directory / ADAPTER_WEIGHTS, directory / _CONFIG
    if not weights.is_file() or not config_path.is_file():
        raise ModelError(
            f"{directory}: holds no {ADAPTER_WEIGHTS} with {_CONFIG}. Train the model again, "
            "or give the folder of a PEFT adapter in safetensors format."
        )
    if (directory / MANIFEST).is_file():
        check_sealed(directory)
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
        tensors = _tensors(weights)
    except Exception as error:  # safetensors has no error class of its own for every damage
        raise ModelError(f"{directory}: this adapter cannot be read ({error}). Train it again.") from error
    return Adapter(directory, _pairs(config, tensors))


def _tensors(path: Path) -> dict[str, "torch.Tensor"]:
    from safetensors.torch import load_file

    return dict(load_file(str(path)))


def _pairs(
    config: dict[str, Any], tensors: dict[str, "torch.Tensor"]
) -> dict[str, tuple["torch.Tensor", "torch.Tensor"]] | None:
    """Source of the scale: Hu et al. 2021, https://arxiv.org/abs/2106.09685 (alpha / r), and for
    ``use_rslora`` Kalajdzievski 2023, https://arxiv.org/abs/2312.03732 (alpha / root of r).
    """
    plain = config.get("peft_type") == "LORA" and config.get("bias", "none") == "none"
    if not plain or any(config.get(setting) for setting in _MORE_THAN_PAIRS):
        return None
    rank, alpha = int(config["r"]), float(config["lora_alpha"])
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    pairs = {}
    for name in {key.removesuffix(".lora_A.weight") for key in tensors if key.endswith(".lora_A.weight")}:
        down, up = tensors.pop(f"{name}.lora_A.weight"), tensors.pop(f"{name}.lora_B.weight", None)
        if up is None or not name.startswith(_PREFIX):
            return None
        pairs[name.removeprefix(_PREFIX)] = (down.T.contiguous(), (up.T * scale).contiguous())
    return None if tensors or not pairs else pairs
