"""Run cells: one after the other on one device, or spread over several; the rest goes on where one fails."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from understudy.errors import UnderstudyError
from understudy.folder import alone
from understudy.study.cell_plan import CellPlan
from understudy.study.measurement import Measurement
from understudy.study.pace import Pace
from understudy.study.site import Site

if TYPE_CHECKING:
    from understudy.evaluation.replies import Progress

__all__ = ["Listener", "Measured", "run_cells"]


class Listener:
    """Hears how a study goes. This one keeps silent; the command line's prints."""

    def waiting(self) -> None:
        """Another process works on the same study."""

    def cell(self, number: int, total: int, plan: CellPlan, seconds_left: float | None) -> None:
        """A cell begins."""

    def skipped(self, number: int, total: int, plan: CellPlan) -> None:
        """A cell was measured before."""

    def done(self, plan: CellPlan, measurement: Measurement) -> None:
        """A cell is measured."""

    def failed(self, plan: CellPlan, error: UnderstudyError) -> None:
        """A cell could not be measured."""

    def event(self, event: dict[str, Any]) -> None:
        """An event of a training job."""

    def progress(self, progress: Progress) -> None:
        """How far the asking is."""


@dataclass
class Measured:
    """What is known after a run. ``failed`` holds the reasons by name of cell."""

    cells: dict[str, Measurement] = field(default_factory=dict)
    untuned: dict[str, Measurement] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    probes: dict[str, Any] = field(default_factory=dict)


def run_cells(
    site: Site, plans: Sequence[CellPlan], listener: Listener | None = None, *, workers: int = 1
) -> Measured:
    """Measure every cell that was not measured before, and the untuned bases.

    A cell that fails is told to the listener, and the others go on; a second run tries it again.

    Args:
        workers: Processes that train at the same time, through Ray; 1 needs no Ray.

    Raises:
        EvaluationError: Nothing can be measured at all.
        ProviderError: The provider does not answer.
        MissingExtraError: More workers than one, and Ray is not installed.
    """
    hears = listener or Listener()
    if workers > 1:
        from understudy.study.parallel import require_ray

        require_ray()
    site.place.mkdir(parents=True, exist_ok=True)
    with alone(site.place, hears.waiting):
        bench = site.open_bench(hears.progress)
        result = Measured(settings=bench.settings.as_dict(), probes=_describe(bench))
        for base in dict.fromkeys(plan.cell.base for plan in plans):
            result.untuned[base] = site.measure_untuned(bench, base, hears.progress)
        missing = []
        for number, plan in enumerate(plans, 1):
            if found := site.found(bench, plan):
                result.cells[plan.cell.name] = found
                hears.skipped(number, len(plans), plan)
            else:
                missing.append((number, plan))
        pace = Pace.of([(plan, result.cells.get(plan.cell.name)) for plan in plans])
        if workers > 1:
            from understudy.study.parallel import run_parallel

            run_parallel(site, missing, len(plans), workers, pace, result, hears)
        else:
            _run_in_turn(site, bench, missing, len(plans), pace, result, hears)
    return result


def _describe(bench: Any) -> dict[str, Any]:
    return {
        "counts": bench.probes.counts(),
        "sha256": bench.probes.sha256(),
        "notes": list(bench.probes.notes),
    }


def _run_in_turn(
    site: Site,
    bench: Any,
    missing: Sequence[tuple[int, CellPlan]],
    total: int,
    pace: Pace,
    result: Measured,
    hears: Listener,
) -> None:
    for place, (number, plan) in enumerate(missing):
        hears.cell(number, total, plan, pace.seconds([left for _, left in missing[place:]]))
        began = time.monotonic()
        try:
            measurement = site.measure_cell(bench, plan, hears.event, hears.progress)
        except UnderstudyError as error:
            result.failed[plan.cell.name] = str(error)
            hears.failed(plan, error)
            continue
        result.cells[plan.cell.name] = measurement
        pace.note(plan, time.monotonic() - began)
        hears.done(plan, measurement)
