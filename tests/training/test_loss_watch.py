"""The watch over the loss: what it ends, what it lets pass, and what it remembers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.training.failure import JobFailed
from understudy.training.loss_watch import LossWatch


def feed(watch: LossWatch, losses: list[float], first_step: int = 1) -> str | None:
    """The code with which the watch ends a job of these losses, or ``None``."""
    try:
        for step, loss in enumerate(losses, first_step):
            watch.look(step, loss, 10.0)
    except JobFailed as failure:
        return failure.code
    return None


def job(n_epochs: int = 4, **options) -> LossWatch:
    return LossWatch(3, n_epochs, 1e-4, **options)


def test_a_falling_loss_passes() -> None:
    watch = job()
    assert feed(watch, [5 - 0.1 * step for step in range(12)]) is None
    assert watch.verdict() is None


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_job_at_once(loss: float) -> None:
    assert feed(job(), [5.0, loss]) == "training_diverged"


def test_a_high_loss_ends_the_job_when_it_stays() -> None:
    assert feed(job(), [5.0] + [11.5] * 4 + [4.0] + [11.5] * 4) is None
    assert feed(job(), [5.0] + [11.5] * 5) == "training_diverged"


def test_a_loss_that_stands_still_ends_the_job_after_two_epochs_if_more_would_follow() -> None:
    still = [5.0, 4.0, 6.0, 6.0, 4.0, 4.96]
    assert feed(job(), still[:5]) is None
    assert feed(job(), still) == "training_stalled"
    watch = job()
    feed(watch, still[:5])
    with pytest.raises(JobFailed, match="learning_rate_multiplier of five to ten times"):
        watch.look(6, still[5], 10.0)


def test_a_job_of_two_epochs_ends_with_a_warning_instead() -> None:
    watch = job(n_epochs=2)
    assert feed(watch, [5.0] * 6) is None
    assert "too low to change an identity" in watch.verdict()


def test_what_was_learned_before_may_stand_still() -> None:
    assert feed(job(may_stand_still=True), [5.0] * 12) is None
    low = job()
    assert feed(low, [0.05] * 12) is None
    assert low.verdict() is None


def test_one_epoch_is_not_judged() -> None:
    watch = job(n_epochs=1)
    assert feed(watch, [5.0] * 3) is None
    assert watch.verdict() is None


@given(st.lists(st.floats(0.2, 40.0), min_size=1, max_size=12), st.integers(0, 12))
def test_an_interrupted_job_is_judged_as_an_uninterrupted_one(losses: list[float], cut: int) -> None:
    whole = feed(job(), losses)
    cut = min(cut, len(losses))
    if feed(job(), losses[:cut]) is not None:
        return  # It ended before it was interrupted.
    resumed = job()
    for step, loss in enumerate(losses[:cut], 1):
        resumed.remember(step, loss, 10.0)
    assert feed(resumed, losses[cut:], cut + 1) == whole


def test_epochs_of_the_warm_up_may_stand_still() -> None:
    watch = job(n_epochs=50, warmup_steps=8)
    assert feed(watch, [5.0] * 9) is None
    assert feed(watch, [5.0] * 3, first_step=10) == "training_stalled"
