"""Budget: how often examples are seen, so that cells of any size are trained for equally long."""

from dataclasses import dataclass

from understudy.errors import ConfigError

__all__ = ["MOST_EPOCHS", "Schedule", "schedule"]

MOST_EPOCHS = 50  # what the fine-tuning API takes


@dataclass(frozen=True)
class Schedule:
    """Passes over a file of so many rows, and the optimiser steps that they make.

    ``rows`` is at least the number of examples; where it is larger, some stand twice in the file.
    """

    epochs: int
    rows: int
    steps: int


def schedule(examples: int, batch_size: int, steps: int) -> Schedule:
    """As many steps as asked for, or up to one in twenty fewer, in whole passes over all examples.

        passes = floor(steps / ceil(examples / batch)), at most 50
        steps of a pass = floor(steps / passes)

    A pass is then filled up with a second sight of some examples: otherwise 700 examples could have 90 or 180
    steps of eight, and never 200.

    Raises:
        ConfigError: So few steps do not show every example once.
    """
    least = -(-examples // batch_size)
    if examples < 1 or least > steps:
        raise ConfigError(
            f"{steps} steps of {batch_size} show {steps * batch_size:,} examples, fewer than the "
            f"{examples:,} of this size. Ask for {least} steps or more, or for fewer dialogues."
        )
    passes = min(MOST_EPOCHS, steps // least)
    per_pass = steps // passes
    return Schedule(passes, max(examples, per_pass * batch_size), passes * per_pass)
