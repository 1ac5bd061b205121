"""Schedule: learning rate by step, and the watch over the loss."""

import math

from understudy.training.failure import JobFailed

__all__ = ["LossWatch", "rate_at"]

_WARMUP_SHARE = 0.05
_WARMUP_MOST = 100
_FLOOR = 0.1


def rate_at(step: int, total_steps: int, peak: float) -> float:
    """Learning rate of a step counted from 0: short linear warm-up, then a cosine to a tenth.

    Source: the cosine of Loshchilov and Hutter 2016, https://arxiv.org/abs/1608.03983.
    """
    warmup = max(1, min(_WARMUP_MOST, round(total_steps * _WARMUP_SHARE)))
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, total_steps - warmup)
    return peak * (_FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * progress)))


class LossWatch:
    """Ends a job whose loss is not a number, or stays far above where it began.

    Far above: more than twice the loss of the first step plus one nat, in five steps running.
    A loss that large is worse than guessing and never comes back by itself.
    """

    PATIENCE = 5

    def __init__(self, first_loss: float | None = None) -> None:
        self.first_loss = first_loss
        self._bad = 0

    def look(self, loss: float, step: int, rate: float) -> None:
        """Take the loss of one step.

        Raises:
            JobFailed: The loss has exploded.
        """
        if not math.isfinite(loss):
            raise JobFailed(
                _advice(f"The loss at step {step} is not a number", rate),
                "training_diverged",
                "hyperparameters.learning_rate_multiplier",
            )
        if self.first_loss is None:
            self.first_loss = loss
        self._bad = self._bad + 1 if loss > 2 * self.first_loss + 1 else 0
        if self._bad >= self.PATIENCE:
            text = f"The loss rose from {self.first_loss:.2f} to {loss:.2f} by step {step}"
            raise JobFailed(
                _advice(text, rate), "training_diverged", "hyperparameters.learning_rate_multiplier"
            )


def _advice(what: str, rate: float) -> str:
    return (
        f"{what}: the learning rate ({rate:.2g}) is too high for this model and data. Start again with "
        "a learning_rate_multiplier of a quarter of this job's."
    )
