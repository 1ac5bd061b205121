"""Cost: what every arm costs, and when the training has paid for itself."""

from understudy.cost.arms import ArmCost
from understudy.cost.breakeven import BreakEven, break_even
from understudy.cost.cache_rule import CacheRule, cache_rule, rule_of
from understudy.cost.claims import Claim, list_claims, tuned_price_ratio
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
from understudy.cost.history import HistoryCost
from understudy.cost.hosting import OwnMachine, RentedGpu
from understudy.cost.inputs import CostInputs, read_inputs
from understudy.cost.measured import Latency, MeasuredArm
from understudy.cost.price import Gpu, Price, find_gpu, find_price
from understudy.cost.table import CostTable, compute_costs, save_costs
from understudy.cost.training_cost import TrainingCost

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
    "HistoryCost",
    "Latency",
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
    "list_claims",
    "parse_trimming",
    "read_inputs",
    "rule_of",
    "save_costs",
    "tuned_price_ratio",
]
