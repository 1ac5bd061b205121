"""Evaluation: probes, arms, scorers and statistics that add up to a verdict.

Names are loaded on first use, because the scorers import numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy.evaluation.arms import Arm, build_arms
    from understudy.evaluation.connection import Connection, OpenAIConnection
    from understudy.evaluation.detectors import denies_being_ai, says_it_is_ai
    from understudy.evaluation.evaluation import current_verdict, evaluate, foresee
    from understudy.evaluation.probe import Answer, Probe
    from understudy.evaluation.probes import ProbeSet, build_probes
    from understudy.evaluation.settings import Settings
    from understudy.evaluation.verdict import Verdict, load_verdict

__all__ = [
    "Answer",
    "Arm",
    "Connection",
    "OpenAIConnection",
    "Probe",
    "ProbeSet",
    "Settings",
    "Verdict",
    "build_arms",
    "build_probes",
    "current_verdict",
    "denies_being_ai",
    "evaluate",
    "foresee",
    "load_verdict",
    "says_it_is_ai",
]

_HOMES = {
    "Answer": "probe",
    "Arm": "arms",
    "Connection": "connection",
    "OpenAIConnection": "connection",
    "Probe": "probe",
    "ProbeSet": "probes",
    "Settings": "settings",
    "Verdict": "verdict",
    "build_arms": "arms",
    "build_probes": "probes",
    "current_verdict": "evaluation",
    "denies_being_ai": "detectors",
    "evaluate": "evaluation",
    "foresee": "evaluation",
    "load_verdict": "verdict",
    "says_it_is_ai": "detectors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
