"""Schedule: learning rate by step."""

import math

__all__ = ["rate_at", "warmup_steps"]

_WARMUP_SHARE = 0.05
_WARMUP_MOST = 100
_FLOOR = 0.1


def warmup_steps(total_steps: int) -> int:
    """Steps until the learning rate has reached its peak."""
    return max(1, min(_WARMUP_MOST, round(total_steps * _WARMUP_SHARE)))


def rate_at(step: int, total_steps: int, peak: float) -> float:
    """Learning rate of a step counted from 0: short linear warm-up, then a cosine to a tenth.

    Source: the cosine of Loshchilov and Hutter 2016, https://arxiv.org/abs/1608.03983.
    """
    warmup = warmup_steps(total_steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, total_steps - warmup)
    return peak * (_FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * progress)))
