"""A tuned tiny model of any architecture, and the specification of its export."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from models import tiny_model

from understudy.export.spec import ExportSpec
from understudy.inference.base import check_base, choose_placement, load_base
from understudy.inference.channel import Channel
from understudy.inference.sealed import write_sealed
from understudy.training.lora import adapter_files, add_lora
from understudy.training.spec import Lora

__all__ = ["export_now", "tiny_model", "tuned"]

PROMPT = "You are Princess Ophelia."


def export_now(spec: ExportSpec) -> list[dict[str, Any]]:
    """Export in this process, which saves the start of another, and give all events."""
    from understudy.export.writing import export

    stream = io.StringIO()
    export(spec, Channel(stream))
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory, tiny_model) -> Callable[..., ExportSpec]:
    """``tuned("qwen2", strength=0.3)``: a spec whose adapter changes what the model says."""
    torch.set_num_threads(1)

    def make(architecture: str = "llama", strength: float = 0.3, **changes: Any) -> ExportSpec:
        root = tmp_path_factory.mktemp("tuned")
        base = tiny_model(architecture)
        files = check_base(base)
        model = add_lora(load_base(files, choose_placement(files.parameters)), Lora(4, 8, 0.0), seed=1)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=strength)
        write_sealed(root / "adapter", adapter_files(model, base))
        probes = [
            [
                {"role": "system", "content": PROMPT},
                {"role": "user", "content": f"Tell me of {word}, {2 * number} times."},
                {"role": "assistant", "content": f"Alas, the {word} is honest."},
            ]
            for number, word in enumerate(("tide", "lamp", "garden", "naïve gull 🙂"))
        ]
        values: dict[str, Any] = {
            "model": f"ft:{architecture}:personal:ophelia:Ab3dE9fG",
            "slug": "princess-ophelia",
            "base_model": f"example/{architecture}",
            "base": base,
            "adapter": root / "adapter",
            "output": root / "export",
            "formats": ("adapter", "merged"),
            "gguf_type": "f32",
            "identity_prompt": PROMPT,
            "temperature": 0.3,
            "probes": probes,
            "card": {"character": "Princess Ophelia", "rights": "original", "verdict": None, "training": {}},
        }
        return ExportSpec(**(values | changes))

    return make
