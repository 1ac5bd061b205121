"""Cell: one way to train the character, as a row of a study."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from understudy.dataset.recipe import Shape, SystemPrompt
from understudy.errors import ConfigError

__all__ = ["ALL", "FACTORS", "Cell", "Method", "Protective", "base_slug", "describe_level"]

Method = Literal["sft", "sft+dpo", "distillation"]
# with: as the dialogues are. without: no sincere question, danger, attempt to break the role, other world.
# without_identity: nor any question about who the character is.
Protective = Literal["with", "without", "without_identity"]
ALL = "all"

LEVELS: dict[str, tuple[str, ...]] = {
    "system_prompt": get_args(SystemPrompt),
    "shape": get_args(Shape),
    "protective": get_args(Protective),
    "method": get_args(Method),
}
_WORDS = {
    ("protective", "with"): "protective examples as they are",
    ("protective", "without"): "no protective examples",
    ("protective", "without_identity"): "neither protective nor identity examples",
    ("method", "sft"): "supervised",
    ("method", "sft+dpo"): "supervised, then preferences (DPO)",
    ("method", "distillation"): "distillation",
}


@dataclass(frozen=True)
class Cell:
    """One way to train.

    system_prompt, shape: As in a recipe. protective: Which dialogues that keep the role are left in.
    examples: Dialogues that are drawn, or ``"all"``. base: The base model. seed: Decides which dialogues
    are drawn and the order of training.
    """

    system_prompt: str = "mix"
    shape: str = "conversations"
    protective: str = "with"
    examples: int | str = ALL
    method: str = "sft"
    base: str = "understudy/mini"
    seed: int = 1

    def __post_init__(self) -> None:
        problems = [
            f"{factor} {getattr(self, factor)!r} is not one of {', '.join(levels)}"
            for factor, levels in LEVELS.items()
            if getattr(self, factor) not in levels
        ]
        if self.examples != ALL and (not isinstance(self.examples, int) or self.examples < 1):
            problems.append(f"examples {self.examples!r} is neither a number above 0 nor {ALL!r}")
        if problems:
            raise ConfigError("; ".join(problems) + ".")

    @property
    def name(self) -> str:
        """Name of its folder: every factor and the seed, in letters that a file system takes."""
        parts = [getattr(self, factor) for factor in FACTORS if factor != "base"]
        return "-".join([*map(str, parts), base_slug(self.base), f"seed{self.seed}"])

    def with_levels(self, **levels: Any) -> "Cell":
        """The same cell with other levels of some factors."""
        return replace(self, **levels)

    def factors(self) -> dict[str, Any]:
        """The levels that tell cells apart; the seed only repeats one."""
        return {factor: getattr(self, factor) for factor in FACTORS}

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Cell":
        """What ``as_dict`` wrote."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})


FACTORS = tuple(field.name for field in fields(Cell) if field.name != "seed")


def describe_level(factor: str, level: Any) -> str:
    """A level as a person reads it."""
    if factor == "system_prompt":
        return "no system prompt" if level == "none" else f"system prompt {level}"
    if factor == "examples":
        return f"{level} dialogues" if level != ALL else "all dialogues"
    return _WORDS.get((factor, level), str(level))


def base_slug(base: str) -> str:
    """The base in a folder's name; a checksum tells directories of the same name apart."""
    end = re.sub(r"[^A-Za-z0-9.]+", "_", base.rstrip("/").rsplit("/", 1)[-1]).strip("_.") or "base"
    if base == f"understudy/{end}":
        return end
    return f"{end[:40]}_{hashlib.sha256(base.encode()).hexdigest()[:6]}"
