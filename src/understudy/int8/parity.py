"""Parity: the record that an int8 export was compared with the trained model and accepted.

Without it a folder is not served: rounded weights may say something else, and nobody would see it.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from understudy.errors import ModelError

__all__ = ["FORMAT", "PARITY", "SERVED_FILES", "Parity", "read_parity", "write_parity"]

FORMAT = "ctranslate2"
PARITY = "parity.json"
SERVED_FILES = (PARITY, "model.bin", "config.json", "vocabulary.json", "tokenizer.json")
_SCHEMA = "understudy.parity/1"


@dataclass(frozen=True)
class Parity:
    """What was compared and found.

    Attributes:
        model: The tuned model's name on the server that trained it.
        base_model: What it was tuned from.
        adapter_sha256: Of the weights that were merged.
        converter: CTranslate2's version.
        context_tokens: Longest sequence that the model was built for.
        cache_bytes_per_token: Size of keys and values of one position.
        comparison: Likelihoods and equal replies, as ``export.json`` holds them.
    """

    model: str
    base_model: str
    adapter_sha256: str
    converter: str
    context_tokens: int
    cache_bytes_per_token: int
    comparison: dict[str, Any]

    def summary(self) -> str:
        """One line for a person."""
        found = self.comparison
        return (
            f"{self.model} in int8: {found['difference']:.4f} nats per token from the trained model "
            f"(allowed were {found['allowed']:.4f}), {found['same_replies']} of {found['probes']} greedy "
            "replies equal"
        )


def write_parity(folder: Path, parity: Parity) -> None:
    """Leave the record of an accepted comparison."""
    value = {"schema": _SCHEMA, "accepted": True, **asdict(parity)}
    (folder / PARITY).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_parity(folder: Path) -> Parity:
    """The record of an export that was accepted.

    Raises:
        ModelError: There is none, it cannot be read, or a file of the model is missing.
    """
    path = folder / PARITY
    again = f"Export it again: understudy export CHARACTER --format {FORMAT}"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        accepted = value.pop("schema") == _SCHEMA and value.pop("accepted") is True
        parity = Parity(**value)
        parity.summary()
    except FileNotFoundError:
        raise ModelError(
            f"{folder}: holds no {PARITY}, so it was never shown to say what the trained model says. {again}"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: is not the record of a comparison ({error}). {again}") from error
    if not accepted:
        raise ModelError(f"{path}: says that the comparison was not passed. {again}")
    missing = [name for name in SERVED_FILES if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder}: lacks {', '.join(missing)}. {again}")
    return parity
