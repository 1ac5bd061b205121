"""Methods: the objective that a job's specification asks for."""

from understudy.training.distillation import Distillation
from understudy.training.objective import Objective, Supervised
from understudy.training.preference import Preference
from understudy.training.spec import TrainingSpec

__all__ = ["objective_of"]


def objective_of(spec: TrainingSpec) -> Objective:
    """How a job learns."""
    if spec.method == "dpo":
        return Preference(spec.beta)
    if spec.teaching is not None:
        return Distillation(spec.teaching, spec.seed)
    return Supervised()
