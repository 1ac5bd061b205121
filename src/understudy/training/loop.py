"""Loop: the steps of fine-tuning, whatever its objective, from spec to adapter."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.inference.base import (
    check_base,
    choose_placement,
)
from understudy.inference.channel import Channel, ChannelClosed
from understudy.inference.memory import peak_memory_bytes
from understudy.training.attempt import Attempt, Stopped
from understudy.training.batches import plan_epoch, split_by_tokens, steps_per_epoch
from understudy.training.capacity import micro_batch_tokens
from understudy.training.checkpoint import (
    Progress,
    epoch_ends,
    prune_checkpoints,
    save_checkpoint,
    save_model,
)
from understudy.training.examples import ExampleSet
from understudy.training.journal import Journal
from understudy.training.loading import (
    accelerate_model,
    check_capacity,
    load_model,
    precision_of,
    resume,
    sequence_limit,
    validation_set,
    warn_truncated,
    with_adapter,
)
from understudy.training.loss_watch import LossWatch
from understudy.training.methods import objective_of
from understudy.training.objective import Learner, Objective
from understudy.training.packed_attention import pack_attention
from understudy.training.quantization import FOUR_BIT, refuse_four_bit
from understudy.training.schedule import rate_at, warmup_steps
from understudy.training.spec import TrainingSpec

if TYPE_CHECKING:
    from peft import PeftModel

__all__ = ["train"]

MAX_GRADIENT_NORM = 1.0
VALIDATE_EVERY_STEPS = 10


@dataclass
class Job:
    """Everything a running job holds."""

    spec: TrainingSpec
    channel: Channel
    attempt: Attempt
    journal: Journal
    training: ExampleSet[Any]
    validation: ExampleSet[Any] | None
    accelerator: Any
    model: "PeftModel"
    objective: Objective
    learner: Learner
    optimizer: Any
    piece_tokens: int
    progress: Progress
    total_steps: int
    watch: LossWatch


def train(spec: TrainingSpec, channel: Channel, attempt: Attempt) -> None:
    """Run a job to its end, or until the attempt is told to stop.

    Raises:
        Stopped: Asked to stop; the checkpoint is written.
        ChannelClosed: Nobody listens any more; the checkpoint is written.
        Superseded: A newer attempt has begun; nothing more is written.
        JobFailed: With the API's code. Other errors are for ``describe_failure``.
    """
    job = _prepare(spec, channel, attempt)
    try:
        _run(job)
    except ChannelClosed:
        _checkpoint_silently(job)
        raise


def _run(job: Job) -> None:
    spec = job.spec
    began, first_step = time.monotonic(), job.progress.step
    learned_here = 0
    per_epoch = steps_per_epoch(len(job.training.examples), spec.batch_size)
    saved_at = began
    for epoch in range(job.progress.step // per_epoch, spec.n_epochs):
        plan = plan_epoch([len(e.ids) for e in job.training.examples], spec.batch_size, spec.seed, epoch)
        for position in range(job.progress.step - epoch * per_epoch, per_epoch):
            batch = [job.training.examples[i] for i in plan[position]]
            metrics = _step(job, batch)
            job.progress.step += 1
            job.progress.epoch_end = position + 1 == per_epoch
            job.progress.epoch = epoch + int(job.progress.epoch_end)
            learned = sum(example.learned for example in batch)
            job.watch.look(job.progress.step, metrics["train_loss"], learned)
            learned_here += learned
            metrics["learned_tokens"] = learned
            metrics |= _validate(job)
            job.progress.metrics |= metrics
            _report_step(job, metrics, learned_here, time.monotonic() - began, job.progress.step - first_step)
            if job.progress.epoch_end or time.monotonic() - saved_at > spec.checkpoint_seconds:
                _checkpoint(job)
                saved_at = time.monotonic()
            _stop_if_asked(job)
    _finish(job, learned_here, time.monotonic() - began)


# -- before the first step ------------------------------------------------------------------


def _prepare(spec: TrainingSpec, channel: Channel, attempt: Attempt) -> Job:
    from understudy.rendering import Renderer

    files = check_base(spec.base_model)
    renderer = Renderer.load(spec.base_model)
    max_tokens = sequence_limit(spec, files, channel)
    placement = choose_placement(files.parameters)
    if spec.quantization == FOUR_BIT:
        refuse_four_bit(placement.device.type)
    objective = objective_of(spec)
    training = objective.load(spec.training_file, renderer, max_tokens)
    validation = validation_set(spec, objective, renderer, max_tokens)
    warn_truncated(channel, training, max_tokens)
    need, memory = check_capacity(spec, files, placement, training)
    if attempt.stopping():
        raise Stopped(0)
    model = load_model(spec, files, placement)
    if not spec.lora.dropout:  # what is shared would be dropped for all alike
        pack_attention(model)
    tuned = with_adapter(spec, model)
    precision = precision_of(spec, model, tuned, placement)
    accelerator, wrapped, optimizer = accelerate_model(tuned, placement, precision)
    resumed, progress = resume(spec, channel, tuned, optimizer)
    longest = max(len(example.ids) for example in training.examples)
    per_epoch = steps_per_epoch(len(training.examples), spec.batch_size)
    head = model.get_output_embeddings()
    job = Job(
        spec,
        channel,
        attempt,
        Journal(spec.output_directory),
        training,
        validation,
        accelerator,
        tuned,
        objective,
        Learner(tuned, wrapped, head, placement.device, renderer, accelerator.autocast),
        optimizer,
        micro_batch_tokens(need, memory, longest),
        progress,
        per_epoch * spec.n_epochs,
        LossWatch(
            per_epoch,
            spec.n_epochs,
            spec.learning_rate,
            warmup_steps=warmup_steps(per_epoch * spec.n_epochs),
            may_stand_still=spec.adapter is not None,
        ),
    )
    job.learner.interrupted = lambda: _stop_if_asked(job, mid_step=True)
    objective.prepare(job.learner, [s for s in (training, validation) if s], job.piece_tokens)
    channel.send(
        event="started",
        total_steps=job.total_steps,
        examples=training.conversations,
        tokens_per_epoch=training.tokens,
        learned_tokens_per_epoch=training.learned_tokens,
        resumed_from_step=resumed,
        device=str(placement.device),
        processes=accelerator.num_processes,
        precision={"no": "fp32"}.get(precision, precision),
        quantization=spec.quantization,
        trained_parameters=sum(p.numel() for p in tuned.parameters() if p.requires_grad),
    )
    _tell_again(job)
    return job


# -- one step -------------------------------------------------------------------------------


def _step(job: Job, batch: list[Any]) -> dict[str, float]:
    """Forward, backward, clip, update; the loss is the mean over the batch's learned tokens or pairs.

    Every random number of a step (dropout) follows from seed and step alone. With several
    processes each takes its share of the batch, and the mean still runs over the whole of it.
    """
    import torch

    torch.manual_seed((job.spec.seed * 1_000_003 + job.progress.step) % 2**63)
    rate = rate_at(job.progress.step, job.total_steps, job.spec.learning_rate)
    for group in job.optimizer.param_groups:
        group["lr"] = rate
    batch = list(job.objective.renew(job.learner, batch, job.progress.step))
    weight = job.objective.weight(batch)
    own = batch[job.accelerator.process_index :: job.accelerator.num_processes]
    totals = torch.zeros(len(job.objective.sums), dtype=torch.float64)
    for piece in split_by_tokens(own, job.piece_tokens):
        job.attempt.give_way()
        _stop_if_asked(job, mid_step=True)
        loss, others = job.objective.measure(job.learner, piece, training=True)
        job.accelerator.backward(loss * (1 / weight))
        totals += _numbers(loss, others)
    _add_gradients(job)
    norm = torch.nn.utils.clip_grad_norm_(
        [p for p in job.model.parameters() if p.requires_grad], MAX_GRADIENT_NORM
    )
    job.optimizer.step()
    job.optimizer.zero_grad(set_to_none=True)
    return {
        **_metrics(job, "train", _summed(job, totals)),
        "gradient_norm": float(norm),
        "learning_rate": rate,
    }


def _add_gradients(job: Job) -> None:
    """The sum over all processes of what each found for its share of the batch.

    Once a step and by hand: processes may have unequal numbers of pieces, or none, with which
    the usual wrapper, which adds in every backward pass, would wait for ever.
    """
    import torch

    if job.accelerator.num_processes == 1:
        return
    trained = [parameter for parameter in job.model.parameters() if parameter.requires_grad]
    flat = torch.cat([_gradient(parameter).flatten() for parameter in trained])
    flat = job.accelerator.reduce(flat, reduction="sum")
    for parameter, summed in zip(trained, flat.split([p.numel() for p in trained]), strict=True):
        parameter.grad = summed.view_as(parameter)


def _gradient(parameter: Any) -> Any:
    import torch

    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _numbers(loss: Any, others: list[Any]) -> Any:
    import torch

    return torch.tensor([loss.item(), *(value.item() for value in others)], dtype=torch.float64)


def _metrics(job: Job, prefix: str, totals: Any) -> dict[str, float]:
    named = dict(zip(job.objective.sums, totals.tolist(), strict=True))
    return {f"{prefix}_{key}": value for key, value in job.objective.metrics(named).items()}


def _summed(job: Job, totals: Any) -> Any:
    if job.accelerator.num_processes > 1:
        totals = job.accelerator.reduce(totals.to(job.accelerator.device).float(), reduction="sum")
    return totals


def _validate(job: Job) -> dict[str, float]:
    """A small batch now and then, all of it at the end of an epoch."""
    if job.validation is None:
        return {}
    metrics: dict[str, float] = {}
    examples = job.validation.examples
    step, size = job.progress.step, job.spec.batch_size
    if step % VALIDATE_EVERY_STEPS == 0 or step == 1:
        start = (step // VALIDATE_EVERY_STEPS * size) % len(examples)
        batch = (examples + examples)[start : start + min(size, len(examples))]
        metrics |= _metrics(job, "valid", _measure(job, batch))
    if job.progress.epoch_end:
        metrics |= _metrics(job, "full_valid", _measure(job, examples))
    return metrics


def _measure(job: Job, examples: list[Any]) -> Any:
    """The objective's sums over examples, without learning from them."""
    import torch

    job.model.eval()
    totals = torch.zeros(len(job.objective.sums), dtype=torch.float64)
    with torch.no_grad():
        for piece in split_by_tokens(examples, job.piece_tokens):
            totals += _numbers(*job.objective.measure(job.learner, piece, training=False))
    job.model.train()
    return totals


