"""Events: what a job tells, in the wordings that clients of OpenAI know."""

import time
from typing import Any

from understudy.api.identity import new_id

__all__ = ["message_event", "metrics_event", "step_message"]

METRICS = (
    "train_loss",
    "train_mean_token_accuracy",
    "valid_loss",
    "valid_mean_token_accuracy",
    "full_valid_loss",
    "full_valid_mean_token_accuracy",
)
# Beyond OpenAI's: how often and by how much a job on preferences prefers the preferred replies.
PREFERENCE = tuple(
    f"{prefix}_reward_{kind}"
    for prefix in ("train", "valid", "full_valid")
    for kind in ("accuracy", "margin")
)
# Beyond OpenAI's: how often student and teacher find the same token likeliest.
DISTILLATION = tuple(f"{prefix}_teacher_agreement" for prefix in ("train", "valid", "full_valid"))
MEASURED = (*METRICS, *PREFERENCE, *DISTILLATION)
# Beyond OpenAI's: what a progress display needs, and whoever looks for the right learning rate.
SPEED = ("learned_tokens_per_second", "seconds_left", "memory_bytes", "gradient_norm", "learning_rate")


def message_event(message: str, level: str = "info") -> dict[str, Any]:
    """A plain sentence. ``level`` is info, warn or error."""
    return _event(message, level, "message", {})


def metrics_event(step: dict[str, Any]) -> dict[str, Any]:
    """One training step as the worker reported it."""
    data = {"step": step["step"], "total_steps": step["total_steps"]}
    data |= {
        key: step[key] for key in METRICS + PREFERENCE + DISTILLATION + SPEED if step.get(key) is not None
    }
    return _event(step_message(data), "info", "metrics", data)


def metrics_of(report: dict[str, Any]) -> dict[str, Any]:
    """The metrics of a checkpoint report."""
    return {key: report[key] for key in ("step", *MEASURED) if report.get(key) is not None}


def step_message(data: dict[str, Any]) -> str:
    """``Step 3/90: training loss=1.24, validation loss=…``, later parts only where measured."""
    parts = [
        f"{words}={data[key]:.2f}"
        for key, words in (
            ("train_loss", "training loss"),
            ("valid_loss", "validation loss"),
            ("full_valid_loss", "full validation loss"),
        )
        if data.get(key) is not None
    ]
    return f"Step {data['step']}/{data['total_steps']}: {', '.join(parts)}"


def _event(message: str, level: str, type: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "object": "fine_tuning.job.event",
        "id": new_id("ftevent-"),
        "created_at": int(time.time()),
        "level": level,
        "message": message,
        "type": type,
        "data": data,
    }
