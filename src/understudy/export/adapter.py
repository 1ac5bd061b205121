"""Adapter: PEFT's layout, with a command line for vLLM."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from understudy.errors import ModelError
from understudy.export.spec import ExportSpec
from understudy.inference.sealed import MANIFEST, check_sealed

__all__ = ["load_adapter", "vllm_command", "write_adapter"]

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
# The ranks for which vLLM reserves memory.
VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)


def write_adapter(spec: ExportSpec, folder: Path) -> None:
    """The trained weights as they are, naming the base as others know it, and ``serve-with-vllm.sh``."""
    folder.mkdir(parents=True)
    shutil.copyfile(spec.adapter / WEIGHTS, folder / WEIGHTS)
    config = json.loads((spec.adapter / CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = spec.base_model
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    copy_tokenizer(spec.base, folder)
    script = folder / "serve-with-vllm.sh"
    script.write_text(vllm_command(spec, config), encoding="utf-8")
    script.chmod(0o755)


def copy_tokenizer(base: Path, folder: Path) -> None:
    """Tokenizer and chat template, byte for byte: the model was trained with these."""
    for name in TOKENIZER_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)


def vllm_command(spec: ExportSpec, config: dict[str, Any]) -> str:
    """A shell script that serves the adapter beside its base."""
    rank = next((r for r in VLLM_RANKS if r >= int(config["r"])), VLLM_RANKS[-1])
    request = {
        "model": spec.slug,
        "messages": [
            {"role": "system", "content": spec.identity_prompt},
            {"role": "user", "content": "Good evening."},
        ],
    }
    base = spec.base_model if not spec.base_model.startswith("understudy/") else str(spec.base)
    return f"""#!/bin/sh
# Serves {spec.base_model} with the adapter in this folder. Ask for the model {shlex.quote(spec.slug)},
# and send the identity prompt as the system message; {shlex.quote(base)} is the untuned base.
#
#   curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' \\
#     -d {shlex.quote(json.dumps(request))}
#
# To see that the adapter is on, ask both names the same question at temperature 0: the replies differ.
here=$(cd "$(dirname "$0")" && pwd)
exec vllm serve {shlex.quote(base)} --enable-lora --max-lora-rank {rank} \\
  --lora-modules {shlex.quote(spec.slug)}="$here" "$@"
"""


def load_adapter(base: Any, folder: Path) -> Any:
    """The base with the adapter of a folder on it.

    Raises:
        ModelError: It is damaged, or belongs to another base.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    if (folder / MANIFEST).is_file():
        check_sealed(folder)
    try:
        return PeftModel.from_pretrained(base, str(folder)).eval()
    except (SafetensorError, ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{folder}: this adapter cannot be put on the base ({first}).") from error
