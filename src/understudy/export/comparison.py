"""Comparison: whether an export says what the trained model says, and not what the bare base says."""

from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from understudy.errors import ModelError
from understudy.export.reading import Reading

__all__ = ["Comparison", "compare"]

# Rounding to bf16 moved the likelihood of replies by about 0.002 nats a token on the embedded model.
MOST_NATS = 0.05
MOST_SHARE = 0.2
LEAST_EFFECT = 0.001


@dataclass(frozen=True)
class Comparison:
    """Likelihoods in nats per token of held-out replies.

    Attributes:
        difference: Mean absolute difference of a probe between trained and exported model.
        effect: The same between trained model and bare base: what the adapter does.
        allowed: How large ``difference`` may be.
        same_replies: Greedy replies that are equal token by token.
        probes: Count of both.
    """

    trained: float
    exported: float
    base: float
    difference: float
    effect: float
    allowed: float
    same_replies: int
    probes: int

    def as_dict(self) -> dict[str, Any]:
        return {key: round(v, 5) if isinstance(v, float) else v for key, v in asdict(self).items()}


def compare(trained: Reading, exported: Reading, base: Reading, what: str) -> Comparison:
    """Compare an export that was loaded again with the model that was trained.

    Raises:
        ModelError: It differs by more than rounding, or the adapter is not on.
    """
    both = zip(trained.replies, exported.replies, strict=True)
    effect = _distance(trained, base)
    found = Comparison(
        trained=trained.mean,
        exported=exported.mean,
        base=base.mean,
        difference=_distance(trained, exported),
        effect=effect,
        allowed=min(MOST_NATS, MOST_SHARE * effect),
        same_replies=sum(one == other for one, other in both),
        probes=len(trained.replies),
    )
    if found.effect < LEAST_EFFECT:
        raise ModelError(
            f"{what}: the adapter changes nothing ({found.effect:.5f} nats per token on {found.probes} "
            "held-out replies), so it cannot be shown to be on. Train with a higher learning rate first."
        )
    if found.difference > found.allowed:
        toward = "It says what the bare base says, as if the adapter were off. " if _is_base(found) else ""
        raise ModelError(
            f"{what}: what was written differs from the trained model by {found.difference:.4f} nats per "
            f"token (allowed are {found.allowed:.4f}). {toward}It was not kept."
        )
    return found


def _distance(one: Reading, other: Reading) -> float:
    return mean(abs(a - b) for a, b in zip(one.logprobs, other.logprobs, strict=True))


def _is_base(found: Comparison) -> bool:
    return abs(found.exported - found.base) < abs(found.exported - found.trained) / 10
