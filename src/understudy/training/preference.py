"""Preference: direct preference optimisation (DPO) on pairs of replies to one conversation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import DatasetError
from understudy.inference.prefixes import common_length
from understudy.training.batches import split_by_tokens
from understudy.training.examples import Example, ExampleSet, load_rows
from understudy.training.objective import Learner
from understudy.training.predictions import predict

if TYPE_CHECKING:
    import torch

    from understudy.rendering import Renderer

__all__ = ["Pair", "Preference"]

OUTPUTS = ("preferred_output", "non_preferred_output")


@dataclass(frozen=True)
class Pair:
    """Two sequences with the same conversation before the learned reply; ``number`` counts from 1."""

    number: int
    preferred: Example
    rejected: Example

    @property
    def ids(self) -> list[int]:
        """The tokens that are read for the pair: what both begin with once."""
        shared = common_length(self.preferred.ids, self.rejected.ids)
        return [*self.preferred.ids, *self.rejected.ids[shared:]]

    @property
    def learned(self) -> int:
        return self.preferred.learned + self.rejected.learned


class Preference:
    """DPO with the base, its adapter switched off, as the reference.

    The loss of a pair is ``-ln sigmoid(beta * margin)``, the margin being how much more than the
    reference the model prefers the preferred reply: ``(ln p - ln p_ref)`` of the preferred reply
    less that of the other. Log-probabilities are sums over a reply with its end of turn. A job
    that goes on from a tuned model is measured against the same base, so no second model is held
    and a resumed job finds the same reference again.

    Source: Rafailov et al. 2023, https://arxiv.org/abs/2305.18290, equation 7.

    Args:
        beta: How strongly the model is held to the reference; 0.1 is usual.
    """

    sums: tuple[str, ...] = ("loss", "correct", "tokens", "pairs", "won", "margin")

    def __init__(self, beta: float) -> None:
        self.beta = beta
        self._reference: dict[int, tuple[float, float]] = {}  # by identity of the pair

    def load(self, path: Path, renderer: "Renderer", max_tokens: int) -> ExampleSet[Pair]:
        """Read a file in the OpenAI preference format.

        Raises:
            DatasetError: Lines that cannot be read or teach nothing, all named.
        """
        return load_rows(path, lambda number, row: _pair(number, row, renderer, max_tokens))

    def prepare(self, learner: Learner, sets: Sequence[ExampleSet[Pair]], piece_tokens: int) -> None:
        """Ask the base how likely all replies are; it never changes, so once is enough."""
        import torch

        was_training = learner.tuned.training
        learner.tuned.eval()
        with torch.no_grad(), learner.tuned.disable_adapter():
            for found in sets:
                for piece in split_by_tokens(found.examples, piece_tokens):
                    learner.interrupted()
                    values, _, _ = _reply_logprobs(learner.tuned, learner, piece)
                    for pair, both in zip(piece, values.double().tolist(), strict=True):
                        self._reference[id(pair)] = (both[0], both[1])
        learner.tuned.train(was_training)

    def renew(self, learner: Learner, batch: Sequence[Pair], step: int) -> Sequence[Pair]:
        return batch

    def weight(self, batch: Sequence[Pair]) -> int:
        return len(batch)

    def measure(
        self, learner: Learner, piece: Sequence[Pair], training: bool
    ) -> tuple["torch.Tensor", list["torch.Tensor"]]:
        import torch
        import torch.nn.functional as F

        values, correct, tokens = _reply_logprobs(learner.wrapped, learner, piece)
        reference = torch.tensor([self._reference[id(pair)] for pair in piece]).to(values)
        rewards = self.beta * (values - reference)
        margins = rewards[:, 0] - rewards[:, 1]
        won, pairs = (margins.detach() > 0).sum(), torch.tensor(len(piece))
        return -F.logsigmoid(margins).sum(), [correct, tokens, pairs, won, margins.detach().sum()]

    def metrics(self, totals: dict[str, float]) -> dict[str, float]:
        """Accuracy of tokens counts the preferred replies; rewards are ``beta`` times log-ratios."""
        pairs = totals["pairs"]
        return {
            "loss": totals["loss"] / pairs,
            "mean_token_accuracy": totals["correct"] / totals["tokens"],
            "reward_accuracy": totals["won"] / pairs,
            "reward_margin": totals["margin"] / pairs,
        }


def _reply_logprobs(
    model: Any, learner: Learner, piece: Sequence[Pair]
) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    """Log-probabilities ``[P, 2]`` (preferred, rejected); right guesses and tokens of the preferred."""
    import torch

    sequences = [example for pair in piece for example in (pair.preferred, pair.rejected)]
    found = predict(model, learner.head, sequences, learner.device)
    sums = torch.zeros(len(sequences), device=learner.device)
    sums = sums.index_add(0, found.owners, found.logprobs())
    preferred = found.owners % 2 == 0
    right = (found.logits.detach().argmax(-1) == found.targets)[preferred].sum()
    return sums.view(-1, 2), right, preferred.sum()


# --- from a line of the file to a pair ---------------------------------------------------------


def _pair(number: int, row: Any, renderer: "Renderer", max_tokens: int) -> tuple[list[Pair], bool]:
    """The pair of one line, and whether it was cut.

    Raises:
        DatasetError: Without the example's number, which the caller knows.
    """
    conversation, outputs = _parts(row)
    rendered = [_reply(conversation, reply, renderer, max_tokens) for reply in outputs]
    if rendered[0].ids == rendered[1].ids:
        raise DatasetError(
            "prefers nothing: both replies are the same"
            + (f" up to max_tokens ({max_tokens})" if rendered[0].truncated else "")
            + ". Write two different replies, or delete the line."
        )
    pair = Pair(number, *(Example(number, list(r.ids), list(r.labels)) for r in rendered))
    if not pair.preferred.learned or not pair.rejected.learned:
        raise DatasetError(
            f"learns nothing: its replies begin after max_tokens ({max_tokens}). Raise max_tokens, or "
            "shorten what comes before the replies."
        )
    return [pair], any(r.truncated for r in rendered)


def _parts(row: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The conversation, of which nothing is learned, and the two replies, preferred first."""
    if not isinstance(row, dict):
        raise DatasetError("is not a JSON object.")
    given = row.get("input")
    messages = given.get("messages") if isinstance(given, dict) else None
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise DatasetError("has no 'input': {'messages': [...]}.")
    outputs = [row.get(key) for key in OUTPUTS]
    if not all(isinstance(o, list) and len(o) == 1 and isinstance(o[0], Mapping) for o in outputs):
        raise DatasetError(f"needs {' and '.join(OUTPUTS)}, each a list of one assistant message.")
    before = [{**m, "weight": 0} if m.get("role") == "assistant" else m for m in messages]
    return before, [{**output[0], "weight": 1} for output in outputs if output]


def _reply(
    conversation: list[dict[str, Any]], reply: dict[str, Any], renderer: "Renderer", max_tokens: int
) -> Any:
    return renderer.examples([*conversation, reply], max_tokens=max_tokens)[-1]
