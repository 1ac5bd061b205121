"""Loading: what a job needs before its first step: memory, model, adapter, optimizer, checkpoint."""

from typing import TYPE_CHECKING, Any

from understudy.inference.base import BaseFiles, Placement, context_limit, load_base
from understudy.inference.channel import Channel
from understudy.inference.memory import device_memory_bytes
from understudy.training.capacity import Need, estimate_need, refuse_if_too_large
from understudy.training.checkpoint import Progress, find_checkpoint, restore
from understudy.training.examples import ExampleSet
from understudy.training.failure import JobFailed
from understudy.training.lora import add_lora, continue_lora
from understudy.training.objective import Objective
from understudy.training.precision import choose_precision, halve_frozen_products
from understudy.training.quantization import FOUR_BIT, four_bit_config, prepare_four_bit
from understudy.training.spec import TrainingSpec

if TYPE_CHECKING:
    from peft import PeftModel

__all__ = [
    "accelerate_model",
    "check_capacity",
    "load_model",
    "precision_of",
    "resume",
    "sequence_limit",
    "validation_set",
    "warn_truncated",
    "with_adapter",
]


def _config(files: BaseFiles) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(str(files.directory), local_files_only=True, trust_remote_code=False)


def sequence_limit(spec: TrainingSpec, files: BaseFiles, channel: Channel) -> int:
    """The longest example in tokens that the base reads; a larger wish is warned of and cut."""
    limit = context_limit(_config(files))
    if spec.max_tokens > limit:
        channel.send(
            event="warning",
            message=f"max_tokens is {spec.max_tokens}, but the base model reads at "
            f"most {limit}; {limit} is used.",
        )
    return min(spec.max_tokens, limit)


def validation_set(
    spec: TrainingSpec, objective: Objective, renderer: Any, max_tokens: int
) -> ExampleSet[Any] | None:
    """The validation examples, or ``None`` without a file.

    Raises:
        JobFailed: The file cannot be used.
    """
    from understudy.errors import DatasetError, RenderingError

    if spec.validation_file is None:
        return None
    try:
        return objective.load(spec.validation_file, renderer, max_tokens)
    except (DatasetError, RenderingError) as error:
        raise JobFailed(str(error), "invalid_validation_file", "validation_file") from error


def warn_truncated(channel: Channel, training: ExampleSet[Any], max_tokens: int) -> None:
    """Tell which examples were cut."""
    if not training.truncated:
        return
    shown = ", ".join(map(str, training.truncated[:10])) + (" …" if len(training.truncated) > 10 else "")
    channel.send(
        event="warning",
        message=f"{len(training.truncated)} of {training.conversations} examples are "
        f"longer than {max_tokens} tokens and were cut (examples {shown}). Raise max_tokens, or "
        "shorten them.",
    )


def check_capacity(
    spec: TrainingSpec, files: BaseFiles, placement: Placement, training: ExampleSet[Any]
) -> tuple[Need, int]:
    """What the job needs and the memory of the device, in bytes.

    Raises:
        JobFailed: It needs more than there is.
    """
    longest = max(len(example.ids) for example in training.examples)
    memory = device_memory_bytes(placement.device.type)
    need = estimate_need(
        files.parameters,
        placement.dtype.itemsize,
        _config(files),
        spec.lora.rank,
        longest,
        four_bit=spec.quantization == FOUR_BIT,
    )
    refuse_if_too_large(need, memory, "the GPU" if placement.device.type == "cuda" else "this machine")
    return need, memory


def load_model(spec: TrainingSpec, files: BaseFiles, placement: Placement) -> Any:
    """The frozen base, in four bits where the job says so."""
    if spec.quantization != FOUR_BIT:
        return load_base(files, placement)
    import torch

    model = load_base(files, Placement(placement.device, torch.bfloat16), four_bit_config())
    prepare_four_bit(model)
    return model


def with_adapter(spec: TrainingSpec, model: Any) -> "PeftModel":
    """The base with a fresh adapter, or with the one that is trained further."""
    import torch

    torch.manual_seed(spec.seed)
    if spec.adapter is None:
        return add_lora(model, spec.lora, spec.seed)
    return continue_lora(model, spec.adapter)


def precision_of(spec: TrainingSpec, model: Any, tuned: "PeftModel", placement: Placement) -> str:
    """``bf16`` or ``no``; on a CPU the frozen products are halved in place."""
    hidden = int(model.config.get_text_config().hidden_size)
    chosen = spec.precision or choose_precision(placement.device.type, hidden)
    if spec.quantization:
        return "bf16"
    if chosen == "bf16" and placement.device.type == "cpu":
        halve_frozen_products(tuned)
    return chosen


def accelerate_model(model: "PeftModel", placement: Placement, precision: str) -> tuple[Any, Any, Any]:
    """The accelerator, the model as it calls it, and the optimizer."""
    import torch
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=placement.device.type == "cpu", mixed_precision=precision)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.0, weight_decay=0.0, fused=placement.device.type != "mps")
    # As for evaluation: gradients of several processes are added by the loop.
    wrapped = accelerator.prepare_model(model, evaluation_mode=True)
    return accelerator, wrapped, optimizer


def resume(
    spec: TrainingSpec, channel: Channel, model: "PeftModel", optimizer: Any
) -> tuple[int | None, Progress]:
    """The step of the newest valid checkpoint, which is restored, or ``None``; and where the job stands."""
    fingerprint = spec.fingerprint()

    def warn(message: str) -> None:
        channel.send(event="warning", message=message)

    found = find_checkpoint(spec.output_directory, fingerprint, warn)
    if found is None:
        return None, Progress(0, 0, False, spec.seed, fingerprint)
    directory, progress = found
    restore(directory, model, optimizer)
    return progress.step, progress
