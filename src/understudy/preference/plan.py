"""Plan: which lines the untuned model is asked, and what that takes. Only lines inside the fiction."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from understudy.character.character import Character, load_character
from understudy.client.provider import Provider
from understudy.dataset.disclaimer import find_disclaimer
from understudy.dataset.manifest import load_manifest
from understudy.dataset.preference_examples import asks_sincerely
from understudy.dialogue import Dialogue, Message, load_dialogues
from understudy.dialogue.preference import Preference
from understudy.errors import DatasetError, UnderstudyError
from understudy.evaluation.replies import RowFile
from understudy.folder import CharacterFolder
from understudy.preference.truth import TRUTH_SHARE, truthful_pairs

__all__ = ["PreferencePlan", "PreferenceSettings", "Question", "asked_path", "plan_preferences"]

# Where the truth is the better reply, a pair of this kind would teach the opposite.
NEVER_ASKED = ("sincere_ai", "crisis", "unsafe")
TOKENS_PER_MESSAGE = 4


@dataclass(frozen=True)
class PreferenceSettings:
    """How the untuned model is asked.

    only_disclaimers: Keep no other worse reply.
    truth_share: Pairs of a truthful and a playing answer, as a share of the others; 0: none.
    """

    temperature: float = 0.7
    max_tokens: int = 200
    seed: int = 0
    concurrency: int = 16
    only_disclaimers: bool = False
    truth_share: float = TRUTH_SHARE


@dataclass(frozen=True)
class Question:
    """A place in a dialogue where the character replies, and what stands before it."""

    group: str
    messages: tuple[Message, ...]
    chosen: str
    key: str


@dataclass(frozen=True)
class PreferencePlan:
    """What is to be asked: ``questions`` of which ``missing`` were not asked before."""

    folder: CharacterFolder
    provider: Provider
    model: str
    prompt: str
    settings: PreferenceSettings
    questions: tuple[Question, ...]
    missing: int
    skipped: dict[str, int]
    prompt_tokens: int
    truths: tuple[Preference, ...] = ()

    def describe(self) -> str:
        """One sentence with the size of the bill."""
        most = self.missing * self.settings.max_tokens
        return (
            f"{self.model} at {self.provider.name} answers {self.missing:,} of {len(self.questions):,} lines "
            f"under the short prompt: about {self.prompt_tokens:,} prompt tokens, at most {most:,} reply "
            f"tokens, {self._price(most) if self.provider.paid else 'on this machine, free'}."
        )

    def _price(self, reply_tokens: int) -> str:
        from understudy.cost.price import find_price

        try:
            price = find_price(self.model)
        except UnderstudyError:
            return f"the price of {self.model} is not known here; look at the provider's price page"
        usd = price.request_usd(self.prompt_tokens, 0, 0, reply_tokens)
        return f"at most {usd:.2f} USD ({price.source}, {price.as_of})"


def plan_preferences(
    folder: CharacterFolder,
    provider: Provider,
    model: str,
    settings: PreferenceSettings | None = None,
    *,
    count: int = 200,
) -> PreferencePlan:
    """Choose the lines that the untuned model is asked, spread over the groups by the seed.

    Lines of held-out groups are not asked where a dataset was built, nor any where somebody may sincerely
    want to know what they talk with.

    Raises:
        DatasetError: No line can be asked.
    """
    settings = settings or PreferenceSettings()
    character = load_character(folder.character)
    skipped: Counter[str] = Counter()
    questions = _questions(folder, model, character.identity_prompt, settings, skipped)
    if not questions:
        reasons = ", ".join(f"{n} x {why}" for why, n in skipped.items())
        raise DatasetError(
            f"{folder.dialogues}: holds no line inside the fiction that can be asked "
            f"({reasons or 'it is empty'})."
        )
    chosen = _spread(questions, count)
    rows = RowFile(asked_path(folder)).rows
    missing = [question for question in chosen if question.key not in rows]
    tokens = sum(_tokens(question, character.identity_prompt) for question in missing)
    return PreferencePlan(
        folder,
        provider,
        model,
        character.identity_prompt,
        settings,
        tuple(chosen),
        len(missing),
        dict(skipped),
        tokens,
        tuple(_truths(folder, character, settings, len(chosen))),
    )


def _truths(
    folder: CharacterFolder, character: Character, settings: PreferenceSettings, questions: int
) -> list[Preference]:
    count = round(settings.truth_share * questions)
    dialogues = load_dialogues(folder.dialogues)
    return truthful_pairs(character, dialogues, _held_out(folder), count, settings.seed)


def asked_path(folder: CharacterFolder) -> Path:
    """Where the untuned model's replies are kept as they come."""
    return folder.root / "untuned.jsonl"


def _questions(
    folder: CharacterFolder, model: str, prompt: str, settings: PreferenceSettings, skipped: Counter[str]
) -> list[Question]:
    held_out = _held_out(folder)
    found = []
    for dialogue in load_dialogues(folder.dialogues):
        if dialogue.group in held_out:
            skipped["held-out line"] += len(dialogue.replies())
        elif dialogue.category in NEVER_ASKED:
            skipped["line where the truth is the better reply"] += len(dialogue.replies())
        else:
            found += _of_dialogue(dialogue, model, prompt, settings, skipped)
    return found


def _held_out(folder: CharacterFolder) -> set[str]:
    try:
        groups = load_manifest(folder).groups
    except DatasetError:
        return set()
    return {group for group, split in groups.items() if split != "training"}


def _of_dialogue(
    dialogue: Dialogue, model: str, prompt: str, settings: PreferenceSettings, skipped: Counter[str]
) -> list[Question]:
    found = []
    for position in dialogue.replies():
        before, reply = dialogue.messages[:position], dialogue.messages[position]
        before = tuple(message for message in before if message.role != "system")
        if not before or before[-1].role != "user" or reply.weight == 0 or not reply.content.strip():
            continue
        if asks_sincerely(before) or find_disclaimer(reply.content):
            skipped["line where somebody may ask sincerely"] += 1
            continue
        said = [[message.role, message.content] for message in before]
        parts = [model, prompt, said, reply.content, settings.temperature, settings.max_tokens, settings.seed]
        key = hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()
        found.append(Question(dialogue.group, before, reply.content.strip(), key))
    return found


def _spread(questions: Sequence[Question], count: int) -> list[Question]:
    """One of each group, then a second, until there are enough; within a group the hash decides."""
    turns: Counter[str] = Counter()
    ranked = []
    for question in sorted(questions, key=lambda q: q.key):
        ranked.append((turns[question.group], question.key, question))
        turns[question.group] += 1
    return [question for _, _, question in sorted(ranked, key=lambda entry: entry[:2])[:count]]


def _tokens(question: Question, prompt: str) -> int:
    from understudy.dataset.tokens import count_text_tokens

    texts = [prompt, *(message.content for message in question.messages)]
    return sum(count_text_tokens(text) + TOKENS_PER_MESSAGE for text in texts)
