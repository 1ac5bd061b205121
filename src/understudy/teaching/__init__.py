"""Teaching: an expensive model, the star, writes the dialogues that a cheap one learns from."""

from understudy.teaching.checks import Check, Said, reply_check
from understudy.teaching.drafting import draft_plan
from understudy.teaching.outline import Outline, outlines_of
from understudy.teaching.plan import Plan, load_plan, plan_path, save_plan
from understudy.teaching.settings import TeachingSettings, usual_settings, usual_temperature
from understudy.teaching.teaching import TeachingReport, teach
from understudy.teaching.teaching_plan import Company, TeachingPlan, compose_outlines, plan_teaching

__all__ = [
    "Check",
    "Company",
    "Outline",
    "Plan",
    "Said",
    "TeachingPlan",
    "TeachingReport",
    "TeachingSettings",
    "compose_outlines",
    "draft_plan",
    "load_plan",
    "outlines_of",
    "plan_path",
    "plan_teaching",
    "reply_check",
    "save_plan",
    "teach",
    "usual_settings",
    "usual_temperature",
]
