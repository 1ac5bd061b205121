"""Policies: what the server does around a tuned model's replies, visibly, and unless it is told not to."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from understudy.api.problem import bad_request, parse
from understudy.api.store import Job, Store
from understudy.character.deployed import DeployedPolicies, policies_from_metadata
from understudy.errors import CharacterError

__all__ = [
    "HEADER",
    "Direction",
    "PoliciesRequest",
    "change_policies",
    "direct",
    "policies_at_creation",
    "policies_of_job",
    "show_policies",
    "speaks_of_crisis",
]

HEADER = "x-understudy-policies"
"""Of a request, ``off`` applies nothing; of a response, what was applied."""
REMINDER = "(You are talking with an AI that plays {name}.)"
REFERRAL = (
    "Let us leave the story for a moment. I am an AI, and what you wrote worries me. If you think of hurting "
    "yourself, or are in danger, please talk to a person now: {contacts}. You do not have to be alone with "
    "this."
)
STATES = ("validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled")
Messages = list[dict[str, Any]]


@dataclass(frozen=True)
class Direction:
    """How one request is answered.

    Attributes:
        messages: What the model reads.
        reply: The whole reply where the model is not asked.
        reminder: What follows the model's reply.
        applied: Names of the policies that changed something.
    """

    messages: Messages
    reply: str | None = None
    reminder: str = ""
    applied: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """What tells clients that something was applied."""
        return {HEADER: ", ".join(self.applied)} if self.applied else {}


def direct(policies: DeployedPolicies | None, messages: Messages) -> Direction:
    """Apply policies to a conversation: refer in a crisis, else tell the model more, and remind."""
    if policies is None or not policies.enabled:
        return Direction(messages)
    if policies.crisis == "refer" and speaks_of_crisis(_newest(messages)):
        from understudy.character.prompt import ANY_HELP

        contacts = policies.crisis_contacts.strip().rstrip(".") or ANY_HELP
        return Direction(messages, reply=REFERRAL.format(contacts=contacts), applied=("crisis",))
    applied: list[str] = []
    reminder = REMINDER.format(name=policies.character or "a character")
    told = _without(messages, reminder)
    if policies.audience == "minors":
        told = _told_of_children(told)
        applied.append("audience")
    turn = sum(message["role"] == "user" for message in messages)
    if policies.disclosure_interval and (turn - 1) % policies.disclosure_interval == 0:
        applied.append("disclosure")
        return Direction(told, reminder=f"\n\n{reminder}", applied=tuple(applied))
    return Direction(told, applied=tuple(applied))


def speaks_of_crisis(text: str) -> bool:
    """Whether somebody seems to speak of hurting themselves or of being in danger."""
    return _crisis().search(text.replace("’", "'")) is not None


@functools.cache
def _crisis() -> re.Pattern[str]:
    rows = crisis_words()
    return re.compile("|".join(pattern for row in rows for pattern in row["patterns"]), re.IGNORECASE)


def crisis_words() -> list[dict[str, list[str]]]:
    """The rows of ``crisis.yaml``: patterns, and sentences that they must find."""
    text = files("understudy.api").joinpath("crisis.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load(text))


def _newest(messages: Sequence[dict[str, Any]]) -> str:
    """What the user said since the last reply."""
    said: list[str] = []
    for message in reversed(messages):
        if message["role"] == "assistant":
            break
        if message["role"] == "user":
            said.append(str(message["content"]))
    return "\n".join(reversed(said))


def _without(messages: Messages, reminder: str) -> Messages:
    """The conversation as the model spoke it: reminders that a client sends back are not its words."""
    return [
        {**message, "content": str(message["content"]).replace(reminder, "").rstrip()}
        if message["role"] == "assistant" and reminder in str(message["content"])
        else message
        for message in messages
    ]


def _told_of_children(messages: Messages) -> Messages:
    from understudy.character.prompt import AUDIENCE

    sentence = AUDIENCE["minors"]
    system = [place for place, message in enumerate(messages) if message["role"] in ("system", "developer")]
    if any(sentence in str(messages[place]["content"]) for place in system):
        return messages
    if not system:
        return [{"role": "system", "content": sentence}, *messages]
    place = system[0]
    changed = {**messages[place], "content": f"{messages[place]['content']}\n\n{sentence}".strip()}
    return [*messages[:place], changed, *messages[place + 1 :]]


# --- a model's policies ---------------------------------------------------------------------------


def policies_at_creation(metadata: dict[str, str] | None, parent: Job | None) -> dict[str, Any] | None:
    """The policies of a new job: those of its metadata, else those of the model that it goes on from.

    Raises:
        Problem: 400, a value of the metadata is not one of the known ones.
    """
    try:
        given = policies_from_metadata(metadata)
    except CharacterError as error:
        message, param = error.args
        raise bad_request(message, param, "invalid_value") from error
    if given is not None:
        return given.document()
    return parent.plan.get("policies") if parent else None


def policies_of_job(job: Job | None) -> DeployedPolicies | None:
    """What is applied to the models of a job."""
    values = job.plan.get("policies") if job else None
    return DeployedPolicies(**values) if values else None


class PoliciesRequest(BaseModel):
    """POST /v1/understudy/policies/{model}: what is to change."""

    model_config = ConfigDict(extra="forbid", strict=True)

    character: str | None = Field(default=None, max_length=512)
    disclosure_interval: int | None = Field(default=None, ge=0, le=1000)
    audience: Literal["adults", "general", "minors"] | None = None
    crisis: Literal["refer", "none"] | None = None
    crisis_contacts: str | None = Field(default=None, max_length=512)
    enabled: bool | None = None


def change_policies(store: Store, job: Job, body: Any) -> Job:
    """Change the policies of a job's models; nothing is trained.

    Raises:
        Problem: 400, the body holds something else.
    """
    change = parse(PoliciesRequest, body).model_dump(exclude_none=True)
    policies = replace(policies_of_job(job) or DeployedPolicies(), **change)
    changed = store.change_job(job.id, only_in=STATES, plan={"policies": policies.document()})
    return changed or job


def show_policies(model: str, job: Job | None) -> dict[str, Any]:
    """The policies of a model as clients see them."""
    policies = policies_of_job(job) or DeployedPolicies(enabled=False)
    return {"object": "understudy.policies", "model": model, **policies.document()}
