"""Lora: the adapter that is trained, on every linear layer but the output head."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import ModelError
from understudy.training.spec import Lora

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

__all__ = [
    "ADAPTER_CONFIG",
    "ADAPTER_WEIGHTS",
    "adapter_files",
    "add_lora",
    "continue_lora",
    "linear_names",
    "load_adapter_weights",
]

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
# Towers that look and listen are not part of how a character speaks.
_OTHER_SENSES = ("vision", "visual", "audio", "multi_modal", "image", "speech")


def linear_names(model: "PreTrainedModel") -> list[str]:
    """Names of the linear layers that receive an adapter.

    Short names (``q_proj``) where they are unambiguous, which other programs can read; full
    names where the model has a layer of the same short name that stays untouched. The output
    head is left out: it is often the embedding matrix as well.

    Raises:
        ModelError: The model has no linear layers to adapt.
    """
    import torch

    head = model.get_output_embeddings()
    wanted: list[str] = []
    untouched: set[str] = set()
    for name, module in model.named_modules():
        if not isinstance(module, torch.nn.Linear):
            continue
        if module is head or any(sense in name for sense in _OTHER_SENSES):
            untouched.add(name.rsplit(".", 1)[-1])
        else:
            wanted.append(name)
    if not wanted:
        raise ModelError(
            f"The model type {model.config.model_type!r} has no linear layers that LoRA can adapt."
        )
    short = {name.rsplit(".", 1)[-1] for name in wanted}
    return sorted(wanted if short & untouched else short)


def add_lora(model: "PreTrainedModel", lora: Lora, seed: int) -> "PeftModel":
    """Put a fresh adapter on the model; with it, the model still answers as before.

    Source: Hu et al. 2021, https://arxiv.org/abs/2106.09685 (A random, B zero).
    """
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        bias="none",
        target_modules=linear_names(model),
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)
    return _trainable(get_peft_model(model, config))


def continue_lora(model: "PreTrainedModel", directory: Path) -> "PeftModel":
    """Put a trained adapter on the model, to be trained further with its own rank.

    Raises:
        ModelError: The adapter does not belong to this base.
    """
    from peft import PeftModel

    if not (directory / ADAPTER_WEIGHTS).is_file():
        raise ModelError(f"{directory}: holds no {ADAPTER_WEIGHTS}; give the folder of a trained adapter.")
    try:
        tuned = PeftModel.from_pretrained(model, str(directory), is_trainable=True)
    except (ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
        raise ModelError(
            f"{directory}: this adapter does not fit the base model ({str(error).splitlines()[0][:200]})."
        ) from error
    return _trainable(tuned)


def _trainable(model: Any) -> Any:
    """Keep the trained numbers in fp32 whatever the base uses: their updates are small."""
    import torch

    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.float32)
    model.train()
    return model


def adapter_files(model: "PeftModel", base_model: Path) -> dict[str, bytes]:
    """The adapter as the two files of PEFT's layout, in memory."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: tensor.detach().to("cpu").contiguous() for name, tensor in sorted(state.items())}
    config = {key: _plain(value) for key, value in model.peft_config["default"].to_dict().items()}
    config["base_model_name_or_path"] = str(base_model)
    config["inference_mode"] = True
    text = json.dumps(config, indent=2, sort_keys=True, default=str) + "\n"
    return {ADAPTER_WEIGHTS: save(tensors, metadata={"format": "pt"}), ADAPTER_CONFIG: text.encode()}


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else value


def load_adapter_weights(model: "PeftModel", tensors: "Mapping[str, torch.Tensor]") -> None:
    """Put saved weights into the adapter that is on the model.

    Raises:
        ModelError: Names or shapes differ.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    expected = get_peft_model_state_dict(model, save_embedding_layers=False)
    if {n: t.shape for n, t in expected.items()} != {n: t.shape for n, t in tensors.items()}:
        raise ModelError("The saved adapter has other layers or another rank than this job.")
    set_peft_model_state_dict(model, dict(tensors))
