"""Design: the cells of a study, the baseline first."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from understudy.errors import ConfigError
from understudy.study.cell import ALL, FACTORS, Cell, describe_level
from understudy.study.cell_plan import CellPlan, Terms, plan_cells
from understudy.study.material import Material, cell_dialogues
from understudy.study.study_file import StudyFile

__all__ = ["Row", "StudyPlan", "plan_study"]

MOST_CELLS = 5_000


@dataclass(frozen=True)
class Row:
    """One way to train, in all its seeds. ``changed``: the factors that differ from the baseline."""

    changed: dict[str, Any]
    plans: tuple[CellPlan, ...]

    @property
    def cell(self) -> Cell:
        return self.plans[0].cell

    @property
    def title(self) -> str:
        """What differs, as a person reads it."""
        if not self.changed:
            return "baseline"
        return ", ".join(describe_level(factor, level) for factor, level in self.changed.items())


@dataclass(frozen=True)
class StudyPlan:
    """All rows, the baseline first, and what was asked for and cannot be."""

    rows: tuple[Row, ...]
    terms: Terms
    seeds: tuple[int, ...]
    left_out: tuple[str, ...] = ()

    @property
    def cells(self) -> list[CellPlan]:
        """Every cell, all rows of the first seed before the second: a stopped study is whole so far."""
        return [row.plans[place] for place in range(len(self.seeds)) for row in self.rows]

    def single(self, factor: str) -> list[Row]:
        """Rows that differ from the baseline in this factor alone."""
        return [row for row in self.rows if set(row.changed) == {factor}]


def plan_study(material: Material, study: StudyFile, *, full_factorial: bool = False) -> StudyPlan:
    """Settle the cells: one factor at a time around the baseline and the named interactions, or all of them.

    Sizes beyond the dialogues that there are become all of them.

    Raises:
        ConfigError: A cell cannot be trained on these terms, or there are far too many.
    """
    left_out: list[str] = []
    baseline = study.baseline_cell(study.seeds[0])
    wanted = _all_combinations(study) if full_factorial else _one_at_a_time(study)
    if len(wanted) * len(study.seeds) > MOST_CELLS:
        raise ConfigError(
            f"These are {len(wanted) * len(study.seeds):,} cells, more than {MOST_CELLS:,}. Name fewer "
            "levels."
        )
    fitted = [_fitted(material, baseline.with_levels(**levels), left_out) for levels in ({}, *wanted)]
    first = fitted[0]
    ways: dict[Cell, dict[str, Any]] = {}
    for cell in fitted:
        changed = {f: getattr(cell, f) for f in FACTORS if getattr(cell, f) != getattr(first, f)}
        ways.setdefault(cell, changed)
    cells = [cell.with_levels(seed=seed) for cell in ways for seed in study.seeds]
    plans = plan_cells(material, cells, first, study.terms())
    step = len(study.seeds)
    rows = [
        Row(changed, tuple(plans[place * step : (place + 1) * step]))
        for place, changed in enumerate(ways.values())
    ]
    if len(rows) < 2:
        raise ConfigError(f"Nothing is left to compare with the baseline: {'; '.join(left_out)}.")
    return StudyPlan(tuple(rows), study.terms(), tuple(study.seeds), tuple(dict.fromkeys(left_out)))


def _one_at_a_time(study: StudyFile) -> list[dict[str, Any]]:
    singles = [{factor: level} for factor, level in study.levels_to_compare()]
    together = [part.model_dump(exclude_none=True) for part in study.also]
    return [*singles, *(levels for levels in together if levels)]


def _all_combinations(study: StudyFile) -> list[dict[str, Any]]:
    levels = [
        list(dict.fromkeys([getattr(study.baseline, factor), *getattr(study.factors, factor)]))
        for factor in FACTORS
    ]
    count = 1
    for found in levels:
        count *= len(found)
    if count > MOST_CELLS:
        raise ConfigError(
            f"All combinations are {count:,} cells, more than {MOST_CELLS:,}. Name fewer levels."
        )
    return [dict(zip(FACTORS, combination, strict=True)) for combination in product(*levels)]


def _fitted(material: Material, cell: Cell, left_out: list[str]) -> Cell:
    """The cell with as many dialogues as there are."""
    if cell.examples == ALL:
        return cell
    there = len(cell_dialogues(material, cell.with_levels(examples=ALL)))
    if int(cell.examples) <= there:
        return cell
    kind = "" if cell.protective == "with" else f" {describe_level('protective', cell.protective)}"
    left_out.append(
        f"{cell.examples:,} dialogues{kind}: there are {there:,} to train on, and all are taken instead"
    )
    return cell.with_levels(examples=ALL)


def count_factors(rows: Sequence[Row]) -> dict[str, int]:
    """How many levels each factor has in these rows."""
    return {factor: len({getattr(row.cell, factor) for row in rows}) for factor in FACTORS}
