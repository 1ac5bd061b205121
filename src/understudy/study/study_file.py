"""Study file: ``study.yaml``, what is compared with what, made to be read and edited by a person."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from understudy.atomic import write_text
from understudy.dataset.recipe import Shape, SystemPrompt
from understudy.errors import ConfigError
from understudy.folder import CharacterFolder, typed
from understudy.study.cell import FACTORS, Cell, Method, Protective
from understudy.study.cell_plan import Terms
from understudy.yamlfile import parse_yaml

__all__ = ["StudyFile", "load_study_file", "study_file_path", "usual_study_file", "write_study_file"]

Count = Annotated[int, Field(ge=10, le=1_000_000)] | Literal["all"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Baseline(_Part):
    """The cell that every other one is compared with."""

    system_prompt: SystemPrompt = "mix"
    shape: Shape = "conversations"
    protective: Protective = "with"
    examples: Count = 200
    method: Method = "sft"
    base: str = "understudy/mini"


class Factors(_Part):
    """Levels of each factor; those of the baseline need not be repeated."""

    system_prompt: list[SystemPrompt] = ["none", "identity", "full", "mix"]
    shape: list[Shape] = ["pairs", "conversations"]
    protective: list[Protective] = ["with", "without", "without_identity"]
    examples: list[Count] = [50, 100, 200, 400, 800]
    method: list[Method] = ["sft", "sft+dpo", "distillation"]
    base: list[str] = []


class Interaction(_Part):
    """A cell in which several factors differ from the baseline; what is not named is the baseline's."""

    system_prompt: SystemPrompt | None = None
    shape: Shape | None = None
    protective: Protective | None = None
    examples: Count | None = None
    method: Method | None = None
    base: str | None = None


class StudyFile(_Part):
    """The whole file."""

    baseline: Baseline = Baseline()
    factors: Factors = Factors()
    also: list[Interaction] = [
        Interaction(system_prompt="identity", shape="pairs"),
        Interaction(examples=50, protective="without"),
    ]
    seeds: Annotated[list[Annotated[int, Field(ge=0, le=2**31 - 1)]], Field(min_length=1)] = [1, 2, 3]
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 120
    batch_size: Annotated[int, Field(ge=1, le=256)] = 8
    equal: Literal["learned_tokens", "steps"] = "learned_tokens"
    teacher: str | None = None
    evaluation: Literal["quick", "full"] = "quick"

    @field_validator("seeds")
    @classmethod
    def _once(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("names a seed twice")
        return seeds

    @model_validator(mode="after")
    def _some_comparison(self) -> "StudyFile":
        if len(self.levels_to_compare()) == 0 and not self.also:
            raise ValueError("nothing differs from the baseline; name other levels under factors")
        return self

    def levels_to_compare(self) -> list[tuple[str, Any]]:
        """Every factor with every level that is not the baseline's."""
        return [
            (factor, level)
            for factor in FACTORS
            for level in dict.fromkeys(getattr(self.factors, factor))
            if level != getattr(self.baseline, factor)
        ]

    def baseline_cell(self, seed: int = 1) -> Cell:
        """The baseline as a cell."""
        return Cell(**self.baseline.model_dump(), seed=seed)

    def terms(self) -> Terms:
        """On what terms cells are compared."""
        return Terms(self.steps, self.batch_size, self.equal, self.teacher)


def study_file_path(folder: CharacterFolder) -> Path:
    """``study.yaml`` in the character's folder."""
    return folder.root / "study.yaml"


def load_study_file(path: Path, folder: CharacterFolder) -> StudyFile:
    """Read a study file.

    Raises:
        ConfigError: It is missing or does not fit; all problems are named, each with its line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file. Write the usual one with: understudy study {typed(folder.root)} --plan"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    return parse_yaml(text, str(path), StudyFile, ConfigError, "'baseline:' and 'factors:'")


def usual_study_file(base: str) -> StudyFile:
    """What is studied where nobody says otherwise."""
    return StudyFile(baseline=Baseline(base=base))


def write_study_file(path: Path, base: str) -> None:
    """Write the usual study file with a comment at each key."""
    write_text(path, USUAL.replace("BASE", base))


USUAL = """\
# What `understudy study` compares. Edit it, look at the plan (--plan), then run it.
# A cell is one way to train. The baseline is compared with cells that differ from it in one factor each.

baseline:
  system_prompt: mix        # none, identity, paraphrases, full, mix (mostly identity, some without)
  shape: conversations      # conversations, pairs, windows
  protective: with          # with, without (no sincere questions, danger, attempts to break the role, other
                            # worlds), without_identity (nor questions about who the character is)
  examples: 200             # dialogues, drawn by category; or all
  method: sft               # sft, sft+dpo (a quarter of the tokens as preferences), distillation
  base: BASE

factors:                    # levels to compare; leave a line out, or empty, to leave the factor out
  system_prompt: [none, identity, full, mix]
  shape: [pairs, conversations]
  protective: [with, without, without_identity]
  examples: [50, 100, 200, 400, 800]
  method: [sft, sft+dpo, distillation]
  base: []

also:                       # cells in which several factors differ: do two changes help each other?
  - {system_prompt: identity, shape: pairs}
  - {examples: 50, protective: without}

seeds: [1, 2, 3]            # repeat every cell; a difference needs them to agree. One shows little
steps: 120                  # optimiser steps of the baseline
batch_size: 8
equal: learned_tokens       # every cell learns as many tokens as the baseline; or: steps
teacher:                    # of distillation; empty: the base itself under the long prompt
evaluation: quick           # quick or full
"""
