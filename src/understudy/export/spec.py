"""Spec: what one export is told, as its JSON file holds it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from understudy.atomic import write_json
from understudy.errors import ConfigError

__all__ = ["FORMATS", "GGUF_TYPES", "ExportSpec", "load_spec", "save_spec"]

FORMATS = ("adapter", "merged", "gguf", "ctranslate2")
GGUF_TYPES = ("f16", "f32", "q8_0")


@dataclass(frozen=True)
class ExportSpec:
    """One export.

    Attributes:
        model: The tuned model's name; ``slug`` is what files and served names are called.
        base_model: The base by the name that others know; ``base`` is its directory.
        adapter: Directory in PEFT's layout.
        output: Holds one folder for each format, and ``export.json``.
        gguf_type: Number format of a GGUF file's matrices.
        probes: Conversations that end with a reply, whose likelihood is compared.
        card: What the model card tells besides what the export itself finds.
    """

    model: str
    slug: str
    base_model: str
    base: Path
    adapter: Path
    output: Path
    formats: tuple[str, ...]
    gguf_type: str
    identity_prompt: str
    temperature: float
    probes: list[list[dict[str, Any]]]
    card: dict[str, Any]
    threads: int | None = None


def save_spec(path: Path, spec: ExportSpec) -> None:
    """Write a spec for the process."""
    write_json(path, json.loads(json.dumps(asdict(spec), default=str)))


def load_spec(path: Path) -> ExportSpec:
    """Read what ``save_spec`` wrote.

    Raises:
        ConfigError: The file is unreadable, or a value is missing.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        paths = {key: Path(values[key]) for key in ("base", "adapter", "output")}
        return ExportSpec(**{**values, **paths, "formats": tuple(values["formats"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: is not the specification of an export ({error}).") from error
