"""Merged: base and adapter as one model of ordinary layout, for programs that know no adapters."""

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.export.adapter import copy_tokenizer
from understudy.export.spec import ExportSpec

if TYPE_CHECKING:
    from understudy.rendering import Renderer

__all__ = ["merge", "write_merged"]


def merge(tuned: Any) -> Any:
    """A copy of a model with its adapter's products added to its weights, in fp32."""
    return copy.deepcopy(tuned).float().merge_and_unload(safe_merge=True).eval()


def write_merged(
    spec: ExportSpec, merged: Any, renderer: "Renderer", dtype: str | None, folder: Path
) -> None:
    """Safetensors in the base's own number format, tokenizer, chat template and generation settings."""
    import torch

    folder.mkdir(parents=True)
    stored = getattr(torch, dtype) if dtype else torch.float32
    model = copy.deepcopy(merged).to(stored)
    model.generation_config = generation_settings(model, spec, renderer)
    model.save_pretrained(str(folder), safe_serialization=True)
    copy_tokenizer(spec.base, folder)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)  # written through a private temporary file


def generation_settings(model: Any, spec: ExportSpec, renderer: "Renderer") -> Any:
    """How the model is asked by default: every token that ends a reply, and the temperature of chat."""
    from transformers import GenerationConfig

    return GenerationConfig(
        bos_token_id=getattr(model.config, "bos_token_id", None),
        eos_token_id=sorted(renderer.stop_ids),
        pad_token_id=model.config.pad_token_id,
        do_sample=spec.temperature > 0,
        temperature=spec.temperature or None,
    )


def stored_dtype(base: Path) -> str | None:
    """Number format in which the base's configuration says its weights are."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    name = config.get("dtype") or config.get("torch_dtype")
    return name if name in ("float32", "float16", "bfloat16") else None
