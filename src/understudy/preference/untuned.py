"""Untuned: what the untuned model says under the short prompt is the worse reply, the character's the better.

The idea needs no person who rates: a plain assistant that is told only "You are Princess Ophelia." answers as
an assistant, often with the very disclaimer that is to go.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from understudy.dataset.disclaimer import find_disclaimer
from understudy.dataset.near_duplicate import are_similar, normalize_line, shingles
from understudy.dialogue.preference import Preference, load_preferences, preference_id, save_preferences
from understudy.evaluation import Connection, OpenAIConnection
from understudy.evaluation.connection import RequestRefused
from understudy.evaluation.replies import Progress, RowFile
from understudy.folder import alone
from understudy.preference.plan import PreferencePlan, PreferenceSettings, Question, asked_path

__all__ = ["PreferenceReport", "collect_preferences"]

# Two replies as like as this prefer nothing.
ALIKE = 0.7


@dataclass(frozen=True)
class PreferenceReport:
    """What came of it. ``added`` pairs are new in ``preferences.jsonl``; ``left_out`` counts by reason.

    truths: Pairs of a truthful answer to a sincere question and a playing one to a teasing question.
    """

    asked: int
    added: int
    known: int
    disclaimers: int
    truths: int
    total: int
    left_out: dict[str, int]
    samples: list[dict[str, str]]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def collect_preferences(
    plan: PreferencePlan,
    connection: Callable[[], Connection],
    report: Callable[[Progress], None] = lambda progress: None,
) -> PreferenceReport:
    """Ask what is missing, keeping each reply at once, and write the pairs to ``preferences.jsonl``.

    A run that is stopped goes on where it was; nothing is asked twice.

    Raises:
        ProviderError: The provider stopped answering; replies are kept.
    """
    plan.folder.sources.mkdir(exist_ok=True)
    with alone(plan.folder.sources):
        file = RowFile(asked_path(plan.folder))
        progress = Progress("replies", len(plan.questions), report)
        try:
            asyncio.run(_ask_missing(plan, connection, file, progress))
        finally:
            file.close()
    with alone(plan.folder.root):
        return _write(plan, file, progress.fresh)


async def _ask_missing(
    plan: PreferencePlan, connection: Callable[[], Connection], file: RowFile, progress: Progress
) -> None:
    missing = [question for question in plan.questions if question.key not in file.rows]
    for _ in range(len(plan.questions) - len(missing)):
        progress.advance(fresh=False)
    if not missing:
        return
    way, waiting = connection(), iter(missing)

    async def work() -> None:
        for question in waiting:
            file.append({"key": question.key, "reply": await _reply(plan, way, question)})
            progress.advance(fresh=True)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(plan.settings.concurrency, len(missing))):
                group.create_task(work())
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None
    finally:
        if isinstance(way, OpenAIConnection):
            await way.close()


async def _reply(plan: PreferencePlan, connection: Connection, question: Question) -> str:
    """What the untuned model says; nothing where the request is refused for its length."""
    system = [{"role": "system", "content": plan.prompt}] if plan.prompt else []
    try:
        answer = await connection.reply(
            plan.model,
            [*system, *(message.as_chat() for message in question.messages)],
            temperature=plan.settings.temperature,
            max_tokens=plan.settings.max_tokens,
            seed=int(question.key[:7], 16) + plan.settings.seed,
        )
    except RequestRefused:
        return ""
    return answer.text.strip()


def _write(plan: PreferencePlan, file: RowFile, fresh: int) -> PreferenceReport:
    existing = load_preferences(plan.folder.preferences)
    known = {preference.id for preference in existing}
    left_out: Counter[str] = Counter()
    found: dict[str, Preference] = {}
    for question in plan.questions:
        rejected = str(file.rows[question.key].get("reply") or "")
        reason = _fault(question, rejected, plan.settings)
        if reason:
            left_out[reason] += 1
            continue
        identity = preference_id(question.messages, question.chosen, rejected)
        source = f"rejected: {plan.model}, untuned, under the short prompt"
        found[identity] = Preference(
            identity, question.group, question.messages, question.chosen, rejected, source
        )
    disclaimers = sum(find_disclaimer(preference.rejected) is not None for preference in found.values())
    found = _among(found, plan.truths)
    new = [preference for identity, preference in found.items() if identity not in known]
    if new:
        save_preferences(plan.folder.preferences, [*existing, *new])
    return PreferenceReport(
        asked=fresh,
        added=len(new),
        known=len(found) - len(new),
        disclaimers=disclaimers,
        truths=len(plan.truths),
        total=len(existing) + len(new),
        left_out=dict(left_out),
        samples=[_sample(preference) for preference in list(found.values())[:3]],
    )


def _among(found: dict[str, Preference], truths: Sequence[Preference]) -> dict[str, Preference]:
    """The truthful pairs evenly spread among the others, so that any part of the file holds its share."""
    ranked = [((place + 1) / (len(found) + 1), pair) for place, pair in enumerate(found.values())]
    ranked += [((place + 1) / (len(truths) + 1), pair) for place, pair in enumerate(truths)]
    return {pair.id: pair for _, pair in sorted(ranked, key=lambda entry: entry[0])}


def _fault(question: Question, rejected: str, settings: PreferenceSettings) -> str | None:
    """Why a reply is no worse one."""
    if not rejected:
        return "the untuned model said nothing"
    if are_similar(shingles(normalize_line(rejected)), shingles(normalize_line(question.chosen)), ALIKE):
        return "the untuned model said nearly the same"
    if settings.only_disclaimers and find_disclaimer(rejected) is None:
        return "the untuned model stayed in the play"
    return None


def _sample(preference: Preference) -> dict[str, str]:
    return {
        "asked": preference.messages[-1].content,
        "chosen": preference.chosen,
        "rejected": preference.rejected,
    }
