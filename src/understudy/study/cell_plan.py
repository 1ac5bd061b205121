"""Cell plan: what the training of a cell will be, settled before anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from understudy.errors import ConfigError
from understudy.study.budget import Schedule, schedule
from understudy.study.cell import Cell
from understudy.study.material import CellExamples, Material, cell_examples

__all__ = ["CellPlan", "Stage", "Terms", "plan_cell", "plan_cells"]

# Of a cell that goes on with preferences: this share of what it learns comes from them.
PREFERENCE_SHARE = 0.25
FEWEST_PAIRS = 10  # what the fine-tuning API takes


@dataclass(frozen=True)
class Terms:
    """On what terms cells are compared.

    steps, batch_size: Of the baseline. equal: ``learned_tokens`` gives every cell as many learned tokens as
    the baseline sees, ``steps`` as many optimiser steps. teacher: Of distillation, a base model; ``None`` is
    the one that is trained, under the long prompt.
    """

    steps: int = 200
    batch_size: int = 8
    equal: Literal["learned_tokens", "steps"] = "steps"
    teacher: str | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or not 1 <= self.batch_size <= 256:
            raise ConfigError("steps must be 1 or more, and batch_size from 1 to 256.")


@dataclass(frozen=True)
class Stage:
    """One training job of a cell. ``examples``: rows of its file, or pairs of replies."""

    method: Literal["supervised", "dpo", "distillation"]
    examples: int
    schedule: Schedule


@dataclass(frozen=True)
class CellPlan:
    """A cell with its jobs.

    ``tokens`` are those that its jobs read and ``learned_tokens`` those that they learn, over all passes, as
    OpenAI counts.
    """

    cell: Cell
    stages: tuple[Stage, ...]
    examples: CellExamples
    tokens: int
    learned_tokens: int
    terms: Terms = field(default_factory=Terms)

    @property
    def steps(self) -> int:
        return sum(stage.schedule.steps for stage in self.stages)


def plan_cells(material: Material, cells: Sequence[Cell], baseline: Cell, terms: Terms) -> list[CellPlan]:
    """Plan every cell on the terms of the baseline.

    Raises:
        ConfigError: Cells that cannot be trained on these terms; all are named.
    """
    reference = _each(cell_examples(material, baseline), "learned_tokens")
    learned = terms.steps * terms.batch_size * reference
    plans, problems = [], []
    for cell in cells:
        try:
            plans.append(plan_cell(material, cell, terms, learned))
        except ConfigError as error:
            problems.append(f"{cell.name}: {error}")
    if problems:
        raise ConfigError("\n".join(problems))
    return plans


def plan_cell(material: Material, cell: Cell, terms: Terms, learned_tokens: float) -> CellPlan:
    """Plan one cell.

    Args:
        learned_tokens: What it should learn in all, where terms are equal in learned tokens.

    Raises:
        ConfigError: The terms do not show every example once, or there is nothing to show.
    """
    examples = cell_examples(material, cell)
    if not examples.rows:
        raise ConfigError("no dialogue is left to learn from.")
    each = _each(examples, "learned_tokens")
    share = 1 - PREFERENCE_SHARE if cell.method == "sft+dpo" else 1.0
    steps = terms.steps * share
    if terms.equal == "learned_tokens":
        steps = share * learned_tokens / (terms.batch_size * each)
    first = schedule(len(examples.rows), terms.batch_size, max(1, round(steps)))
    method: Literal["supervised", "distillation"] = (
        "distillation" if cell.method == "distillation" else "supervised"
    )
    stages = [Stage(method, len(examples.rows), first)]
    shown = first.steps * terms.batch_size
    tokens, learned = shown * _each(examples, "tokens"), shown * each
    if cell.method == "sft+dpo":
        stages.append(_preference_stage(examples, terms, learned_tokens, each))
        pairs = stages[-1].schedule.steps * terms.batch_size
        # A pair is read twice, with either reply.
        tokens += 2 * pairs * _each(examples, "tokens")
        learned += 2 * pairs * each
    return CellPlan(cell, tuple(stages), examples, round(tokens), round(learned), terms)


def _preference_stage(examples: CellExamples, terms: Terms, learned_tokens: float, each: float) -> Stage:
    """The second job: two replies are learned of each pair, one towards and one away."""
    steps = terms.steps * PREFERENCE_SHARE
    if terms.equal == "learned_tokens":
        steps = PREFERENCE_SHARE * learned_tokens / (2 * terms.batch_size * each)
    steps = max(2, round(steps))
    pairs = max(FEWEST_PAIRS, min(len(examples.rows), steps * terms.batch_size))
    return Stage("dpo", pairs, schedule(pairs, terms.batch_size, steps))


def _each(examples: CellExamples, what: Literal["tokens", "learned_tokens"]) -> float:
    """Tokens of an example, on average."""
    return max(1.0, getattr(examples, what) / max(1, len(examples.rows)))
