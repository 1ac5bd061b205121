"""Inputs: the token counts behind a cost table, measured where a run measured them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Any

from understudy.cost.conversation import ALL_HISTORY, MESSAGE_TOKENS, REPLY_PRIMER_TOKENS, Trimming
from understudy.cost.evidence import Evidence, read_evidence, read_rows
from understudy.cost.hosting import OwnMachine
from understudy.cost.measured import MeasuredArm, measure_arms
from understudy.errors import ConfigError, DialogueError
from understudy.folder import CharacterFolder

__all__ = ["FEW_SHOT", "TRIMMED", "CostInputs", "auto_epochs", "read_inputs"]

# Where nothing was written yet: a short question and an answer of two or three sentences.
ASSUMED_USER_TOKENS = 20.0
ASSUMED_REPLY_TOKENS = 50.0
ASSUMED_EXAMPLES = 200
# Before a run shows the very prompts: the sheet cut to so many tokens, and so many example exchanges.
TRIMMED, FEW_SHOT = "cheap+trimmed", "cheap+few-shot"
TRIMMED_TOKENS = 150
FEW_SHOT_EXCHANGES = 6
CHEAP = "gpt-4.1-mini"
TRAINING_FILE = "training.jsonl"
HOSTED_VOCABULARY = "gpt-4.1-mini"


@dataclass(frozen=True)
class CostInputs:
    """Everything that a cost table is computed from.

    Tokens are o200k tokens of the texts (the vocabulary of the hosted models) per message.
    ``prompts`` maps ``long``, ``short``, ``none``, ``trimmed``, ``few_shot`` to the tokens sent before
    the conversation. ``trained_tokens`` counts one epoch. ``horizon_days``: over how many days of this
    traffic a training is spread.
    """

    character: str
    prompts: Mapping[str, int]
    user_tokens: float
    reply_tokens: float
    tokens_source: str
    trained_tokens: float
    trained_source: str
    examples: int
    greeting_tokens: float = 0.0
    measured: tuple[MeasuredArm, ...] = ()
    training_seconds: float | None = None
    cheap: str = CHEAP
    expensive: str = "gpt-4.1"
    also: tuple[str, ...] = ("gpt-6-luna", "gpt-6.1-sol")
    turns: int = 10
    conversations_per_day: float = 100.0
    horizon_days: int = 365
    trimming: Trimming = ALL_HISTORY
    epochs: int | None = None
    gpu: str = "A100 80GB@RunPod"
    gpu_reply_tokens_per_second: float = 1500.0
    utilisation: float = 0.3
    billions: float = 8.0
    machine: OwnMachine = field(default_factory=OwnMachine)
    today: date = field(default_factory=date.today)


def read_inputs(folder: CharacterFolder, run: Path | None = None, **settings: Any) -> CostInputs:
    """Count a character's tokens: from the run's replies, else its dialogues, else the sheet.

    Args:
        folder: The character's folder; only ``character.yaml`` must be there.
        run: Folder of a run, if there is one.
        settings: Fields of ``CostInputs`` that the user chose.
    """
    from understudy.character import load_character

    character = load_character(folder.character)
    count = _counter()
    evidence = read_evidence(run) if run else Evidence(folder.root)
    user, reply, source = _message_tokens(folder, evidence, count)
    trained, examples, trained_source = _training_tokens(folder, user, reply)
    prompts = {"long": character.long_prompt(), "short": character.identity_prompt, "none": ""}
    training = evidence.verdict.get("training") or {}
    if settings.get("epochs") is None:
        settings["epochs"] = _epochs(training)
    if not settings.get("cheap"):
        settings["cheap"] = _hosted_base(training) or CHEAP
    return CostInputs(
        character=character.name,
        prompts=_prompt_tokens(prompts, evidence, count, user + reply),
        user_tokens=round(user, 2),
        reply_tokens=round(reply, 2),
        tokens_source=source,
        trained_tokens=trained,
        trained_source=trained_source,
        examples=examples,
        greeting_tokens=count(character.greeting),
        measured=tuple(measure_arms(evidence)),
        training_seconds=training.get("seconds"),
        **settings,
    )


def _prompt_tokens(
    prompts: Mapping[str, str], evidence: Evidence, count: Callable[[str], int], exchange: float
) -> dict[str, int]:
    """Tokens before the conversation: of the sheet's prompts, and of what a run sent in the other arms."""
    tokens = {kind: count(text) for kind, text in prompts.items()}
    tokens["trimmed"] = min(TRIMMED_TOKENS, tokens["long"])
    tokens["few_shot"] = round(tokens["short"] + FEW_SHOT_EXCHANGES * (exchange + 2 * MESSAGE_TOKENS))
    for kind, arm in (("trimmed", TRIMMED), ("few_shot", FEW_SHOT)):
        sent = _sent_before(evidence.replies, arm)
        if sent:
            between = MESSAGE_TOKENS * (len(sent) - 1)
            tokens[kind] = sum(count(str(message.get("content") or "")) for message in sent) + between
    return tokens


