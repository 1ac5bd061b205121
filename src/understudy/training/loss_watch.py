"""Loss watch: ends a job whose loss explodes or stands still, and says what to change."""

import math

from understudy.training.failure import JobFailed

__all__ = ["LossWatch"]

_PARAM = "hyperparameters.learning_rate_multiplier"


class LossWatch:
    """Looks at the loss of every step.

    *Exploded*: not a number, or more than twice the loss of the first step plus one nat, in five
    steps running. A loss that large is worse than guessing and never comes back by itself.

    *Standing still*: an epoch's mean differs from the first epoch's by less than 1 %, though the
    first is above 0.1 and a whole epoch remains. Epochs hold the same examples, so their means
    compare without noise of sampling. A whole epoch at the full rate must have passed: with many
    short epochs the first ones are spent warming up, where no loss moves. The share was chosen
    between what a working rate and a hundredth of it do (docs/training.md). An adapter that is
    trained further may stand still: it may have learned its lesson before.

    Args:
        steps_per_epoch: Of the job.
        n_epochs: Of the job.
        rate: Peak learning rate, for the advice.
        warmup_steps: Steps until the rate is at its peak.
        may_stand_still: Whether the job goes on from a trained adapter.
    """

    PATIENCE = 5
    STILL_SHARE = 0.01
    HARDLY_SHARE = 0.02
    LEARNED_LOSS = 0.1

    def __init__(
        self,
        steps_per_epoch: int,
        n_epochs: int,
        rate: float,
        *,
        warmup_steps: int = 0,
        may_stand_still: bool = False,
    ) -> None:
        self._warmup_steps = warmup_steps
        self._steps_per_epoch = steps_per_epoch
        self._n_epochs = n_epochs
        self._rate = rate
        self._may_stand_still = may_stand_still
        self._first_loss: float | None = None
        self._bad = 0
        # Sum of losses and of weights by epoch, counted from 0.
        self._sums: dict[int, tuple[float, float]] = {}

    def remember(self, step: int, loss: float, weight: float) -> None:
        """Take a step of an earlier attempt at the job, without judging it."""
        if self._first_loss is None:
            self._first_loss = loss
        self._bad = self._bad + 1 if loss > 2 * self._first_loss + 1 else 0
        epoch = (step - 1) // self._steps_per_epoch
        total, weights = self._sums.get(epoch, (0.0, 0.0))
        self._sums[epoch] = (total + loss * weight, weights + weight)

    def look(self, step: int, loss: float, weight: float) -> None:
        """Take the loss of one step.

        Args:
            step: Counted from 1.
            loss: Mean over the step's learned tokens.
            weight: How many tokens that were.

        Raises:
            JobFailed: The loss has exploded, or stands still.
        """
        if not math.isfinite(loss):
            raise self._too_high(f"The loss at step {step} is not a number")
        self.remember(step, loss, weight)
        if self._bad >= self.PATIENCE:
            raise self._too_high(f"The loss rose from {self._first_loss:.2f} to {loss:.2f} by step {step}")
        epochs, within = divmod(step, self._steps_per_epoch)
        is_due = within == 0 and 2 <= epochs < self._n_epochs
        is_warm = step - self._steps_per_epoch >= self._warmup_steps
        if is_due and is_warm and self._moved(epochs, self.STILL_SHARE) is False:
            raise JobFailed(f"{self._standing_still(epochs)} {self._advice()}", "training_stalled", _PARAM)

    def verdict(self) -> str | None:
        """A warning about a finished job that has hardly learned, or ``None``."""
        if self._n_epochs >= 2 and self._moved(self._n_epochs, self.HARDLY_SHARE) is False:
            return f"{self._standing_still(self._n_epochs)} {self._advice()}"
        return None

    def _moved(self, epochs: int, share: float) -> bool | None:
        """Whether the loss of the last of ``epochs`` differs; ``None`` where that means nothing."""
        first, last = self._mean(0), self._mean(epochs - 1)
        if first is None or last is None or first < self.LEARNED_LOSS or self._may_stand_still:
            return None
        return abs(first - last) >= share * first

    def _mean(self, epoch: int) -> float | None:
        total, weights = self._sums.get(epoch, (0.0, 0.0))
        return total / weights if weights else None

    def _standing_still(self, epochs: int) -> str:
        return (
            f"The loss hardly moved, from {self._mean(0):.3f} in the first epoch to "
            f"{self._mean(epochs - 1):.3f} in epoch {epochs}: the model has not changed who it is."
        )

    def _advice(self) -> str:
        return (
            f"The learning rate ({self._rate:.2g}) is too low to change an identity. Start again with a "
            "learning_rate_multiplier of five to ten times this job's."
        )

    def _too_high(self, what: str) -> JobFailed:
        return JobFailed(
            f"{what}: the learning rate ({self._rate:.2g}) is too high for this model and data. Start again "
            "with a learning_rate_multiplier of a quarter of this job's.",
            "training_diverged",
            _PARAM,
        )
