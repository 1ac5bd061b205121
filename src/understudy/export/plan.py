"""Plan: from a character's run to the specification of its export."""

import json
import re
from pathlib import Path
from typing import Any

from understudy.character import load_character
from understudy.dataset.manifest import split_path
from understudy.dataset.recipe import SPLITS
from understudy.errors import ConfigError, DatasetError
from understudy.evaluation.verdict import load_verdict
from understudy.export.spec import FORMATS, GGUF_TYPES, ExportSpec
from understudy.folder import CharacterFolder, typed

__all__ = ["plan_export", "slug"]

PROBES = 12
CHAT_TEMPERATURE = 0.3  # that of ``understudy chat``


def plan_export(
    folder: CharacterFolder,
    run: Path,
    weights: dict[str, Any],
    *,
    formats: tuple[str, ...] = ("adapter", "merged"),
    output: Path | None = None,
    gguf_type: str = "f16",
    temperature: float = CHAT_TEMPERATURE,
    threads: int | None = None,
) -> ExportSpec:
    """Settle what is exported, where to, and which held-out conversations it is checked with.

    Args:
        weights: ``model``, ``base_model``, ``base`` and ``adapter`` of the tuned model.
        output: Default: ``export`` in the run's folder.

    Raises:
        ConfigError: A format or number type is unknown.
        DatasetError: There is no conversation to check with.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ConfigError(f"--format {', '.join(unknown) or 'nothing'}: give {', '.join(FORMATS)}.")
    if gguf_type not in GGUF_TYPES:
        raise ConfigError(f"--gguf-type {gguf_type}: give one of {', '.join(GGUF_TYPES)}.")
    character = load_character(folder.character)
    config = _read(run / "config.json")
    card = {
        "character": character.name,
        "rights": character.policies.rights,
        "verdict": load_verdict(run),
        "training": _training(config, _read(run / "job.json")),
    }
    return ExportSpec(
        model=weights["model"],
        slug=slug(character.name),
        base_model=weights["base_model"],
        base=Path(weights["base"]),
        adapter=Path(weights["adapter"]),
        output=(output or run / "export").resolve(),
        formats=formats,
        gguf_type=gguf_type,
        identity_prompt=character.identity_prompt,
        temperature=temperature,
        probes=_probes(folder),
        card=card,
        threads=threads,
    )


def slug(name: str) -> str:
    """A character's name for files: lower case, letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "character"


def _training(config: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    numbers = config.get("hyperparameters") or {}
    return {
        "method": config.get("method"),
        "examples": config.get("examples"),
        "trained_tokens": job.get("trained_tokens"),
        "seconds": job.get("seconds"),
        "seed": config.get("seed"),
        **numbers,
    }


def _probes(folder: CharacterFolder) -> list[list[dict[str, Any]]]:
    """The first held-out conversations, each up to its first reply that is learned."""
    probes = []
    for split in SPLITS[1:]:
        path = split_path(folder, split)
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8-sig").splitlines():
            found = _to_first_reply(json.loads(line)["messages"]) if line.strip() else []
            if found:
                probes.append(found)
    if not probes:
        raise DatasetError(
            f"{folder.dataset}: holds no held-out conversation to check an export with. Build the dataset: "
            f"understudy build {typed(folder.root)}"
        )
    return probes[:: max(1, len(probes) // PROBES)][:PROBES]


def _to_first_reply(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for position, message in enumerate(messages):
        if message["role"] == "assistant" and message.get("weight", 1) != 0 and message.get("content"):
            return [{key: m[key] for key in ("role", "content")} for m in messages[: position + 1]]
    return []


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
