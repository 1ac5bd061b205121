"""Site: where a study lies, and everything that its cells share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy import __version__
from understudy.folder import CharacterFolder
from understudy.study.cell import base_slug
from understudy.study.cell_folder import write_cell
from understudy.study.cell_plan import CellPlan
from understudy.study.cell_training import train_cell
from understudy.study.material import Material, load_material
from understudy.study.measurement import Measurement, load_measurement, save_measurement

if TYPE_CHECKING:
    from understudy.client.provider import Provider
    from understudy.evaluation import OpenAIConnection
    from understudy.evaluation.replies import Progress
    from understudy.study.measuring import Bench

__all__ = ["Site"]

Report = Callable[["Progress"], None]
EventHandler = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Site:
    """A study's folder with the character it is about and the provider that trains and answers.

    place: The study's own folder, below the character's. base: Whose plain answers style is told from.
    """

    folder: CharacterFolder
    place: Path
    provider: Provider
    base: str
    quick: bool = True
    concurrency: int = 16

    @cached_property
    def material(self) -> Material:
        """The dialogues by side; read once."""
        return load_material(self.folder)

    def connect(self) -> OpenAIConnection:
        """A connection of its own for each round of requests: clients do not outlive an event loop.

        Whoever takes it closes it.
        """
        from understudy.client import connect_async
        from understudy.evaluation import OpenAIConnection

        # What is measured is the model, not what the server does around it.
        client = connect_async(self.provider).with_options(default_headers={"x-understudy-policies": "off"})
        return OpenAIConnection(client)

    def open_bench(self, report: Report = lambda progress: None) -> Bench:
        """Probes and yardsticks of this study."""
        from understudy.study.measuring import open_bench, study_settings

        settings = study_settings(self.material, quick=self.quick, concurrency=self.concurrency)
        return open_bench(self.material, self.place, self.connect, self.base, settings, report)

    def found(self, bench: Bench, plan: CellPlan) -> Measurement | None:
        """What was measured of a cell on these terms, if it was."""
        return load_measurement(self.place / plan.cell.name, self._fingerprint(bench, plan))

    def measure_cell(
        self,
        bench: Bench,
        plan: CellPlan,
        on_event: EventHandler = lambda event: None,
        report: Report = lambda progress: None,
    ) -> Measurement:
        """Train and measure a cell, or go on where that was stopped; what is done is not done again.

        Raises:
            TrainingError, ProviderError, DatasetError, EvaluationError: It failed; others may not.
        """
        from understudy.client import connect
        from understudy.study.measuring import arms_of

        if found := self.found(bench, plan):
            return found
        place = self.place / plan.cell.name
        cell = write_cell(self.folder, place, plan)
        with connect(self.provider) as client:
            trained = train_cell(cell, plan, self.provider, client, self.connect, on_event)
        began = time.monotonic()
        arms = arms_of(self.material, trained.model, plan.cell.base, _prompts(plan.cell.system_prompt))
        measures = bench.measure(arms, place, report)
        measurement = Measurement(
            name=plan.cell.name,
            fingerprint=self._fingerprint(bench, plan),
            arms=measures.arms,
            by_turn=measures.by_turn,
            training=list(trained.jobs),
            seconds={"training": trained.seconds, "evaluation": round(time.monotonic() - began, 1)},
            notes=[measures.note] if measures.note else [],
        )
        save_measurement(place, measurement)
        return measurement

    def measure_untuned(self, bench: Bench, base: str, report: Report = lambda progress: None) -> Measurement:
        """The base as it is, under the short and the long prompt: where every cell begins."""
        from understudy.study.measuring import arms_of, fingerprint

        name = f"untuned-{base_slug(base)}"
        mark = fingerprint("untuned", base, self._shared(bench))
        place = self.place / name
        if found := load_measurement(place, mark):
            return found
        began = time.monotonic()
        arms = arms_of(self.material, base, base, ("short", "long"), "cheap")
        measures = bench.measure(arms, place, report)
        seconds: dict[str, float | None] = {"evaluation": round(time.monotonic() - began, 1)}
        measurement = Measurement(name, mark, measures.arms, measures.by_turn, [], seconds)
        save_measurement(place, measurement)
        return measurement

    def _shared(self, bench: Bench) -> list[Any]:
        """What all cells rest on besides their own plan."""
        where = [self.provider.name, self.provider.base_url]
        return [__version__, self.material.hashes, self.material.recipe.as_dict(), bench.sha256(), *where]

    def _fingerprint(self, bench: Bench, plan: CellPlan) -> str:
        from understudy.study.measuring import fingerprint

        stages = [
            (stage.method, stage.examples, stage.schedule.epochs, stage.schedule.rows)
            for stage in plan.stages
        ]
        terms = [plan.terms.batch_size, plan.terms.teacher if plan.cell.method == "distillation" else None]
        return fingerprint(plan.cell.as_dict(), stages, terms, self._shared(bench))


def _prompts(trained: str) -> tuple[str, ...]:
    """What a cell is asked under: the short prompt, and as it was trained where that is something else."""
    return ("short", {"none": "none", "full": "long"}[trained]) if trained in ("none", "full") else ("short",)
