"""History: what the ways of trimming a conversation cost, and whether they break the cached beginning."""

from dataclasses import dataclass, replace
from itertools import pairwise

from understudy.cost.arms import HOSTED, ArmCost, hosted_turns, shape_of
from understudy.cost.conversation import ALL_HISTORY, Trimming, Turn, conversation_usd
from understudy.cost.inputs import CostInputs
from understudy.cost.price import find_price

__all__ = ["HistoryCost", "price_history"]

POLICIES = (ALL_HISTORY, Trimming("last", 6), Trimming("halve", 12), Trimming("tokens", 1000))
ARMS = {"cheap+long": "long", "tuned+short": "short", "expensive+long": "long"}


@dataclass(frozen=True)
class HistoryCost:
    """One arm under one policy. ``broken_turns`` are the turns that find the beginning of the last one gone.

    ``saved_usd`` is what trimming saves against sending everything; negative where it costs more.
    """

    arm: str
    model: str
    policy: str
    usd: float
    saved_usd: float
    prompt_tokens: float
    cached_share: float
    broken_turns: int


def price_history(inputs: CostInputs, arms: list[ArmCost]) -> list[HistoryCost]:
    """The hosted arms that matter most under each policy, the user's own included."""
    policies = dict.fromkeys([*POLICIES, inputs.trimming])
    rows = []
    for arm in arms:
        if arm.place != HOSTED or arm.arm not in ARMS:
            continue
        price = find_price(arm.model)
        shape = shape_of(inputs, ARMS[arm.arm])
        grown = {policy: hosted_turns(replace(inputs, trimming=policy), shape, price) for policy in policies}
        whole = conversation_usd(grown[ALL_HISTORY], price)
        for policy, turns in grown.items():
            usd = conversation_usd(turns, price)
            rows.append(_row(arm, policy, turns, usd, whole - usd))
    return rows


def _row(arm: ArmCost, policy: Trimming, turns: list[Turn], usd: float, saved: float) -> HistoryCost:
    prompt = sum(turn.prompt_tokens for turn in turns)
    broken = sum(one.dropped_turns != other.dropped_turns for one, other in pairwise(turns))
    cached = sum(turn.cached_tokens for turn in turns)
    return HistoryCost(
        arm.arm, arm.model, str(policy), usd, saved, prompt, cached / prompt if prompt else 0.0, broken
    )
