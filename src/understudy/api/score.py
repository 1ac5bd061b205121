"""Score: how likely a model finds given replies. An extension of this server."""

import asyncio
from contextlib import aclosing
from typing import Any

from understudy.api.chat import find_model, worker_problem
from understudy.api.models import ModelDesk
from understudy.api.problem import Problem, bad_request, parse
from understudy.api.protocol import ScoreRequest
from understudy.api.speakers import Speakers
from understudy.errors import InferenceError

__all__ = ["score_messages"]


async def score_messages(body: Any, models: ModelDesk, worker: Speakers) -> dict[str, Any]:
    """POST /v1/understudy/score: log-probability (nats), tokens and bytes of each assistant message.

    Raises:
        Problem: The request is wrong, or the model cannot score.
    """
    find = find_model(body, models)
    wanted = parse(ScoreRequest, body, first=("model", "messages"))
    if not any(message.role == "assistant" for message in wanted.messages):
        raise bad_request("There is no assistant message to score.", "messages", "invalid_value")
    model = await asyncio.to_thread(find)
    request = {
        "op": "score",
        "base": str(model.base),
        "adapter": str(model.adapter) if model.adapter else None,
        "messages": [message.as_worker_message() for message in wanted.messages],
    }
    scores = await _ask(worker, request)
    return {"object": "understudy.score", "model": wanted.model, "messages": scores}


async def _ask(worker: Speakers, request: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        async with aclosing(worker.ask(request)) as events:  # type: ignore[type-var]
            async for event in events:
                if event["event"] == "error":
                    raise worker_problem(event)
                if event["event"] == "scored":
                    return list(event["messages"])
    except InferenceError as error:
        raise Problem(500, str(error), type="server_error", code="server_error") from error
    raise Problem(500, "The inference process sent no score.", type="server_error", code="server_error")
