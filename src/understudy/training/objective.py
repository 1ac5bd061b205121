"""Objective: what a job learns from its examples, and how a batch is measured."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from understudy.training.examples import Example, ExampleSet, load_examples
from understudy.training.predictions import predict

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

    from understudy.rendering import Renderer

__all__ = ["Learner", "Objective", "Supervised"]


class Learner:
    """The model of a running job, as objectives see it.

    Attributes:
        tuned: The model with its adapter.
        wrapped: What is called in a step; carries gradients across processes.
        head: The output projection inside ``tuned``.
        autocast: Opens the precision of the job, for calls that do not go through ``wrapped``.
        interrupted: Raises when the job is asked to stop; for work outside steps.
    """

    def __init__(
        self,
        tuned: "PeftModel",
        wrapped: Any,
        head: Any,
        device: "torch.device",
        renderer: "Renderer",
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        interrupted: Callable[[], None] = lambda: None,
    ) -> None:
        self.tuned = tuned
        self.wrapped = wrapped
        self.head = head
        self.device = device
        self.renderer = renderer
        self.autocast = autocast
        self.interrupted = interrupted


class Objective(Protocol):
    """One method of training. A step's loss is the sum over its batch by the batch's weight."""

    sums: tuple[str, ...]
    """Names of what ``measure`` adds up; the first is ``loss``."""

    def load(self, path: Path, renderer: "Renderer", max_tokens: int) -> ExampleSet[Any]:
        """Read a file of this method's format."""
        ...

    def prepare(self, learner: Learner, sets: Sequence[ExampleSet[Any]], piece_tokens: int) -> None:
        """Compute what stays the same in all steps; called once, before the first."""
        ...

    def renew(self, learner: Learner, batch: Sequence[Any], step: int) -> Sequence[Any]:
        """The batch as it is learned in this step; most methods leave it as it is."""
        ...

    def weight(self, batch: Sequence[Any]) -> int:
        """What the loss of a batch is divided by."""
        ...

    def measure(
        self, learner: Learner, piece: Sequence[Any], training: bool
    ) -> tuple["torch.Tensor", list["torch.Tensor"]]:
        """Loss of a piece, summed and with gradients, and the other ``sums``, without."""
        ...

    def metrics(self, totals: dict[str, float]) -> dict[str, float]:
        """What is reported of sums over a batch: at least ``loss`` and ``mean_token_accuracy``."""
        ...


class Supervised:
    """Cross-entropy of the learned tokens."""

    sums: tuple[str, ...] = ("loss", "correct", "tokens")

    def load(self, path: Path, renderer: "Renderer", max_tokens: int) -> ExampleSet[Example]:
        return load_examples(path, renderer, max_tokens)

    def prepare(self, learner: Learner, sets: Sequence[ExampleSet[Example]], piece_tokens: int) -> None:
        """Nothing stays the same."""

    def renew(self, learner: Learner, batch: Sequence[Example], step: int) -> Sequence[Example]:
        return batch

    def weight(self, batch: Sequence[Example]) -> int:
        return sum(example.learned for example in batch)

    def measure(
        self, learner: Learner, piece: Sequence[Example], training: bool
    ) -> tuple["torch.Tensor", list["torch.Tensor"]]:
        import torch

        found = predict(learner.wrapped, learner.head, piece, learner.device)
        tokens = torch.tensor(len(found.targets))
        return -found.logprobs().sum(), [found.correct(), tokens]

    def metrics(self, totals: dict[str, float]) -> dict[str, float]:
        tokens = totals["tokens"]
        return {"loss": totals["loss"] / tokens, "mean_token_accuracy": totals["correct"] / tokens}
