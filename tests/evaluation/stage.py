"""A character's folder with a finished training, and models that live in memory."""

import json
import shutil
from pathlib import Path

from understudy.character.character import Character, Fact, load_character
from understudy.dataset import Recipe, build_dataset, split_dialogues
from understudy.evaluation.connection import ChatReply, RequestRefused, ScoredMessage
from understudy.evaluation.fact_probes import paraphrases
from understudy.evaluation.settings import Settings
from understudy.folder import CharacterFolder, open_folder

from .conftest import EXAMPLE

FEW_DEVELOPMENT = Settings(
    probes=80,
    replies_per_probe=2,
    further=8,
    skills=6,
    scripts=1,
    script_turns=2,
    scored_conversations=3,
    style_questions=30,
    draws=1000,
    probe_set="development",
)
BASE, TUNED = "understudy/mini", "ft:understudy/mini:personal:ophelia:abc"


def set_stage(
    root: Path, *, lines: int | None = None, models: tuple[str, str] = (BASE, TUNED)
) -> tuple[CharacterFolder, Path]:
    """Ophelia's folder below ``root`` with a dataset and a run; ``lines`` cuts the dialogues short.

    ``models`` are the base and the tuned model of the run.
    """
    base, tuned = models
    place = root / "ophelia"
    shutil.copytree(EXAMPLE, place)
    if lines is not None:
        kept = (place / "dialogues.jsonl").read_text(encoding="utf-8").splitlines()
        step = max(1, len(kept) // lines)
        (place / "dialogues.jsonl").write_text("\n".join(kept[::step]) + "\n", encoding="utf-8")
    folder = open_folder(place)
    manifest = build_dataset(folder, Recipe())
    run = folder.run("20260101T000000Z")
    run.mkdir(parents=True)
    config = {
        "base_model": base,
        "dataset": {"training.jsonl": manifest.outputs["training.jsonl"]},
        "seed": 1,
        "examples": 10,
    }
    job = {"id": "ftjob-1", "status": "succeeded", "fine_tuned_model": tuned, "trained_tokens": 1234}
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (run / "job.json").write_text(json.dumps(job), encoding="utf-8")
    return folder, run


def gaps(fact: Fact) -> list[str]:
    """The statement with gaps, as fact probes word it, for a fact that is asked so."""
    sheet = Character(name="x", facts=[fact])
    asked = [probe.question for probe in paraphrases(sheet) if "___" in probe.question]
    return [text.split('"')[1] for text in asked[:1]]


class Stage:
    """A tuned model that plays well, and an untuned one that plays a little with the long prompt.

    Counts what it is asked. ``fails_after`` requests, it is gone; ``longest`` is the longest
    conversation, in characters, that it takes.
    """

    def __init__(self, folder: CharacterFolder) -> None:
        self.known = self._learn(folder)
        self.asked = 0
        self.scored = 0
        self.fails_after: int | None = None
        self.longest = 10**9
        self.scores = True

    def _learn(self, folder: CharacterFolder) -> dict[str, str]:
        known = {}
        for split in ("training", "test"):
            for dialogue in split_dialogues(folder, split):  # type: ignore[arg-type]
                for before, after in zip(dialogue.messages, dialogue.messages[1:], strict=False):
                    if after.role == "assistant":
                        known[before.content] = after.content
        for fact in load_character(folder.character).facts:
            for question in [*fact.questions, *gaps(fact)]:
                known[question] = f"Oh, stars and candles! {fact.statement.replace('Your', 'My')}"
        return known

    async def reply(self, model, messages, *, temperature, max_tokens, seed):  # type: ignore[no-untyped-def]
        if self.fails_after is not None and self.asked >= self.fails_after:
            from understudy.errors import ProviderError

            raise ProviderError("The server stopped answering.")
        self.asked += 1
        size = sum(len(m["content"]) for m in messages)
        if size > self.longest:
            raise RequestRefused("too long")
        text = self._say(model, messages, seed)
        return ChatReply(text, "stop", size // 4, len(text) // 4)

    def _say(self, model, messages, seed):  # type: ignore[no-untyped-def]
        question = messages[-1]["content"]
        prompted = messages[0]["role"] == "system" and len(messages[0]["content"]) > 200
        sincere = any(word in question for word in ("AI", "human", "person", "bot", "computer", "machine"))
        plays = model == TUNED or (prompted and seed % 2 == 0)
        if not plays:
            return f"As an AI language model, I cannot say much about {question.split(' ', 1)[-1]}"
        invented = "Indeed, dear heart, I am an AI that plays Princess Ophelia." if sincere else None
        held = [known for known in self.known if known.casefold() in question.casefold()]
        known = self.known[max(held, key=len)] if held else None
        return known or invented or f"Crumbs and crowns, dear traveller! {question}"

    async def score(self, model, messages):  # type: ignore[no-untyped-def]
        self.scored += 1
        if not self.scores:
            raise RequestRefused("this provider has no such endpoint")
        prompted = messages[0]["role"] == "system" and len(messages[0]["content"]) > 200
        nats = 2.0 if model == TUNED else 2.6 if prompted else 3.0
        rows = []
        for place, message in enumerate(messages):
            if message["role"] == "assistant":
                size = len(message["content"].encode())
                tokens = 1 + size // 4
                noise = (len(message["content"]) % 5 - 2) / 10
                rows.append(ScoredMessage(place, -tokens * (nats + noise), tokens, size))
        return rows
