"""Examples: dialogues in the OpenAI chat format, with the system prompt that the recipe asks for."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from understudy.character.character import Character
from understudy.dataset.recipe import Recipe
from understudy.dialogue import Dialogue, Message

__all__ = ["choose_system_prompt", "dialogue_examples", "paraphrases"]

# Other ways to say who plays. They differ in form, not in content, so that nothing is taught by them.
WORDINGS = (
    "Play {name}.",
    "Your name is {name}.",
    "Speak as {name}.",
    "Stay in character as {name}.",
    "You play the part of {name}.",
    "You are {name}. Stay in character.",
)


def paraphrases(character: Character) -> list[str]:
    """Rewordings of the identity prompt."""
    name = character.name.strip()
    return [
        text
        for text in (wording.format(name=name) for wording in WORDINGS)
        if text != character.identity_prompt.strip()
    ]


def _fraction(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but the parts, so that new dialogues move no old ones."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def choose_system_prompt(
    character: Character, recipe: Recipe, key: str, *, training: bool
) -> tuple[str, str | None]:
    """The kind of system prompt and its text for one example.

    Under ``mix`` only training examples vary; held-out ones get the identity prompt, because that
    is what the deployed model gets and a validation loss over several prompts would mean nothing.
    """
    kind: str = recipe.system_prompt
    if kind == "mix":
        place = _fraction(recipe.seed, "prompt", key)
        if not training or place < recipe.identity_share:
            kind = "identity"
        else:
            kind = "paraphrase" if place < recipe.identity_share + recipe.paraphrase_share else "none"
    if kind == "paraphrase":
        choices = paraphrases(character)
        return kind, choices[int(_fraction(recipe.seed, "wording", key) * len(choices))]
    texts = {"identity": character.identity_prompt, "none": None}
    return kind, texts[kind] if kind in texts else character.long_prompt()


def _row(message: Message, *, learned: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"role": message.role, "content": message.content.strip()}
    return row if learned else {**row, "weight": 0}


def _conversation(messages: Sequence[Message]) -> Iterator[list[dict[str, Any]]]:
    """The whole dialogue up to its last learned reply, as one example."""
    learned = [
        i for i, m in enumerate(messages) if m.role == "assistant" and m.weight != 0 and m.content.strip()
    ]
    if learned:
        kept = messages[: learned[-1] + 1]
        yield [
            _row(m, learned=m.role != "assistant" or i in learned)
            for i, m in enumerate(kept)
            if m.content.strip() or m.role != "assistant"
        ]


def _pairs(messages: Sequence[Message]) -> Iterator[list[dict[str, Any]]]:
    """Each learned reply with what others said since the reply before it."""
    before: list[Message] = []
    for message in messages:
        if message.role != "assistant":
            before.append(message)
            continue
        if message.weight != 0 and message.content.strip():
            yield [_row(m, learned=True) for m in (*before, message)]
        before = []


def dialogue_examples(
    dialogue: Dialogue, character: Character, recipe: Recipe, *, training: bool
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Training examples of one dialogue, each with the kind of its system prompt.

    A dialogue's own system messages in front are replaced by the recipe's prompt; later ones stay.
    Replies with weight 0 or without text are never learned.
    """
    messages = list(dialogue.messages)
    while messages and messages[0].role == "system":
        messages.pop(0)
    shape = _pairs if recipe.shape == "pairs" else _conversation
    for number, rows in enumerate(shape(messages)):
        kind, prompt = choose_system_prompt(character, recipe, f"{dialogue.id}#{number}", training=training)
        yield kind, [{"role": "system", "content": prompt}, *rows] if prompt else rows
