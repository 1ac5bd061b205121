"""Score: how likely given replies are, with everything before them given as well."""

from collections.abc import Sequence
from typing import Any

from understudy.inference.reading import Sequence_, read
from understudy.inference.request import RequestFailed, ScoreRequest
from understudy.inference.voices import Voice

__all__ = ["score_batch"]


def score_batch(voice: Voice, requests: Sequence[ScoreRequest]) -> list[list[dict[str, Any]] | RequestFailed]:
    """Score the assistant messages of several conversations.

    The log-probability of a message is the sum over its tokens of ``ln p(token | all before)``,
    the end-of-turn token included; the rendering is that of training.

    Returns:
        For each request one row a message, ``{"index", "logprob" (nats), "tokens", "bytes"}``, or
        why it failed.
    """
    results: list[Any] = []
    sequences: list[Sequence_] = []
    jobs: list[tuple[int, int, Any]] = []  # (request, message, where in which sequence)
    for number, request in enumerate(requests):
        try:
            plan = _plan(voice, request)
        except RequestFailed as failure:
            results.append(failure)
            continue
        results.append([])
        for sequence, turns in plan:
            jobs += [(number, turn.position, (len(sequences), turn)) for turn in turns]
            sequences.append(sequence)
    values = _token_logprobs(sequences)
    for number, position, (place, turn) in jobs:
        sequence = sequences[place]
        first = sequence.wanted.index(turn.first - 1 - sequence.preamble.length)
        total = sum(values[place][first : first + turn.end - turn.first])
        content = _text_of(requests[number].messages[position].get("content"))
        row = {"index": position, "logprob": total, "tokens": turn.end - turn.first}
        results[number].append({**row, "bytes": len(content.encode("utf-8", errors="replace"))})
    for result in results:
        if isinstance(result, list):
            result.sort(key=lambda row: row["index"])
    return results


def _plan(voice: Voice, request: ScoreRequest) -> list[tuple[Sequence_, list[Any]]]:
    from understudy.errors import RenderingError

    messages = [{**m, "weight": 1} if m.get("role") == "assistant" else m for m in request.messages]
    if not any(m.get("role") == "assistant" for m in messages):
        raise RequestFailed("messages holds no assistant message to score.", "invalid_value", "messages")
    try:
        examples = voice.renderer.examples(messages)
    except RenderingError as error:
        raise RequestFailed(str(error), "invalid_value", "messages") from error
    longest = max(len(example.ids) for example in examples)
    if longest > voice.limit:
        raise RequestFailed(
            f"This model's maximum context length is {voice.limit} tokens. However, your messages resulted "
            f"in {longest} tokens. Please reduce the length of the messages.",
            "context_length_exceeded",
            "messages",
        )
    found = voice.preamble(messages)
    plan = []
    for example in examples:
        places = [place - 1 for turn in example.turns for place in range(turn.first, turn.end)]
        if places:
            shared = found.begins(example.ids) and places[0] >= found.length
            preamble = found if shared else voice.preambles.empty
            own = [place - preamble.length for place in places]
            ids = example.ids[preamble.length :]
            plan.append((Sequence_(ids, own, voice, preamble), example.turns))
    return plan


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _token_logprobs(sequences: list[Sequence_]) -> list[list[float]]:
    """For each sequence the log-probability of the token after each wanted position."""
    import torch

    values: list[list[float]] = [[] for _ in sequences]
    for members, parts, _ in read(sequences):
        for member, logits in zip(members, parts, strict=True):
            sequence = sequences[member]
            following = torch.tensor([sequence.ids[place + 1] for place in sequence.wanted])
            found = torch.log_softmax(logits, -1).gather(-1, following.to(logits.device)[:, None])
            values[member] = found[:, 0].double().tolist()
    return values