# -- what the server hears ------------------------------------------------------------------


def _report_step(job: Job, metrics: dict[str, float], learned: int, seconds: float, steps: int) -> None:
    left = (job.total_steps - job.progress.step) * seconds / steps
    report = {
        "event": "step",
        "step": job.progress.step,
        "total_steps": job.total_steps,
        "learned_tokens_per_second": round(learned / seconds, 1),
        "seconds_left": round(left, 1),
        "memory_bytes": peak_memory_bytes(job.accelerator.device.type),
        **{key: _finite(value) for key, value in metrics.items()},
    }
    if job.accelerator.is_main_process:
        job.journal.append(report)
    job.channel.send(**report)


def _tell_again(job: Job) -> None:
    """Repeat what an earlier attempt did, as far as its reports were lost together with the server.

    The server knows which it has; steps and checkpoints come in the order of the steps.
    """
    known = job.spec.reported_step
    if not job.accelerator.is_main_process:
        return
    reports = job.journal.rewind(job.progress.step)
    for report in reports:
        job.watch.remember(report["step"], report["train_loss"], report["learned_tokens"])
    if known is None:
        return
    reports = [report for report in reports if report["step"] > known]
    ends = [
        _checkpoint_report(progress, directory)
        for directory, progress in epoch_ends(job.spec.output_directory)
        if progress.step <= job.progress.step
    ]
    for report in sorted([*reports, *ends], key=lambda report: (report["step"], report["event"] != "step")):
        job.channel.send(**report)


