"""Data only: the folders of the miniature models, to be loaded with transformers or Understudy.

AutoModelForCausalLM.from_pretrained(understudy_miniatures.path("mini"))
"""

from pathlib import Path

__all__ = ["names", "path"]

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The models in this package."""
    return sorted(entry.parent.name for entry in FOLDER.glob("*/config.json"))


def path(name: str) -> Path:
    """The folder of the model ``name``, with its weights, configuration, tokenizer and card.

    Raises:
        FileNotFoundError: There is no such model; the message names those that there are.
    """
    folder = FOLDER / name
    if "/" in name or not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"There is no miniature model {name!r}. There are: {', '.join(names()) or 'none'}."
        )
    return folder
