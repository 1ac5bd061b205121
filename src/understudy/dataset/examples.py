"""Examples: dialogues in the OpenAI chat format, with the system prompt that the recipe asks for."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from understudy.character.character import Character
from understudy.dataset.recipe import Recipe
from understudy.dialogue import Dialogue, Message

__all__ = ["Example", "add_system_prompts", "dialogue_examples", "paraphrases"]

Example = list[dict[str, Any]]

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


def _number(*parts: object) -> int:
    """A number that depends on nothing but the parts."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _kinds(keys: Sequence[str], recipe: Recipe, *, training: bool) -> list[str]:
    """The kind of system prompt of each example.

    Under ``mix`` only training examples vary, in exactly the recipe's shares; held-out ones get the
    identity prompt, because that is what the deployed model gets and a validation loss over several
    prompts would mean nothing.
    """
    if recipe.system_prompt not in ("mix", "paraphrases"):
        return [recipe.system_prompt] * len(keys)
    kinds = ["identity"] * len(keys)
    if training:
        order = sorted(range(len(keys)), key=lambda i: (_number(recipe.seed, "prompt", keys[i]), i))
        if recipe.system_prompt == "paraphrases":
            # The identity prompt itself is one of the wordings.
            shares = {"identity": 1 / (len(WORDINGS) + 1), "paraphrase": 1.0}
        else:
            shares = {
                "identity": recipe.identity_share,
                "paraphrase": recipe.paraphrase_share,
                "full": recipe.full_share,
            }
        ends = [round(min(1.0, share) * len(keys)) for share in accumulate(shares.values())]
        for rank, i in enumerate(order):
            place = next((p for p, end in enumerate(ends) if rank < end), None)
            kinds[i] = "none" if place is None else list(shares)[place]
    return kinds


def add_system_prompts(
    examples: Sequence[tuple[str, Example]], character: Character, recipe: Recipe, *, training: bool
) -> list[tuple[str, Example]]:
    """Put the recipe's system prompts in front of examples, given with their keys.

    Returns:
        Each example with the kind of its prompt: identity, paraphrase, full or none.
    """
    texts = {"identity": character.identity_prompt, "none": ""}
    if recipe.system_prompt == "full" or recipe.full_share:
        texts["full"] = character.long_prompt()
    reworded = paraphrases(character)
    finished = []
    kinds = _kinds([key for key, _ in examples], recipe, training=training)
    for (key, rows), kind in zip(examples, kinds, strict=True):
        if kind == "paraphrase":
            prompt = reworded[_number(recipe.seed, "wording", key) % len(reworded)]
        else:
            prompt = texts[kind]
        finished.append((kind, [{"role": "system", "content": prompt}, *rows] if prompt else rows))
    return finished


def _row(message: Message, *, learned: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"role": message.role, "content": message.content.strip()}
    return row if learned else {**row, "weight": 0}


def _conversation(messages: Sequence[Message]) -> Iterator[Example]:
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


def _pairs(messages: Sequence[Message]) -> Iterator[Example]:
    """Each learned reply with what others said since the reply before it."""
    before: list[Message] = []
    for message in messages:
        if message.role != "assistant":
            before.append(message)
            continue
        if message.weight != 0 and message.content.strip():
            yield [_row(m, learned=True) for m in (*before, message)]
        before = []


def _windows(messages: Sequence[Message], most: int) -> Iterator[Example]:
    """Stretches of a dialogue in which each learned reply stands once, with half a window before it."""
    whole = next(_conversation(messages), None)
    if whole is None or len(whole) <= most:
        yield from [whole] if whole else []
        return
    step, start = max(2, most // 2), 0
    while start < len(whole):
        # The first stretch is a whole window, because nothing goes before it.
        end = min(len(whole), most if start == 0 else start + step)
        while end < len(whole) and whole[end - 1]["role"] != "assistant":
            end += 1
        context = whole[max(0, end - max(most, end - start)) : start]
        while context and context[0]["role"] == "assistant":
            context = context[1:]
        before = [{**row, "weight": 0} if row["role"] == "assistant" else row for row in context]
        stretch = whole[start:end]
        if any(row["role"] == "assistant" and row.get("weight") != 0 for row in stretch):
            yield [*before, *stretch]
        start = end


def _only_last(rows: Example) -> Example:
    """The example with all replies but the last learned one as context."""
    learned = [i for i, row in enumerate(rows) if row["role"] == "assistant" and row.get("weight") != 0]
    last = learned[-1]
    kept = rows[: last + 1]
    return [{**row, "weight": 0} if i in learned[:-1] else row for i, row in enumerate(kept)]


def dialogue_examples(dialogue: Dialogue, recipe: Recipe) -> Iterator[tuple[str, Example]]:
    """Training examples of one dialogue without system prompts, each with a key of its own.

    The dialogue's own system messages in front are left out; later ones stay. Replies with
    weight 0 or without text are never learned.
    """
    messages = list(dialogue.messages)
    while messages and messages[0].role == "system":
        messages.pop(0)
    if recipe.shape == "pairs":
        examples = _pairs(messages)
    elif recipe.shape == "windows":
        examples = _windows(messages, recipe.window_messages)
    else:
        examples = _conversation(messages)
    for number, rows in enumerate(examples):
        yield f"{dialogue.id}#{number}", _only_last(rows) if recipe.learn == "last" else rows
