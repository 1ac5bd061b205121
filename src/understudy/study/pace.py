"""Pace: how long cells take, from those that were measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from understudy.study.cell_plan import CellPlan
from understudy.study.measurement import Measurement

__all__ = ["Pace"]

# A job on preferences reads a pair under two models, and distillation asks a teacher in each step.
WORK = {"sft": 1.0, "sft+dpo": 2.0, "distillation": 1.5}


@dataclass
class Pace:
    """Seconds of training for each unit of work, and seconds of measuring for each cell.

    Work is learned tokens times a factor of the method: what a long system prompt adds is read once a step
    and weighs little.
    """

    training: list[tuple[float, float]] = field(default_factory=list)
    evaluation: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, measured: Iterable[tuple[CellPlan, Measurement | None]]) -> "Pace":
        """The pace of cells that an earlier run measured."""
        pace = cls()
        for plan, found in measured:
            if found is None:
                continue
            if (seconds := found.seconds.get("training")) is not None:
                pace.training.append((_work(plan), float(seconds)))
            if (seconds := found.seconds.get("evaluation")) is not None:
                pace.evaluation.append(float(seconds))
        return pace

    def note(self, plan: CellPlan, seconds: float) -> None:
        """A cell took so long in all."""
        mine = self._evaluation() if self.evaluation else 0.0
        self.training.append((_work(plan), max(0.0, seconds - mine)))

    def seconds(self, plans: Sequence[CellPlan], workers: int = 1) -> float | None:
        """How long these cells take one after the other; ``None`` before any was measured."""
        work = sum(done for done, _ in self.training)
        if not work:
            return None
        rate = sum(seconds for _, seconds in self.training) / work
        training = rate * sum(map(_work, plans))
        return (training + self._evaluation() * len(plans)) / max(1, workers)

    def _evaluation(self) -> float:
        return sum(self.evaluation) / len(self.evaluation) if self.evaluation else 0.0


def _work(plan: CellPlan) -> float:
    return plan.learned_tokens * WORK.get(plan.cell.method, 1.0)
