"""Preference: pairs of a better and a worse reply, without a person who rates them."""

from understudy.preference.plan import PreferencePlan, PreferenceSettings, plan_preferences
from understudy.preference.untuned import PreferenceReport, collect_preferences

__all__ = [
    "PreferencePlan",
    "PreferenceReport",
    "PreferenceSettings",
    "collect_preferences",
    "plan_preferences",
]
