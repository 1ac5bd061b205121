"""Base: a model directory of ordinary Hugging Face layout becomes a model in memory.

Checked before anything heavy is loaded: the configuration, the architecture, and every weight
file's header against its size. No code from a model directory is run and no pickle is opened.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["BaseFiles", "Placement", "check_base", "choose_placement", "context_limit", "load_base"]

_DTYPE_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
}
_MAX_HEADER_BYTES = 100_000_000


@dataclass(frozen=True)
class BaseFiles:
    """What a model directory holds, read from its small files alone."""

    directory: Path
    config: dict[str, Any]
    weight_files: tuple[Path, ...]
    parameters: int


@dataclass(frozen=True)
class Placement:
    """Where a model runs and in which number format."""

    device: "torch.device"
    dtype: "torch.dtype"


def check_base(directory: Path) -> BaseFiles:
    """Read and check a model directory without loading weights.

    Raises:
        ModelError: Something is missing, damaged or unsafe; the message says what to do.
    """
    if not directory.is_dir():
        raise ModelError(
            f"{directory}: there is no such model directory. "
            "Give an existing directory, or the name of a model that can be downloaded."
        )
    config = _read_config(directory)
    files = _weight_files(directory)
    parameters = sum(_count_parameters(path) for path in files)
    return BaseFiles(directory, config, files, parameters)


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"{directory}: holds no config.json, so it is not a model directory in the "
            "Hugging Face layout. Choose the folder that holds config.json."
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON ({error}). Download the file again.") from error
    if not isinstance(config, dict) or not config.get("model_type"):
        raise ModelError(f"{path}: names no model_type, so the architecture is unknown.")
    if config.get("auto_map"):
        _refuse_remote_code(path, config)
    return config


def _refuse_remote_code(path: Path, config: dict[str, Any]) -> None:
    """Models whose architecture is Python code in the directory are not run."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if config["model_type"] not in CONFIG_MAPPING:
        raise ModelError(
            f"{path}: model type {config['model_type']!r} brings its own Python code, which is "
            "not run. Choose a model whose architecture transformers knows."
        )


def _weight_files(directory: Path) -> tuple[Path, ...]:
    index = directory / "model.safetensors.index.json"
    if index.is_file():
        return _indexed_files(index)
    single = directory / "model.safetensors"
    if single.is_file():
        return (single,)
    if any(directory.glob("pytorch_model*.bin")) or any(directory.glob("*.pth")):
        raise ModelError(
            f"{directory}: has its weights only as pickle files, which can run code when "
            "opened and are not loaded. Convert them to safetensors, or choose a model that "
            "offers safetensors."
        )
    if any(directory.glob("*.gguf")):
        raise ModelError(
            f"{directory}: holds GGUF weights, which cannot be fine-tuned. "
            "Choose the safetensors version of the model."
        )
    raise ModelError(f"{directory}: holds no weights (model.safetensors). Download the model completely.")


def _indexed_files(index: Path) -> tuple[Path, ...]:
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(weight_map.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index}: cannot be read ({error}). Download the file again.") from error
    files = tuple(index.parent / Path(name).name for name in names)
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise ModelError(
            f"{index.parent}: {len(missing)} of {len(files)} weight files are missing, first "
            f"{missing[0]}. Download the model completely."
        )
    return files


def _count_parameters(path: Path) -> int:
    """Read a safetensors header, compare it with the file's size and count the numbers."""
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        header_bytes = int.from_bytes(head, "little") if len(head) == 8 else 0
        if not 2 <= header_bytes <= min(_MAX_HEADER_BYTES, size_bytes):
            raise ModelError(
                f"{path}: is not a safetensors file, or was cut off at {size_bytes} bytes. "
                "Download the file again."
            )
        raw = file.read(header_bytes)
    try:
        tensors = {name: entry for name, entry in json.loads(raw).items() if name != "__metadata__"}
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        parameters = sum(math.prod(entry["shape"]) for entry in tensors.values())
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(f"{path}: has a damaged header. Download the file again.") from error
    if 8 + header_bytes + end != size_bytes:
        raise ModelError(
            f"{path}: is {size_bytes:,} bytes long but its header promises "
            f"{8 + header_bytes + end:,}. The download was cut off: fetch the file again."
        )
    return parameters


def choose_placement(parameters: int, memory_bytes: int | None = None) -> Placement:
    """Choose device (CUDA, then MPS, then CPU) and number format for a model.

    bf16 on CUDA. fp32 elsewhere, because results then repeat bit for bit; a CPU model whose
    fp32 weights would take over 60 % of memory is loaded as bf16.

    Args:
        parameters: Numbers in the weight files.
        memory_bytes: Memory of the machine; ``None`` asks the machine.
    """
    import torch

    if torch.cuda.is_available():
        return Placement(torch.device("cuda"), torch.bfloat16)
    if torch.backends.mps.is_available():
        return Placement(torch.device("mps"), torch.float32)
    from understudy.inference.memory import machine_memory_bytes

    memory = machine_memory_bytes() if memory_bytes is None else memory_bytes
    fits = parameters * 4 <= 0.6 * memory
    return Placement(torch.device("cpu"), torch.float32 if fits else torch.bfloat16)


