"""Expense: what training like the baseline takes, here and at others, and what the cost table says."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from understudy.cost import compute_costs, read_inputs
from understudy.cost.training_quote import quote_training
from understudy.errors import UnderstudyError
from understudy.study.cell_plan import CellPlan
from understudy.study.measurement import Measurement
from understudy.study.site import Site

__all__ = ["find_expense"]


def find_expense(site: Site, plan: CellPlan, baseline: Sequence[Measurement]) -> dict[str, Any]:
    """Seconds and tokens of the baseline's training, quotes elsewhere, and break-even in words."""
    times = [float(one.seconds["training"]) for one in baseline if one.seconds.get("training")]  # type: ignore[arg-type]
    seconds = fmean(times) if times else None
    speed = plan.tokens / seconds if seconds else None
    try:
        quotes = [quote.as_dict() for quote in quote_training(plan.tokens, tokens_per_second=speed)]
        table = compute_costs(read_inputs(site.folder))
        answers = [str(answer) for answer in table.answers]
    except UnderstudyError as error:
        return {"seconds": seconds, "tokens": plan.tokens, "quotes": [], "answers": [], "note": str(error)}
    as_of = asdict(table)["created_on"]
    return {"seconds": seconds, "tokens": plan.tokens, "quotes": quotes, "answers": answers, "as_of": as_of}