def _finite(value: float) -> float | None:
    return value if value == value and abs(value) != float("inf") else None


def _checkpoint(job: Job) -> None:
    if job.accelerator.is_main_process:
        job.channel.send(**_checkpoint_report(job.progress, _save(job)))


def _checkpoint_report(progress: Progress, path: Path) -> dict[str, Any]:
    return {
        "event": "checkpoint",
        "step": progress.step,
        "epoch": progress.epoch,
        "path": str(path),
        "epoch_end": progress.epoch_end,
        **{key: _finite(value) for key, value in progress.metrics.items()},
    }


def _checkpoint_silently(job: Job) -> None:
    """Keep the work of a job whose server has gone; the next server resumes it."""
    if job.progress.step and job.accelerator.is_main_process:
        _save(job)


def _save(job: Job) -> Path:
    root = job.spec.output_directory
    job.attempt.check()
    job.journal.sync()
    path = save_checkpoint(root, job.model, job.optimizer, job.progress, job.spec.base_model)
    prune_checkpoints(root)
    return path


def _stop_if_asked(job: Job, mid_step: bool = False) -> None:
    """Save and leave. A step that was begun is dropped; it will be taken again."""
    if not job.attempt.stopping():
        return
    job.attempt.check()
    saved = job.spec.output_directory / f"checkpoint-{job.progress.step}"
    if job.progress.step and not saved.is_dir():
        _checkpoint(job)
    raise Stopped(job.progress.step)


def _finish(job: Job, learned: int, seconds: float) -> None:
    if not job.accelerator.is_main_process:
        return
    if warning := job.watch.verdict():
        job.channel.send(event="warning", message=warning)
    job.attempt.check()
    path = save_model(job.spec.output_directory, job.model, job.spec.base_model)
    job.channel.send(
        event="done",
        trained_tokens=job.training.tokens * job.spec.n_epochs,
        path=str(path),
        seconds=round(seconds, 2),
        learned_tokens_per_second=round(learned / max(seconds, 1e-9), 1),
    )
