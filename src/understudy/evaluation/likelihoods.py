"""Likelihoods: how likely every arm finds the real replies of held-out conversations."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from understudy.dialogue import Dialogue
from understudy.errors import EvaluationError
from understudy.evaluation.arms import Arm
from understudy.evaluation.candidates import history
from understudy.evaluation.connection import Connection, RequestRefused
from understudy.evaluation.gap_closed import Likelihood
from understudy.evaluation.replies import Asker
from understudy.evaluation.row_file import Progress, Row, RowFile, bounded, row_key

__all__ = ["score_conversations"]

CONVERSATION_TURNS = 8


async def score_conversations(
    asker: Asker,
    arms: Sequence[Arm],
    conversations: Sequence[Dialogue],
    file: RowFile,
    report: Callable[[Progress], None] = lambda progress: None,
) -> tuple[dict[str, list[Likelihood]], str | None]:
    """Likelihood of the real replies of each conversation under each arm.

    The greeting is not scored, because nobody asked for it, and neither are replies with weight 0.
    A conversation that one arm refuses (too long with its prompt) is left out for all, so that
    every arm is judged on the same replies.

    Returns:
        Likelihoods by arm, and a note where something was left out or scoring is not supported.
    """
    progress = Progress("likelihoods", len(arms) * len(conversations), report)
    plan: dict[tuple[str, str], str] = {}
    jobs: list[Callable[[], Awaitable[None]]] = []
    for arm in arms:
        for dialogue in conversations:
            messages = arm.messages(history(_beginning(dialogue)))
            key = row_key("score", arm.model, messages)
            plan[arm.name, dialogue.id] = key
            jobs.append(_score_job(asker.connection_of(arm), arm, messages, key, file, progress))
    await bounded(jobs, asker.settings.concurrency)
    failed = {pair for pair, key in plan.items() if file.rows[key].get("error")}
    # An arm at a server that scores nothing is left out alone, and not every arm with it.
    able = {name for name, d in plan if (name, d) not in failed} or {arm.name for arm in arms}
    refused = {d for name, d in failed if name in able}
    kept = [d for d in conversations if d.id not in refused]
    likelihoods = {
        arm.name: [x for d in kept for x in _likelihoods(arm, d, file.rows[plan[arm.name, d.id]])]
        if arm.name in able
        else []
        for arm in arms
    }
    if not failed:
        return likelihoods, None
    error = str(file.rows[plan[min(failed)]]["error"])
    silent = ", ".join(arm.name for arm in arms if arm.name not in able)
    what = f"{len(refused)} of {len(conversations)} conversations could not be scored by every arm"
    return likelihoods, f"{what}: {error}" if refused else f"{silent} could not be scored: {error}"


def _beginning(dialogue: Dialogue) -> Sequence[Any]:
    """The dialogue up to its eighth reply: longer ones would decide the score alone."""
    replies = dialogue.replies()
    end = replies[min(len(replies), CONVERSATION_TURNS) - 1] + 1
    return dialogue.messages[:end]


def _score_job(
    connection: Connection,
    arm: Arm,
    messages: list[dict[str, str]],
    key: str,
    file: RowFile,
    progress: Progress,
) -> Callable[[], Awaitable[None]]:
    async def job() -> None:
        fresh = key not in file.rows
        if fresh:
            file.append(
                {"key": key, "arm": arm.name, "model": arm.model, **await _scores(connection, arm, messages)}
            )
        progress.advance(fresh=fresh)

    return job


async def _scores(connection: Connection, arm: Arm, messages: list[dict[str, str]]) -> Row:
    try:
        scored = await connection.score(arm.model, messages)
    except RequestRefused as error:
        return {"messages": [], "error": str(error)[:300]}
    # Positions count from the conversation's first message: equal for all arms. What stands before it,
    # examples too, is the arm's own.
    shift = len(arm.messages(()))
    return {
        "messages": [
            {"index": s.index - shift, "logprob": s.logprob, "tokens": s.tokens, "bytes": s.bytes}
            for s in scored
            if s.index >= shift
        ]
    }


def _likelihoods(arm: Arm, dialogue: Dialogue, row: Row) -> list[Likelihood]:
    spoken = [m for m in _beginning(dialogue) if m.role != "system"]
    result = []
    for item in row["messages"]:
        place = int(item["index"])
        if not 0 <= place < len(spoken):
            raise EvaluationError(f"{arm.model}: the provider scored a message that was not sent ({place}).")
        answers = any(m.role == "user" for m in spoken[:place])
        if answers and spoken[place].weight != 0 and item["tokens"] > 0:
            result.append(
                Likelihood(
                    f"{dialogue.id}#{place}",
                    dialogue.group,
                    -float(item["logprob"]),
                    int(item["tokens"]),
                    int(item["bytes"]),
                )
            )
    return result
