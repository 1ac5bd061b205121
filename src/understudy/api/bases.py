"""Bases: from a base model's name to its directory, and how each likes to be trained."""

import functools
import hashlib
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from understudy.errors import ModelError

__all__ = [
    "Base",
    "TrainingAdvice",
    "advice",
    "cached_base",
    "check_available",
    "find_base",
    "fingerprint_base",
    "recommended_hyperparameters",
    "resolve_base",
]

MINIATURES = {"understudy/mini": "mini", "understudy/mini-star": "mini-star"}
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
HUB_TIMEOUT_SECONDS = 5.0
FINGERPRINT_BYTES = 1 << 20
LONGEST_NAME = 1024
# Weights and text files only: nothing that holds code or pickles.
HUB_PATTERNS = ["*.safetensors", "*.json", "*.jinja"]


@dataclass(frozen=True)
class Base:
    """A base model that was asked for.

    Attributes:
        name: As it appears in model names and job objects.
        source: What is really loaded: a miniature's name, a directory, or a hub name.
        kind: ``miniature``, ``directory`` or ``hub``.
        stands_in: True where a local base answers to one of OpenAI's names.
    """

    name: str
    source: str
    kind: str
    stands_in: bool = False


@dataclass(frozen=True)
class TrainingAdvice:
    """How a base model likes to be trained (one row of ``bases.yaml``)."""

    base_learning_rate: float
    automatic: dict[str, Any]
    recommended: dict[str, Any]
    dpo: dict[str, Any]
    reason: str


@functools.cache
def _table() -> dict[str, Any]:
    text = files("understudy.api").joinpath("bases.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def advice(source: str) -> TrainingAdvice:
    """The row of ``bases.yaml`` for what is really loaded."""
    row = next(row for row in _table()["rows"] if fnmatch(source, row["match"]))
    return TrainingAdvice(
        float(row["base_learning_rate"]),
        row["automatic"],
        row["recommended"],
        row["dpo"],
        row["reason"].strip(),
    )


def recommended_hyperparameters(source: str, examples: int, method: str = "supervised") -> dict[str, Any]:
    """What our client sends for a base model, this many examples and a method."""
    epochs = max(1, min(10, round(10_000 / max(1, examples))))
    row = advice(source)
    return {"n_epochs": epochs, **row.recommended, **(row.dpo if method == "dpo" else {})}


def find_base(name: str, default: str) -> Base:
    """Say what a name means, without loading or asking the network.

    Args:
        default: What stands in for OpenAI's names.

    Raises:
        ModelError: The name cannot be a base model; the message says what can.
    """
    openai_names = _table()["openai_names"]
    if name in openai_names:
        if default in openai_names:
            raise ModelError(f"{default}: is a hosted model. Choose a local one with --base.")
        return replace(find_base(default, default), name=openai_names[name], stands_in=True)
    if name in MINIATURES:
        return Base(name, name, "miniature")
    directory = _directory(name)
    if directory.is_dir() and (directory / "config.json").is_file():
        return Base(_slug(directory.resolve().name), str(directory.resolve()), "directory")
    if directory.is_absolute() or name.startswith((".", "~")) or directory.is_dir():
        raise ModelError(f"{name}: is not a model directory (it holds no config.json).")
    if HUB_NAME.fullmatch(name):
        return Base(name, name, "hub")
    raise ModelError(
        f"The model `{name}` is not known here. Use understudy/mini, the path of a model directory on the "
        "server's machine, a hub name such as Qwen/Qwen3-0.6B, or one of OpenAI's fine-tunable names."
    )


def _directory(name: str) -> Path:
    """A name as a path.

    Raises:
        ModelError: It can be none.
    """
    try:
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise ValueError("it is too long or holds characters that no name has")
        directory = Path(name).expanduser()
        directory.is_dir()
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"The model `{name[:80]!r}` cannot be a model's name ({error}).") from error
    return directory


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"


def resolve_base(name: str, default: str = "understudy/mini") -> Path:
    """The directory of a base model; a hub model is downloaded the first time.

    Raises:
        ModelError: It is unknown, not installed, or cannot be reached.
    """
    base = find_base(name, default)
    if base.kind == "miniature":
        return _miniature(base.source)
    if base.kind == "directory":
        return Path(base.source)
    return cached_base(base.source) or _download(base.source)


def fingerprint_base(directory: Path) -> str:
    """Tell a base model's weights from other weights: sizes, beginnings and ends of its files.

    Quick also for very large models; enough to notice that a model was trained anew or replaced.
    """
    digest = hashlib.sha256()
    for path in sorted(directory.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}".encode())
        with open(path, "rb") as file:
            digest.update(file.read(FINGERPRINT_BYTES))
            file.seek(max(0, size - FINGERPRINT_BYTES))
            digest.update(file.read(FINGERPRINT_BYTES))
    return digest.hexdigest()


def check_available(base: Base) -> None:
    """Refuse quickly what ``resolve_base`` could not deliver; nothing large is downloaded.

    Raises:
        ModelError: It is not installed, unknown to the hub, or the hub cannot be reached.
    """
    if base.kind == "miniature":
        _miniature(base.source)
    elif base.kind == "hub" and cached_base(base.source) is None:
        _ask_hub(base.source)


def _miniature(name: str) -> Path:
    try:
        from understudy_miniatures import path
    except ImportError:
        raise ModelError(
            f"{name}: the embedded models are not installed. Install them: pip install 'understudy[local]'"
        ) from None
    try:
        return Path(path(MINIATURES[name]))
    except (OSError, LookupError, ValueError) as error:
        raise ModelError(
            f"{name}: the installed understudy-miniatures does not hold it ({error}). "
            "Install it anew: pip install --force-reinstall understudy-miniatures"
        ) from error


def cached_base(name: str) -> Path | None:
    """The complete local copy of a hub model, if there is one."""
    from huggingface_hub import snapshot_download

    try:
        directory = Path(snapshot_download(name, local_files_only=True, allow_patterns=HUB_PATTERNS))
    except Exception:  # The hub's client has many ways to say "not here".
        return None
    complete = (directory / "config.json").is_file() and any(directory.glob("*.safetensors"))
    return directory if complete else None


def _ask_hub(name: str) -> None:
    """Whether the hub has the model, in a few seconds."""
    from huggingface_hub import model_info
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        info = model_info(name, timeout=HUB_TIMEOUT_SECONDS)
    except GatedRepoError as error:
        raise ModelError(
            f"{name}: its owner asks for agreement first. Accept the terms on its hub page and sign in "
            "with: hf auth login"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"{name}: the model hub has no such public model. Check the spelling.") from error
    except Exception as error:
        raise ModelError(
            f"{name}: is not on this machine, and the model hub cannot be reached ({type(error).__name__}). "
            "Connect to the network, give the path of a model directory, or use understudy/mini."
        ) from error
    if not any(str(file.rfilename).endswith(".safetensors") for file in info.siblings or []):
        raise ModelError(
            f"{name}: offers no safetensors weights, and pickled ones are not loaded. Choose another copy."
        )


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download

    _ask_hub(name)
    try:
        directory = snapshot_download(name, allow_patterns=HUB_PATTERNS, etag_timeout=HUB_TIMEOUT_SECONDS)
    except OSError:
        raise
    except Exception as error:
        raise ModelError(
            f"{name}: the download broke off ({type(error).__name__}). Try again; what arrived is kept."
        ) from error
    return Path(directory)