def context_limit(config: Any) -> int:
    """Longest sequence, in tokens, that the model was built for; 2,048 where it does not say."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    limit = getattr(text, "max_position_embeddings", None) or 2048
    return int(min(limit, 1_000_000))


def load_base(files: BaseFiles, placement: Placement, quantization: Any = None) -> "PreTrainedModel":
    """Load the weights for inference (eval mode, no gradients).

    Args:
        quantization: transformers' configuration of how matrices are stored; ``None`` leaves them whole.

    Raises:
        ModelError: The architecture is unknown to transformers, the weights do not fit the
            configuration, or some are missing.
    """
    import torch
    import transformers
    from transformers import AutoModelForCausalLM

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    modern = int(transformers.__version__.split(".")[0]) >= 5
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(files.directory),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **{"dtype" if modern else "torch_dtype": placement.dtype},
            **_quantized(quantization, placement),
        )
    except torch.OutOfMemoryError as error:
        raise ModelError(f"{files.directory}: does not fit into the memory of {placement.device}.") from error
    except (ValueError, KeyError, OSError, RuntimeError, ImportError, AttributeError, TypeError) as error:
        raise ModelError(_loading_advice(files, error)) from error
    model, report = loaded
    _tie_or_refuse(model, files, report)
    if quantization is None:
        model.to(placement.device)
    model.eval().requires_grad_(False)
    return model


def _quantized(quantization: Any, placement: Placement) -> dict[str, Any]:
    """Weights are quantized as they arrive on their device, so it is named at once."""
    import torch

    if quantization is None:
        return {}
    device = torch.cuda.current_device() if placement.device.type == "cuda" else str(placement.device)
    return {"quantization_config": quantization, "device_map": {"": device}}


def _loading_advice(files: BaseFiles, error: Exception) -> str:
    import transformers

    first = str(error).strip().split("\n")[0][:300]
    model_type = files.config.get("model_type")
    if isinstance(error, (KeyError, ValueError)) and (
        "does not recognize" in str(error) or "Unrecognized" in str(error)
    ):
        return (
            f"{files.directory}: the architecture {model_type!r} is unknown to transformers "
            f"{transformers.__version__}. Update transformers, or choose a Llama-, Qwen-, Gemma- or "
            "Mistral-type model."
        )
    return (
        f"{files.directory}: this {model_type!r} model cannot be loaded as a chat model ({first}). "
        "Check that config.json and the weights belong together."
    )


def _tie_or_refuse(model: "PreTrainedModel", files: BaseFiles, report: dict[str, Any]) -> None:
    """Accept a file that holds either half of tied embeddings; refuse any other missing weight.

    Weights that are missing would silently be random numbers.
    """
    missing = set(report.get("missing_keys") or ())
    mismatched = list(report.get("mismatched_keys") or ())
    if mismatched:
        raise ModelError(
            f"{files.directory}: {len(mismatched)} weights have other shapes than config.json "
            f"says, first {mismatched[0]}. The files do not belong together."
        )
    if model.config.get_text_config().tie_word_embeddings:
        missing -= _tie(model, files, missing)
    missing |= {name for name, parameter in model.named_parameters() if parameter.is_meta}
    if missing:
        raise ModelError(
            f"{files.directory}: {len(missing)} weights are missing from its files, first "
            f"{sorted(missing)[0]}. Download the model completely."
        )


def _tie(model: "PreTrainedModel", files: BaseFiles, missing: set[str]) -> set[str]:
    """Make head and embeddings one matrix, from whichever half the files hold.

    Some versions of transformers skip the half that was stored, or leave the other one empty.

    Returns:
        The names of the matrix, none of which is missing any longer.
    """
    import torch

    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if head is None:
        return set()
    both = (embedding.weight, head.weight)
    names = {n for n, p in model.named_parameters(remove_duplicate=False) if any(p is half for half in both)}
    whole = both[0] is both[1] and not both[0].is_meta and not missing & names
    stored = None if whole else _stored_tensor(files, sorted(names, key=lambda name: name in missing))
    if stored is not None and stored.shape == embedding.weight.shape:
        embedding.weight = torch.nn.Parameter(stored.to(embedding.weight.dtype), requires_grad=False)
        head.weight = embedding.weight
    return names if whole or stored is not None else set()


def _stored_tensor(files: BaseFiles, names: list[str]) -> Any:
    """The first of these tensors that the weight files hold, or ``None``."""
    from safetensors import safe_open

    for path in files.weight_files:
        with safe_open(str(path), framework="pt") as file:
            held = set(file.keys())
            for name in names:
                if name in held:
                    return file.get_tensor(name)
    return None
