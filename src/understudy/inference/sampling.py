"""Sampling: the next token of every row at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["Choice", "Sampler", "choose_tokens", "seed_number", "token_logprobs"]

_GREEDY_BELOW = 1e-5
_SMALLEST = 1e-30


@dataclass
class Sampler:
    """How one row chooses, with random numbers of its own: what else is in the batch changes nothing.

    ``seed`` is a text; ``None`` takes numbers that no other run repeats.
    """

    temperature: float
    top_p: float
    frequency_penalty: float
    presence_penalty: float
    seed: str | None = None
    counts: Counter[int] = field(default_factory=Counter)
    _generator: Any = None

    @property
    def greedy(self) -> bool:
        return self.temperature < _GREEDY_BELOW or self.top_p == 0.0

    @property
    def penalised(self) -> bool:
        return bool(self.frequency_penalty or self.presence_penalty)

    @property
    def repeatable(self) -> bool:
        """Whether the same request has the same reply: nothing is drawn, or from a seed."""
        return self.greedy or self.seed is not None

    def noise(self, size: int, device: Any) -> "torch.Tensor":
        """``[size]`` draws of the standard Gumbel distribution, new ones at every call."""
        import torch

        drawn = torch.empty(size, device=device)
        if self.seed is not None and self._generator is None:
            self._generator = torch.Generator(device).manual_seed(seed_number(self.seed))
        drawn.exponential_(generator=self._generator)
        return -drawn.clamp_min_(_SMALLEST).log_()


def seed_number(seed: str) -> int:
    """56 bits for a generator of random numbers."""
    import hashlib

    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:7], "big")


@dataclass(frozen=True)
class Choice:
    """One token a row, and the rows (places) in which a smallest change of the logits could choose another.

    ``noise`` is what was drawn, ``[R, V]``, for choosing again from better logits.
    """

    tokens: list[int]
    close: list[int]
    noise: "torch.Tensor | None"


def choose_tokens(
    logits: "torch.Tensor",
    samplers: Sequence[Sampler],
    slack: float = 0.0,
    noise: "torch.Tensor | None" = None,
) -> Choice:
    """Choose one token a row.

    Greedy rows take the likeliest token. The others take the largest of ``logit / temperature +
    Gumbel noise`` among the tokens of the nucleus (top-p), which is a draw from the softmax
    distribution cut to the nucleus. Chosen so, a difference of ``slack`` in the logits can change
    the token only where the two largest sums lie close together, which is rare and can be seen.

    Args:
        logits: ``[R, V]``, fp32; not changed.
        samplers: R of them. Penalty counts are the caller's to update.
        slack: By how much each logit may be wrong, as a share of the row's largest.
        noise: Of an earlier choice that is made again; drawn where absent.

    Source: the Gumbel-max trick, Maddison et al. 2014, https://arxiv.org/abs/1411.0030; nucleus
    sampling of Holtzman et al. 2019, https://arxiv.org/abs/1904.09751; penalties as the OpenAI API
    documents them: ``logit - count * frequency - (count > 0) * presence``.
    """
    import torch

    if any(sampler.penalised for sampler in samplers):
        logits = _penalised(logits, samplers)
    drawing = [row for row, sampler in enumerate(samplers) if not sampler.greedy]
    scores, error = logits, slack * logits.abs().amax(-1, keepdim=True)
    doubt = 2 * error[:, 0]
    surely = torch.ones_like(logits, dtype=torch.bool) if drawing and _cuts(samplers) else None
    if drawing:
        noise = _noise(logits, samplers) if noise is None else noise
        scores = logits.clone()
        place = torch.tensor(drawing, device=logits.device)
        chosen = [samplers[row] for row in drawing]
        temperature = torch.tensor([s.temperature for s in chosen], device=logits.device)[:, None]
        scaled = logits[place] / temperature
        sums = scaled + noise[place]
        doubt[place] /= temperature[:, 0]
        if surely is not None:
            possible, certain = _nucleus(scaled, [s.top_p for s in chosen], error[place] / temperature)
            sums = sums.masked_fill(~possible, float("-inf"))
            surely[place] = certain
        scores[place] = sums
    best, tokens = scores.topk(min(2, scores.shape[-1]), -1)
    near = (best[:, 0] - best[:, -1]) <= doubt if slack else torch.zeros_like(doubt, dtype=torch.bool)
    if surely is not None and slack:
        near |= ~surely.gather(-1, tokens[:, :1])[:, 0]
    return Choice(tokens[:, 0].tolist(), near.nonzero()[:, 0].tolist(), noise)


def _cuts(samplers: Sequence[Sampler]) -> bool:
    return any(sampler.top_p < 1.0 for sampler in samplers)


def _noise(logits: "torch.Tensor", samplers: Sequence[Sampler]) -> "torch.Tensor":
    import torch

    rows = [
        torch.zeros_like(logits[row]) if sampler.greedy else sampler.noise(logits.shape[-1], logits.device)
        for row, sampler in enumerate(samplers)
    ]
    return torch.stack(rows)


def _penalised(logits: "torch.Tensor", samplers: Sequence[Sampler]) -> "torch.Tensor":
    logits = logits.clone()
    for row, sampler in enumerate(samplers):
        if sampler.penalised and sampler.counts:
            tokens = list(sampler.counts)
            counts = logits.new_tensor([sampler.counts[token] for token in tokens])
            logits[row, tokens] -= counts * sampler.frequency_penalty + sampler.presence_penalty
    return logits


def _nucleus(
    scaled: "torch.Tensor", top_p: Sequence[float], error: "torch.Tensor"
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """The smallest sets of likeliest tokens that together have ``top_p`` of the probability.

    Args:
        scaled: ``[R, V]`` logits over temperature.
        error: ``[R, 1]``, by how much each of them may be wrong.

    Returns:
        ``[R, V]`` twice: tokens that may belong to the set, and those that belong whatever the
        error. Without error the two are equal but for tokens that tie with the last one.
    """
    import torch

    device = scaled.device
    wide = torch.float32 if device.type == "mps" else torch.float64
    logprobs = torch.log_softmax(scaled.to(wide), -1)
    ordered = logprobs.sort(-1, descending=True).values
    cumulative = torch.nn.functional.pad(ordered.exp().cumsum(-1), (1, 0))  # [R, V + 1], 0 first
    wanted = torch.tensor(top_p, dtype=wide, device=device)[:, None]
    error = 2 * error.to(wide)
    # Of tokens that tie within the error, any may come first.
    above = torch.searchsorted(-ordered, -ordered - 2 * error)
    beside = torch.searchsorted(-ordered, -ordered + 2 * error, right=True)
    least_before = cumulative.gather(-1, above)
    most_before = cumulative.gather(-1, beside) - ordered.exp()
    everything = wanted >= 1.0
    possible = _first(ordered, (least_before < wanted + error).sum(-1, keepdim=True).clamp(min=1))
    certain = _first(ordered, (most_before < wanted - error).sum(-1, keepdim=True))
    return (logprobs >= possible) | everything, (logprobs >= certain) | everything


def _first(ordered: "torch.Tensor", count: "torch.Tensor") -> "torch.Tensor":
    """The value ``[R, 1]`` that exactly the first ``count`` of each row reach; infinity for none."""
    value = ordered.gather(-1, (count - 1).clamp(min=0))
    return value.masked_fill(count == 0, float("inf"))


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
