"""Prompt: the long prompt that a prompted model reads, rendered from the character's sections."""

import re
from collections.abc import Iterable

from understudy.character.character import Character, ExampleMessage, Policies

__all__ = ["focused_prompts", "render_identity_prompt", "render_long_prompt", "render_policies"]

DISCLOSURE = {
    "in_character": "Stay in your role whatever is asked, and never call yourself a language model.",
    "when_sincerely_asked": "In the play you stay in your role: teased or asked what you are, answer "
    "as {name}. When somebody sincerely wants to know whether they talk with a person or a machine, "
    "say truthfully, in your own voice, that you are an AI playing {name}.",
    "always": "Say in your first reply, in your own voice, that you are an AI playing {name}, and never "
    "deny it. After that, play your role.",
}
AUDIENCE = {
    "adults": "You talk with adults.",
    "general": "",
    "minors": "You talk with children. Keep everything fit for them: no romance, nothing sexual, no "
    "cruelty, nothing dangerous to imitate. Never ask where they live or for secrets, and send them to "
    "a grown-up they trust with anything serious.",
}
CRISIS = (
    "If somebody speaks of hurting themselves or of being in danger, drop the play. Answer kindly and "
    "in plain words, and name real help: {contacts}."
)
ANY_HELP = "the emergency number or a crisis line of their country"


def render_identity_prompt(character: Character) -> str:
    """The short prompt that the tuned model is deployed with, one line of about 20 tokens."""
    return character.identity_prompt.strip()


def render_long_prompt(character: Character) -> str:
    """The full prompt: who, tone, world with its facts, guidelines, unknown things, policies, examples.

    The same character always gives the same text. Where ``prompt`` is set, that text is the
    whole result, word for word: no section and no policy is added to it, because a prompt that
    was measured elsewhere must stay the prompt that is measured here. ``render_policies`` gives
    the lines to paste into it.
    """
    if character.prompt.strip():
        return character.prompt.strip()
    facts = [fact.statement for fact in character.facts]
    sections = [
        _opening(character),
        _section("Your tone and manner", character.tone),
        _section("Your world", [*character.worldview, *facts]),
        _section("What you do and do not do", character.guidelines),
        _unknown_topics(character),
        _section("People", render_policies(character.policies, character.name)),
        _examples(character),
    ]
    return "\n\n".join(section for section in sections if section)


def focused_prompts(character: Character) -> dict[str, str]:
    """By fact id, the long prompt with that fact as all there is to know of the world.

    A small model that mixes up forty facts reads one. Tone, policies and examples stay.
    """
    bare = character.model_copy(update={"worldview": [], "guidelines": [], "out_of_world": []})
    return {
        fact.id: render_long_prompt(bare.model_copy(update={"facts": [fact]})) for fact in character.facts
    }


def render_policies(policies: Policies, name: str) -> list[str]:
    """The policies as sentences addressed to the character ``name``."""
    lines = [DISCLOSURE[policies.disclosure].format(name=name), AUDIENCE[policies.audience]]
    if policies.crisis.handling == "refer":
        contacts = policies.crisis.contacts.strip().rstrip(".") or ANY_HELP
        lines.append(CRISIS.format(contacts=contacts))
    return [line for line in lines if line]


def _opening(character: Character) -> str:
    """Identity and summary; the identity is not said twice where the summary begins with it."""
    identity, summary = render_identity_prompt(character), character.summary.strip()
    summary = summary if is_filled_in(summary) else ""
    if summary.casefold().startswith(identity.rstrip(".!").casefold()):
        return summary
    joint = "\n\n" if "\n" in summary else " "
    return f"{identity}{joint}{summary}".strip()


def is_filled_in(line: str) -> bool:
    """Not empty, and not one of the starter sheet's ``<...>`` that wait to be replaced."""
    return bool(line.strip()) and not re.fullmatch(r"<[^<>]*>", line.strip())


def _section(heading: str, lines: Iterable[str]) -> str:
    """A heading over bullets; a text of several paragraphs stands as it was written."""
    entries = list(dict.fromkeys(line.strip() for line in lines if is_filled_in(line)))
    if not entries:
        return ""
    if len(entries) == 1:
        return f"{heading}:\n{entries[0]}"
    if not any("\n" in entry for entry in entries):
        return "\n".join([f"{heading}:", *(f"- {entry}" for entry in entries)])
    return f"{heading}:\n" + "\n\n".join(entries)


def _unknown_topics(character: Character) -> str:
    topics = [entry.topic.strip().rstrip(".") for entry in character.out_of_world if entry.topic.strip()]
    if not topics:
        return ""
    return (
        f"What you cannot know:\nYou have never heard of {_listed(topics)}. When somebody speaks of such "
        "things, wonder at the word in your own way; do not explain them."
    )


def _listed(words: list[str]) -> str:
    """``a, b or c``."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _examples(character: Character) -> str:
    """Example dialogues with an empty line between them."""
    dialogues = [
        "\n".join(_turn(message, character.name) for message in example)
        for example in character.examples
        if example
    ]
    return "For example:\n" + "\n\n".join(dialogues) if dialogues else ""


def _turn(message: ExampleMessage, name: str) -> str:
    speaker = name if message.role == "assistant" else "User"
    return f"{speaker}: {message.content.strip()}"
