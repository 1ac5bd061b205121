"""Sampling: the next token of every row at once."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["Sampler", "choose_tokens", "token_logprobs"]

_GREEDY_BELOW = 1e-5


@dataclass
class Sampler:
    """How one row chooses, with random numbers of its own: what else is in the batch changes nothing."""

    temperature: float
    top_p: float
    frequency_penalty: float
    presence_penalty: float
    numbers: random.Random
    counts: Counter[int] = field(default_factory=Counter)

    @property
    def greedy(self) -> bool:
        return self.temperature < _GREEDY_BELOW or self.top_p == 0.0

    @property
    def penalised(self) -> bool:
        return bool(self.frequency_penalty or self.presence_penalty)


def choose_tokens(logits: "torch.Tensor", samplers: Sequence[Sampler]) -> list[int]:
    """Choose one token a row.

    Greedy rows take the likeliest token. The others draw one uniform number each and look it up
    in the cumulative distribution, after temperature and nucleus (top-p) truncation.

    Args:
        logits: ``[R, V]``, fp32; not changed.
        samplers: R of them; their penalty counts are updated.

    Source: nucleus sampling of Holtzman et al. 2019, https://arxiv.org/abs/1904.09751; penalties
    as the OpenAI API documents them: ``logit - count * frequency - (count > 0) * presence``.
    """
    import torch

    if any(sampler.penalised for sampler in samplers):
        logits = _penalised(logits, samplers)
    chosen = logits.argmax(-1)
    drawing = [row for row, sampler in enumerate(samplers) if not sampler.greedy]
    if drawing:
        place = torch.tensor(drawing, device=logits.device)
        chosen[place] = _draw(logits[place], [samplers[row] for row in drawing])
    tokens: list[int] = chosen.tolist()
    for token, sampler in zip(tokens, samplers, strict=True):
        if sampler.penalised:
            sampler.counts[token] += 1
    return tokens


def _penalised(logits: "torch.Tensor", samplers: Sequence[Sampler]) -> "torch.Tensor":
    logits = logits.clone()
    for row, sampler in enumerate(samplers):
        if sampler.penalised and sampler.counts:
            tokens = list(sampler.counts)
            counts = logits.new_tensor([sampler.counts[token] for token in tokens])
            logits[row, tokens] -= counts * sampler.frequency_penalty + sampler.presence_penalty
    return logits


def _draw(logits: "torch.Tensor", samplers: Sequence[Sampler]) -> "torch.Tensor":
    import torch

    device = logits.device
    wide = torch.float32 if device.type == "mps" else torch.float64
    temperature = torch.tensor([s.temperature for s in samplers], device=device)[:, None]
    uniform = torch.tensor([s.numbers.random() for s in samplers], dtype=wide, device=device)[:, None]
    probabilities = torch.softmax(logits / temperature, -1)
    if all(s.top_p >= 1.0 for s in samplers):
        return _look_up(probabilities.cumsum(-1, dtype=wide), uniform)
    top_p = torch.tensor([s.top_p for s in samplers], dtype=wide, device=device)[:, None]
    ordered, tokens = probabilities.sort(-1, descending=True)
    cumulative = ordered.cumsum(-1, dtype=wide)
    kept = (cumulative - ordered) < top_p
    cumulative = torch.where(kept, cumulative, cumulative.masked_fill(~kept, 0).amax(-1, keepdim=True))
    return tokens.gather(-1, _look_up(cumulative, uniform)[:, None])[:, 0]


def _look_up(cumulative: "torch.Tensor", uniform: "torch.Tensor") -> "torch.Tensor":
    """First place where the cumulative distribution exceeds ``uniform`` of its total."""
    import torch

    wanted = uniform * cumulative[:, -1:]
    return torch.searchsorted(cumulative, wanted, right=True).clamp(max=cumulative.shape[-1] - 1)[:, 0]


def token_logprobs(
    logits: "torch.Tensor", tokens: Sequence[int], top: int
) -> tuple[list[float], list[list[tuple[int, float]]]]:
    """Natural log-probabilities of the chosen tokens, and of the ``top`` likeliest, of the plain model.

    Args:
        logits: ``[R, V]``, before penalties and temperature.
        tokens: R chosen ids.
        top: How many alternatives; 0 for none.
    """
    import torch

    log_probabilities = torch.log_softmax(logits.float(), -1)
    chosen = torch.tensor(tokens, device=logits.device)[:, None]
    own = log_probabilities.gather(-1, chosen)[:, 0].tolist()
    if not top:
        return own, [[] for _ in tokens]
    values, ids = log_probabilities.topk(min(top, logits.shape[-1]), -1)
    pairs = zip(ids.tolist(), values.tolist(), strict=True)
    return own, [list(zip(row_ids, row_values, strict=True)) for row_ids, row_values in pairs]
