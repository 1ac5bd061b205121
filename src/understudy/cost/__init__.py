"""Cost: what every arm costs, and when the training has paid for itself."""

from understudy.cost.arms import ArmCost, TrainingCost
from understudy.cost.breakeven import BreakEven, break_even
from understudy.cost.conversation import (
    ALL_HISTORY,
    Caching,
    Shape,
    Trimming,
    Turn,
    conversation_usd,
    grow,
    parse_trimming,
)
from understudy.cost.hosting import OwnMachine, RentedGpu
from understudy.cost.inputs import CostInputs, MeasuredArm, read_inputs
from understudy.cost.price import CacheRule, Gpu, Price, cache_rule, find_gpu, find_price
from understudy.cost.table import Claim, CostTable, compute_costs, save_costs, tuned_price_ratio

__all__ = [
    "ALL_HISTORY",
    "ArmCost",
    "BreakEven",
    "CacheRule",
    "Caching",
    "Claim",
    "CostInputs",
    "CostTable",
    "Gpu",
    "MeasuredArm",
    "OwnMachine",
    "Price",
    "RentedGpu",
    "Shape",
    "TrainingCost",
    "Trimming",
    "Turn",
    "break_even",
    "cache_rule",
    "compute_costs",
    "conversation_usd",
    "find_gpu",
    "find_price",
    "grow",
    "parse_trimming",
    "read_inputs",
    "save_costs",
    "tuned_price_ratio",
]
