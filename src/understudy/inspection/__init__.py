"""Inspection: the evaluation as a task of Inspect AI, so that others can run it with their tools.

``write_inspection`` writes the folder and needs nothing of Inspect; ``build_task`` is what the folder's
``task.py`` calls. Names are loaded on first use, because the scorers import numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy.inspection.exported import ExportedEvaluation, load_exported
    from understudy.inspection.task import build_metrics, build_scorer, build_task
    from understudy.inspection.writing import Written, write_inspection

__all__ = [
    "ExportedEvaluation",
    "Written",
    "build_metrics",
    "build_scorer",
    "build_task",
    "load_exported",
    "write_inspection",
]

_HOMES = {
    "ExportedEvaluation": "exported",
    "Written": "writing",
    "build_metrics": "task",
    "build_scorer": "task",
    "build_task": "task",
    "load_exported": "exported",
    "write_inspection": "writing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
