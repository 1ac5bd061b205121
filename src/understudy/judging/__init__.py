"""Judging: two arms compared pair by pair, by models and by persons, under one protocol.

Names are loaded on first use, because the statistics import numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy.judging.asking import Judge, ask_judges, foresee_judging
    from understudy.judging.family import families_of, protocol_breaches
    from understudy.judging.judgement import compute_judgement, save_judgement
    from understudy.judging.person import ask_person
    from understudy.judging.plan import JudgingPlan, plan_judging

__all__ = [
    "Judge",
    "JudgingPlan",
    "ask_judges",
    "ask_person",
    "compute_judgement",
    "families_of",
    "foresee_judging",
    "plan_judging",
    "protocol_breaches",
    "save_judgement",
]

_HOMES = {
    "Judge": "asking",
    "JudgingPlan": "plan",
    "ask_judges": "asking",
    "ask_person": "person",
    "compute_judgement": "judgement",
    "families_of": "family",
    "foresee_judging": "asking",
    "plan_judging": "plan",
    "protocol_breaches": "family",
    "save_judgement": "judgement",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
