"""Hyperparameters: from what a request says, ``auto`` included, to numbers."""

from typing import Any

from understudy.api.bases import TrainingAdvice
from understudy.api.protocol import (
    DistillationHyperparameters,
    Hyperparameters,
    PreferenceHyperparameters,
)

__all__ = [
    "automatic_batch_size",
    "automatic_epochs",
    "common_numbers",
    "echo",
    "readable_job",
    "resolve",
    "shown_method",
    "shown_numbers",
]

DEFAULT_LORA_RANK = 16
DEFAULT_MAX_TOKENS = 2048


def automatic_epochs(examples: int) -> int:
    """OpenAI's rule: three, more for few examples (at most 25), fewer for very many.

    Source: the data preparation notebook of OpenAI's cookbook.
    """
    if 3 * examples < 100:
        return min(25, 100 // max(1, examples))
    if 3 * examples > 25_000:
        return max(1, 25_000 // examples)
    return 3


def automatic_batch_size(examples: int) -> int:
    """OpenAI's rule: about 0.2 % of the examples, from 1 to 256."""
    return max(1, min(256, round(examples * 0.002)))


def echo(wanted: Hyperparameters) -> dict[str, Any]:
    """What a job shows until its files are checked: numbers as given, ``auto`` as ``auto``."""
    shown = {
        "n_epochs": wanted.n_epochs,
        "batch_size": wanted.batch_size,
        "learning_rate_multiplier": wanted.learning_rate_multiplier,
    }
    for kind, key in (
        (PreferenceHyperparameters, "beta"),
        (DistillationHyperparameters, "on_policy_share"),
    ):
        if isinstance(wanted, kind):
            shown[key] = getattr(wanted, key)
    return shown


def shown_method(
    method: str, numbers: dict[str, Any], others: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The ``method`` of a job object; ``others`` are what it was told besides numbers."""
    return {"type": method, method: {**(others or {}), "hyperparameters": dict(numbers)}}


def readable_job(document: dict[str, Any]) -> dict[str, Any]:
    """A job object as any client can read it.

    ``distillation`` is ours, and a strict OpenAI client refuses a whole list for one unknown type. Such a job
    is shown as supervised, which its file is, with what is ours beside it under ``distillation``.
    """
    method = document["method"]
    if method["type"] != "distillation":
        return document
    supervised = {"hyperparameters": dict(document["hyperparameters"])}
    return document | {"method": {**method, "type": "supervised", "supervised": supervised}}


def shown_numbers(document: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a job object's method, of which its ``hyperparameters`` hold those that all have."""
    method = document["method"]
    return dict(method[method["type"]]["hyperparameters"])


def common_numbers(numbers: dict[str, Any]) -> dict[str, Any]:
    """The deprecated ``hyperparameters`` of a job object: always three, since clients demand an object."""
    return {key: numbers[key] for key in ("n_epochs", "batch_size", "learning_rate_multiplier")}


def resolve(
    shown: dict[str, Any], examples: int, advice: TrainingAdvice, method: str = "supervised"
) -> dict[str, Any]:
    """The numbers that a job really uses."""
    automatic = {
        "n_epochs": automatic_epochs(examples),
        "batch_size": automatic_batch_size(examples),
        "learning_rate_multiplier": 1.0,
        "beta": 0.1,
        "on_policy_share": 0.0,
        **advice.automatic,
        **(advice.dpo if method == "dpo" else {}),
    }
    return {key: automatic[key] if value == "auto" else value for key, value in shown.items()}
