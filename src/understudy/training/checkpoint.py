"""Checkpoint: all that a job needs to go on as if it had never stopped.

``checkpoint-<step>/`` is a sealed directory: the adapter in PEFT's layout, the optimizer's
moments as safetensors, and ``state.json`` with step, seed and totals. The order of examples and
every random number are functions of seed and step, so nothing else has to be kept. No pickle.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import ModelError
from understudy.inference.sealed import check_sealed, remove_partial, write_sealed
from understudy.training.lora import ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapter_files, load_adapter_weights

if TYPE_CHECKING:
    from peft import PeftModel

__all__ = [
    "Progress",
    "epoch_ends",
    "find_checkpoint",
    "prune_checkpoints",
    "restore",
    "save_checkpoint",
    "save_model",
]

OPTIMIZER = "optimizer.safetensors"
STATE = "state.json"
KEPT = 3


@dataclass
class Progress:
    """Where a job stands. ``epoch_end`` tells a finished epoch's checkpoint from one saved on the way."""

    step: int
    epoch: int
    epoch_end: bool
    seed: int
    fingerprint: str
    metrics: dict[str, float] = field(default_factory=dict)


def save_checkpoint(
    root: Path, model: "PeftModel", optimizer: Any, progress: Progress, base_model: Path
) -> Path:
    """Write ``checkpoint-<step>`` and return its path.

    Raises:
        OSError: The disk is full or may not be written; earlier checkpoints are untouched.
    """
    files = adapter_files(model, base_model)
    files[OPTIMIZER] = _optimizer_bytes(model, optimizer)
    files[STATE] = (json.dumps(asdict(progress), indent=2) + "\n").encode()
    directory = root / f"checkpoint-{progress.step}"
    write_sealed(directory, files)
    return directory


def save_model(root: Path, model: "PeftModel", base_model: Path) -> Path:
    """Write the finished adapter as ``model`` and return its path.

    Raises:
        OSError: The disk is full or may not be written.
    """
    directory = root / "model"
    write_sealed(directory, adapter_files(model, base_model))
    return directory


def _trained(model: "PeftModel") -> list[tuple[str, Any]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def _optimizer_bytes(model: "PeftModel", optimizer: Any) -> bytes:
    from safetensors.torch import save

    tensors = {}
    for name, parameter in _trained(model):
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{name}::{key}"] = value.detach().to("cpu").contiguous()
    return save(tensors)


def restore(directory: Path, model: "PeftModel", optimizer: Any) -> None:
    """Put a checkpoint's weights and moments back.

    Raises:
        ModelError: The checkpoint belongs to another adapter shape.
    """
    from safetensors.torch import load

    load_adapter_weights(model, load((directory / ADAPTER_WEIGHTS).read_bytes()))
    saved = load((directory / OPTIMIZER).read_bytes())
    moments: dict[str, dict[str, Any]] = {}
    for name, tensor in saved.items():
        parameter_name, key = name.rsplit("::", 1)
        moments.setdefault(parameter_name, {})[key] = tensor
    for name, parameter in _trained(model):
        for key, tensor in moments.get(name, {}).items():
            place = "cpu" if key == "step" and not _fused(optimizer) else parameter.device
            optimizer.state[parameter][key] = tensor.to(place)


def _fused(optimizer: Any) -> bool:
    return any(group.get("fused") for group in optimizer.param_groups)


def find_checkpoint(
    root: Path, fingerprint: str, warn: Callable[[str], None]
) -> tuple[Path, Progress] | None:
    """The newest checkpoint of this job that is complete and unchanged; ``None`` if there is none.

    Damaged ones, and ones of a job with other settings, are named to ``warn`` and passed over.
    """
    if not root.is_dir():
        return None
    remove_partial(root)
    for directory in sorted(_checkpoints(root), key=_step_of, reverse=True):
        try:
            check_sealed(directory)
            progress = _read_progress(directory)
            missing = [
                n for n in (ADAPTER_WEIGHTS, ADAPTER_CONFIG, OPTIMIZER) if not (directory / n).is_file()
            ]
            if missing:
                raise ModelError(f"{directory}: lacks {missing[0]}.")
        except (ModelError, OSError, ValueError, TypeError, AttributeError) as error:
            warn(f"The checkpoint {directory.name} is damaged and is passed over ({error})")
            continue
        if progress.fingerprint != fingerprint:
            warn(f"The checkpoint {directory.name} was made with other settings or data and is passed over.")
            continue
        return directory, progress
    return None


def _checkpoints(root: Path) -> list[Path]:
    return [path for path in root.glob("checkpoint-*") if path.is_dir() and path.name[11:].isdigit()]


def _step_of(directory: Path) -> int:
    return int(directory.name[11:])


def prune_checkpoints(root: Path) -> None:
    """Keep the last three finished epochs, and one saved on the way only while it is the newest."""
    ordered = sorted(_checkpoints(root), key=_step_of, reverse=True)
    ends = [directory for directory in ordered if _is_epoch_end(directory)]
    kept = set(ends[:KEPT]) | set(ordered[:1])
    for directory in ordered:
        if directory not in kept:
            shutil.rmtree(directory, ignore_errors=True)


def epoch_ends(root: Path) -> list[tuple[Path, Progress]]:
    """The kept checkpoints of finished epochs that are whole, oldest first."""
    found = []
    for directory in sorted(_checkpoints(root), key=_step_of):
        try:
            check_sealed(directory)
            progress = _read_progress(directory)
        except (ModelError, OSError, ValueError, TypeError, AttributeError):
            continue
        if progress.epoch_end:
            found.append((directory, progress))
    return found


def _read_progress(directory: Path) -> Progress:
    """What ``state.json`` says; fields of another version are left out."""
    known = {entry.name for entry in fields(Progress)}
    values = json.loads((directory / STATE).read_text(encoding="utf-8"))
    return Progress(**{name: value for name, value in values.items() if name in known})


def _is_epoch_end(directory: Path) -> bool:
    try:
        return _read_progress(directory).epoch_end
    except (OSError, ValueError, TypeError, AttributeError):
        return False