def _sent_before(replies: Sequence[Mapping[str, Any]], arm: str) -> list[Mapping[str, Any]]:
    """What an arm is given before a single question: system prompt, examples."""
    single = (row for row in replies if row.get("arm") == arm and row.get("turn") in (None, 0, 1))
    return min(((row.get("messages") or [])[:-1] for row in single), key=len, default=[])


def _epochs(training: Mapping[str, Any]) -> int | None:
    """Epochs that the run trained, so that the hosted price is that of the same work."""
    epochs = (training.get("hyperparameters") or {}).get("n_epochs")
    return epochs if isinstance(epochs, int) and epochs > 0 else None


def _hosted_base(training: Mapping[str, Any]) -> str | None:
    """The base model of the run, where it is a hosted one with a price."""
    from understudy.cost.price import base_name, find_price

    base = base_name(str(training.get("base_model") or ""))
    if not base or "/" in base:
        return None
    try:
        find_price(base)
    except ConfigError:
        return None
    return base


def auto_epochs(examples: int) -> int:
    """Epochs that OpenAI's ``auto`` picks.

    Three, but enough for 100 examples seen in small files (at most 25) and at most 25,000 in
    large ones. Source: OpenAI cookbook, "Data preparation and analysis for chat fine-tuning".
    """
    if examples <= 0:
        return 3
    if 3 * examples < 100:
        return min(25, 100 // examples)
    if 3 * examples > 25_000:
        return max(1, 25_000 // examples)
    return 3


def _counter() -> Callable[[str], int]:
    """Counts o200k tokens; texts repeat (the same probe for every arm), so counts are kept."""
    from functools import cache

    from understudy.dataset.tokens import count_text_tokens

    return cache(count_text_tokens)


def _message_tokens(
    folder: CharacterFolder, evidence: Evidence, count: Callable[[str], int]
) -> tuple[float, float, str]:
    """Tokens of a user's message and of the character's reply, and where they come from."""
    asked = [_last_user(row) for row in evidence.replies]
    wanted = [row["reference"] for row in evidence.replies if row.get("reference")]
    if any(asked) and wanted:
        user = _mean(count, asked)
        return user, _mean(count, wanted), _measured_source(evidence, asked, wanted)
    user_texts, replies = _dialogue_texts(folder)
    if user_texts and replies:
        source = f"counted in the character's dialogues ({len(replies)} replies)"
        return _mean(count, user_texts), _mean(count, replies), source
    return ASSUMED_USER_TOKENS, ASSUMED_REPLY_TOKENS, "assumed, because there are no dialogues yet"


def _measured_source(evidence: Evidence, asked: list[str], wanted: list[str]) -> str:
    return (
        f"counted in run {evidence.run.name}: {len(set(asked))} different probes, "
        f"{len(set(wanted))} real replies (every arm is priced at the length of the real replies)"
    )


def _last_user(row: Mapping[str, Any]) -> str:
    messages = row.get("messages") or []
    return next((str(m.get("content", "")) for m in reversed(messages) if m.get("role") == "user"), "")


def _mean(count: Callable[[str], int], texts: Iterable[str]) -> float:
    """Each text counts once, however many arms were asked it."""
    return fmean(count(text) for text in {text for text in texts if text})


def _dialogue_texts(folder: CharacterFolder) -> tuple[list[str], list[str]]:
    from understudy.dialogue.dialogue import load_dialogues

    try:
        messages = [message for dialogue in load_dialogues(folder.dialogues) for message in dialogue.messages]
    except DialogueError:
        if folder.dialogues.exists():
            raise
        return [], []
    users = [message.content for message in messages if message.role == "user" and message.content]
    replies = [message.content for message in messages if message.role == "assistant" and message.content]
    return users, replies


def _training_tokens(
    folder: CharacterFolder, user_tokens: float, reply_tokens: float
) -> tuple[float, int, str]:
    """Tokens of one epoch of training, examples, and where they come from."""
    from understudy.dataset.tokens import count_example_tokens

    rows = read_rows(folder.dataset / TRAINING_FILE)
    if rows:
        tokens = sum(count_example_tokens(row.get("messages") or [], model=HOSTED_VOCABULARY) for row in rows)
        return float(tokens), len(rows), f"counted in dataset/{TRAINING_FILE} ({len(rows)} examples)"
    if folder.dialogues.exists():
        from understudy.dialogue.dialogue import load_dialogues

        dialogues = load_dialogues(folder.dialogues)
        chats = [[message.as_chat() for message in dialogue.messages] for dialogue in dialogues]
        tokens = sum(count_example_tokens(chat, model=HOSTED_VOCABULARY) for chat in chats)
        return float(tokens), len(chats), f"counted in dialogues.jsonl ({len(chats)}; no dataset yet)"
    assumed = ASSUMED_EXAMPLES * (user_tokens + reply_tokens + 2 * MESSAGE_TOKENS + REPLY_PRIMER_TOKENS)
    return assumed, ASSUMED_EXAMPLES, f"assumed: {ASSUMED_EXAMPLES} short examples"
