"""Reading: what a model says about the probes: how likely their replies are, and its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy.rendering import Renderer

__all__ = ["Reading", "read_probes"]

REPLY_TOKENS = 24


@dataclass(frozen=True)
class Reading:
    """For each probe the mean log-probability of its last reply's tokens (nats), and the greedy reply."""

    logprobs: list[float]
    replies: list[list[int]]

    @property
    def mean(self) -> float:
        """Nats per token over all probes, each counting alike."""
        return sum(self.logprobs) / len(self.logprobs)


def read_probes(model: Any, renderer: "Renderer", probes: Sequence[Sequence[dict[str, Any]]]) -> Reading:
    """Ask a model in memory, one probe at a time and greedily, so that nothing is left to chance."""
    import torch

    logprobs, replies = [], []
    model.eval()
    with torch.no_grad():
        for messages in probes:
            *before, last = messages
            example = renderer.examples([*before, {**last, "weight": 1}])[-1]
            turn = example.turns[-1]
            ids = torch.tensor([example.ids], device=model.device)
            logits = model(input_ids=ids).logits[0, turn.first - 1 : turn.end - 1].float()
            found = torch.log_softmax(logits, -1).gather(1, ids[0, turn.first : turn.end, None])
            logprobs.append(float(found.double().mean()))
            replies.append(_greedy(model, renderer, before))
    return Reading(logprobs, replies)


def _greedy(model: Any, renderer: "Renderer", messages: Sequence[dict[str, Any]]) -> list[int]:
    """The likeliest next tokens, up to the end of the turn."""
    import torch

    ids = list(renderer.prompt(messages).ids)
    begin = len(ids)
    cache: Any = None
    row = torch.tensor([ids], device=model.device)
    while len(ids) < begin + REPLY_TOKENS:
        output = model(input_ids=row, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        ids.append(int(output.logits[0, -1].argmax()))
        if ids[-1] in renderer.stop_ids:
            break
        row = torch.tensor([[ids[-1]]], device=model.device)
    return ids[begin:]
