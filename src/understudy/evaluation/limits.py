"""Limits: what a verdict does not show, said plainly in it."""

from collections.abc import Mapping

from understudy.character.character import Character
from understudy.evaluation.arms import MINIATURE
from understudy.evaluation.probes import ProbeSet

__all__ = ["list_limits"]


SMALL = (
    "{model} is a miniature model of a few million parameters. It shows that the method works on this "
    "machine; nothing it shows is claimed for large models."
)
ALWAYS = (
    "Another training seed gives other figures, and this spread is not in the intervals; runs that differ in "
    "the seed alone are listed under 'seeds'.",
    "The intervals cover the choice of probes, not of the character's author or of the people who will talk "
    "with it. Per category there are few probes; see the counts.",
    "AI disclaimers and honesty are found by patterns, whose precision and recall on labelled replies stand "
    "under 'detectors'; a wording they do not know counts as no disclosure.",
    "Style is a classifier's opinion and relevance a word matcher's; no person and no large model judged the "
    "replies. Crisis replies are not scored.",
    "Style does not see whether a reply makes sense: nonsense in the character's words sounds like it. Read "
    "it beside relevance and likelihood.",
    "In scripted conversations the user's lines are fixed, whatever the character answers.",
    "Pass rules read one reply at a time and by patterns; every decision stands with its reason in "
    "replies.jsonl.",
)


def list_limits(
    base_model: str, character: Character, probes: ProbeSet, missing: Mapping[str, int], note: str | None
) -> list[str]:
    """Sentences for the reader, the weightiest first."""
    limits = [SMALL.format(model=base_model)] if MINIATURE in base_model else []
    limits += ALWAYS
    limits += [
        f"{count} requests of {name} were refused and are missing."
        for name, count in missing.items()
        if count
    ]
    limits += [note] if note else []
    limits += probes.notes
    if character.policies.disclosure == "always":
        limits.append(
            "The character discloses in every first reply by policy, so its 'leak' is what was asked for."
        )
    return limits
