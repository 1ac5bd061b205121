"""Spec: what one job is told, read and checked from its JSON file."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.errors import ConfigError

__all__ = ["Lora", "Teaching", "TrainingSpec", "load_spec"]

METHODS = ("supervised", "dpo", "distillation")


@dataclass(frozen=True)
class Lora:
    """Shape of the adapter. ``scaling = alpha / rank``."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0


@dataclass(frozen=True)
class Teaching:
    """Of distillation: who teaches, under which system prompt.

    ``model`` is a directory; ``None`` is the base. ``on_policy_share``: of conversations that are
    learned with the student's own replies.
    """

    prompt: str
    model: Path | None = None
    on_policy_share: float = 0.0


@dataclass(frozen=True)
class TrainingSpec:
    """One fine-tuning job with every value resolved."""

    job_id: str
    base_model: Path
    adapter: Path | None
    training_file: Path
    validation_file: Path | None
    output_directory: Path
    n_epochs: int
    batch_size: int
    learning_rate: float
    lora: Lora
    max_tokens: int
    seed: int
    threads: int | None
    checkpoint_seconds: float
    precision: str | None  # "no" (fp32) or "bf16"; None chooses for the device
    fencing_token: int | None = None  # number of this attempt; None for a job without a server
    heartbeat_seconds: float | None = None
    reported_step: int | None = None  # reports up to here have arrived; None wants none again
    gives_way_to: Path | None = None  # while this file exists, others have the processor or GPU first
    method: str = "supervised"
    beta: float = 0.1  # of dpo
    teaching: Teaching | None = None
    quantization: str | None = None  # "4bit": the base's matrices while the adapter learns

    def fingerprint(self) -> str:
        """SHA-256 over everything that decides the weights; a checkpoint of other settings is not resumed."""
        parts: list[Any] = [str(self.base_model.resolve()), self.n_epochs, self.batch_size]
        parts += [self.learning_rate, self.lora.rank, self.lora.alpha, self.lora.dropout]
        parts += [self.max_tokens, self.seed, str(self.adapter.resolve()) if self.adapter else None]
        if self.method == "dpo":
            parts += [self.method, self.beta]
        if self.teaching:
            parts += [self.method, self.teaching.prompt, str(self.teaching.model)]
            parts += [self.teaching.on_policy_share]
        if self.quantization:
            parts += [self.quantization]
        digest = hashlib.sha256(json.dumps(parts).encode())
        digest.update(self.training_file.read_bytes())
        return digest.hexdigest()


def load_spec(path: Path) -> TrainingSpec:
    """Read a job's JSON file.

    Raises:
        ConfigError: The file is unreadable, or a value is missing or out of range; all
            problems are named at once.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON ({error}).") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold one JSON object.")
    reader = _Reader(path)
    spec = _read(values, reader)
    if reader.problems:
        raise ConfigError("\n".join(reader.problems))
    return spec


class _Reader:
    """Takes typed values out of the JSON object and collects what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []

    def number(self, values: Any, key: str, kind: Any, low: float, high: float, default: Any = None) -> Any:
        value: Any = values.get(key, default)
        if kind is float and type(value) is int:
            value = float(value)
        fits = type(value) is kind and low <= value <= high
        if not fits:
            self.problems.append(f"{self.path}: {key} is {value!r}; give a number from {low} to {high}.")
            return kind(low)
        return value

    def path_of(self, values: Any, key: str, optional: bool = False) -> Any:
        value = values.get(key)
        if value is None and optional:
            return None
        if not isinstance(value, str) or not value:
            self.problems.append(f"{self.path}: {key} is {value!r}; give a path.")
            return Path()
        return Path(value)


def _read(values: dict[str, Any], reader: _Reader) -> TrainingSpec:
    hyper = values.get("hyperparameters") or {}
    lora = values.get("lora") or {}
    if values.get("method", "supervised") not in METHODS:
        reader.problems.append(
            f"{reader.path}: method {values.get('method')!r} is not one of {', '.join(METHODS)}."
        )
    if values.get("precision") not in (None, "no", "bf16"):
        reader.problems.append(f"{reader.path}: precision {values['precision']!r} is not one of no, bf16.")
    if values.get("quantization") not in (None, "4bit"):
        reader.problems.append(f"{reader.path}: quantization {values['quantization']!r} is not 4bit.")
    return TrainingSpec(
        job_id=str(values.get("job_id", "")),
        base_model=reader.path_of(values, "base_model"),
        adapter=reader.path_of(values, "adapter", optional=True),
        training_file=reader.path_of(values, "training_file"),
        validation_file=reader.path_of(values, "validation_file", optional=True),
        output_directory=reader.path_of(values, "output_directory"),
        n_epochs=reader.number(hyper, "n_epochs", int, 1, 1000),
        batch_size=reader.number(hyper, "batch_size", int, 1, 4096),
        learning_rate=reader.number(hyper, "learning_rate", float, 1e-9, 1.0),
        lora=Lora(
            rank=reader.number(lora, "rank", int, 1, 1024, 16),
            alpha=reader.number(lora, "alpha", int, 1, 4096, 32),
            dropout=reader.number(lora, "dropout", float, 0.0, 0.9, 0.0),
        ),
        max_tokens=reader.number(values, "max_tokens", int, 8, 10_000_000, 2048),
        seed=reader.number(values, "seed", int, -(2**63), 2**63 - 1, 0),
        threads=None if values.get("threads") is None else reader.number(values, "threads", int, 1, 4096),
        checkpoint_seconds=reader.number(values, "checkpoint_seconds", float, 0.0, 1e9, 300.0),
        precision=values.get("precision"),
        **_read_attempt(values.get("attempt") or {}, reader),
        method=values.get("method", "supervised"),
        beta=reader.number(hyper, "beta", float, 1e-6, 2.0, 0.1),
        teaching=_read_teaching(values, hyper, reader),
        quantization=values.get("quantization"),
    )


def _read_teaching(values: dict[str, Any], hyper: dict[str, Any], reader: _Reader) -> Teaching | None:
    if values.get("method") != "distillation":
        return None
    given = values.get("teacher") or {}
    prompt = given.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        reader.problems.append(
            f"{reader.path}: teacher.prompt is {prompt!r}; give the teacher's system prompt."
        )
    return Teaching(
        prompt=str(prompt),
        model=reader.path_of(given, "model", optional=True),
        on_policy_share=reader.number(hyper, "on_policy_share", float, 0.0, 1.0, 0.0),
    )


def _read_attempt(values: dict[str, Any], reader: _Reader) -> dict[str, Any]:
    """What the server tells about this attempt at the job; it never decides the weights."""
    if not values:
        return {}
    return {
        "fencing_token": reader.number(values, "fencing_token", int, 1, 2**53),
        "heartbeat_seconds": reader.number(values, "heartbeat_seconds", float, 0.01, 3600.0, 10.0),
        "reported_step": reader.number(values, "reported_step", int, 0, 2**53, 0),
        "gives_way_to": reader.path_of(values, "gives_way_to", optional=True),
    }
