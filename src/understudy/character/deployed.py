"""Deployed policies: what a server applies to a tuned model, outside its weights.

They travel with the fine-tuning job as metadata, which every API of OpenAI's shape keeps.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from understudy.character.character import Character
from understudy.errors import CharacterError

__all__ = ["DeployedPolicies", "policies_from_metadata", "policies_of", "policy_metadata"]

PREFIX = "understudy_"
AUDIENCES = ("adults", "general", "minors")
CRISIS = ("refer", "none")
MOST_REPLIES = 1000
MOST_CHARACTERS = 512  # of a metadata value


@dataclass(frozen=True)
class DeployedPolicies:
    """What is applied to the replies of a tuned model.

    Attributes:
        character: Who is played, for the reminder.
        disclosure_interval: Every how many replies, beginning with the first, the server reminds
            that this is an AI; 0 for never.
        audience: ``adults``, ``general`` or ``minors``.
        crisis: ``refer`` answers a cry for help with real help in place of the model; ``none`` does not.
        crisis_contacts: The help to name.
        enabled: Whether any of this is applied.
    """

    character: str = ""
    disclosure_interval: int = 0
    audience: str = "general"
    crisis: str = "none"
    crisis_contacts: str = ""
    enabled: bool = True

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


KEYS = tuple(f"{PREFIX}{name}" for name in DeployedPolicies.__dataclass_fields__ if name != "enabled")


def policies_of(character: Character) -> DeployedPolicies:
    """The policies of a character's sheet, as far as a server can apply them."""
    policies = character.policies
    return DeployedPolicies(
        character=character.name[:MOST_CHARACTERS],
        disclosure_interval=policies.disclosure_interval,
        audience=policies.audience,
        crisis=policies.crisis.handling,
        crisis_contacts=" ".join(policies.crisis.contacts.split())[:MOST_CHARACTERS],
    )


def policy_metadata(character: Character) -> dict[str, str]:
    """The policies as a job's metadata: at most five pairs, empty values left out."""
    values = policies_of(character).document()
    values.pop("enabled")
    return {f"{PREFIX}{key}": str(value) for key, value in values.items() if value not in ("", 0)}


def policies_from_metadata(metadata: Mapping[str, str] | None) -> DeployedPolicies | None:
    """The policies that a job's metadata hold; ``None`` where they hold none.

    Raises:
        CharacterError: A value is none of the known ones; ``args[1]`` is its key.
    """
    given = {key.removeprefix(PREFIX): value for key, value in (metadata or {}).items() if key in KEYS}
    if not given:
        return None
    values: dict[str, Any] = dict(given)
    text = given.get("disclosure_interval", "0")
    if not (text.isdecimal() and text.isascii() and int(text[:9]) <= MOST_REPLIES):
        raise _fault("disclosure_interval", f"a whole number from 0 to {MOST_REPLIES}")
    values["disclosure_interval"] = int(text)
    for key, known in (("audience", AUDIENCES), ("crisis", CRISIS)):
        if key in given and given[key] not in known:
            raise _fault(key, f"one of {', '.join(known)}")
    return DeployedPolicies(**values)


def _fault(key: str, rule: str) -> CharacterError:
    return CharacterError(f"The metadata '{PREFIX}{key}' must be {rule}.", f"metadata.{PREFIX}{key}")
