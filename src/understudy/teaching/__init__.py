"""Teaching: an expensive model, the star, writes the dialogues that a cheap one learns from."""

from understudy.teaching.checks import Check, Said, reply_check
from understudy.teaching.composing import compose_outlines
from understudy.teaching.outline import Outline, outlines_of
from understudy.teaching.plan import TeachingPlan, plan_teaching
from understudy.teaching.settings import TeachingSettings, usual_temperature
from understudy.teaching.teaching import TeachingReport, teach

__all__ = [
    "Check",
    "Outline",
    "Said",
    "TeachingPlan",
    "TeachingReport",
    "TeachingSettings",
    "compose_outlines",
    "outlines_of",
    "plan_teaching",
    "reply_check",
    "teach",
    "usual_temperature",
]
