"""Trust: did a rater tell the planted controls? Who did not is not believed about anything else."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from understudy.evaluation.row_file import RowFile
from understudy.evaluation.statistics import wilson
from understudy.judging.comparison import ORDERS, Outcome, combine
from understudy.judging.controls import CONTROLS, FEWEST, PASS_RATE
from understudy.judging.faults import fault_names
from understudy.judging.pair import Pair
from understudy.judging.plan import JudgingPlan

__all__ = [
    "ControlResult",
    "controls_passed",
    "fault_results",
    "outcome_of",
    "person_withheld_reason",
    "rated_controls",
    "withheld_reason",
]

INFORMEDNESS = 0.5
"""Least sensitivity + specificity − 1 of a fault question: half-way between guessing and knowing."""
MOST_UNREADABLE = 0.1


@dataclass(frozen=True)
class ControlResult:
    """One kind of planted control: ``rate`` is how often the better reply was taken, ties half."""

    kind: str
    title: str
    rate: float | None
    low: float | None
    high: float | None
    count: int
    passed: bool
    note: str | None = None

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


def outcome_of(plan: JudgingPlan, rater: str, pair: Pair, ratings: RowFile) -> Outcome | None:
    """What a rater said of a pair in the orders that it was asked; ``None`` where it said nothing readable.

    A judge has to be asked in both orders; a person sees one.
    """
    if pair.is_same:
        return Outcome(0.5, True, 0.5)
    rows = {order: ratings.rows.get(plan.comparison_key(rater, pair, order)) for order in ORDERS}
    found = {order: row for order, row in rows.items() if row is not None}
    if not found or (len(found) < 2 and not any(row.get("person") for row in found.values())):
        return None
    return combine({order: row["choice"] for order, row in found.items()})


def _was_asked(plan: JudgingPlan, rater: str, pair: Pair, ratings: RowFile) -> bool:
    return any(plan.comparison_key(rater, pair, order) in ratings.rows for order in ORDERS)


def rated_controls(plan: JudgingPlan, rater: str, ratings: RowFile) -> list[ControlResult]:
    """Every kind of control. Unreadable answers count as ties, so that silence passes nothing."""
    results = []
    for kind, title in CONTROLS.items():
        if kind in plan.controls.missing:
            results.append(
                ControlResult(
                    kind, title, None, None, None, 0, True, f"not made: {plan.controls.missing[kind]}"
                )
            )
            continue
        pairs = [p for p in plan.controls.pairs if p.kind == kind and _was_asked(plan, rater, p, ratings)]
        outcomes = [outcome_of(plan, rater, pair, ratings) for pair in pairs]
        values = [outcome.value if outcome else 0.5 for outcome in outcomes]
        bounds = wilson(sum(values), len(values))
        rate = bounds.value
        passed = len(values) >= FEWEST and rate is not None and rate >= PASS_RATE
        results.append(ControlResult(kind, title, rate, bounds.low, bounds.high, len(values), passed))
    return results


def withheld_reason(plan: JudgingPlan, rater: str, ratings: RowFile) -> str | None:
    """Why a rater's scores are withheld, or ``None`` where they are not."""
    made = [kind for kind in CONTROLS if kind not in plan.controls.missing]
    if not made:
        return "no planted controls could be made of this character's dialogues"
    failed = [result for result in rated_controls(plan, rater, ratings) if not result.passed]
    if any(result.count < FEWEST for result in failed):
        return "the planted controls were not finished"
    if failed:
        told = "; ".join(f"{r.title}: {r.rate:.2f} of {r.count}" for r in failed)
        return f"it failed planted controls, where {PASS_RATE} is needed and 0.5 is guessing ({told})"
    asked = [p for p in plan.pairs.pairs if not p.is_same and _was_asked(plan, rater, p, ratings)]
    unreadable = [p for p in asked if outcome_of(plan, rater, p, ratings) is None]
    if asked and len(unreadable) > MOST_UNREADABLE * len(asked):
        return f"{len(unreadable)} of {len(asked)} pairs got no readable answer"
    return None


def person_withheld_reason(plan: JudgingPlan, person: str, ratings: RowFile) -> str | None:
    """The same for a person, who sees too few controls for every kind to count alone: all kinds together."""
    results = [result for result in rated_controls(plan, person, ratings) if result.count]
    count = sum(result.count for result in results)
    if count < FEWEST:
        return f"{count} planted controls were answered, {FEWEST} are needed"
    rate = sum((result.rate or 0.0) * result.count for result in results) / count
    if rate < PASS_RATE:
        return f"the better line was taken in {rate:.2f} of {count} planted controls, {PASS_RATE} is needed"
    return None


def controls_passed(plan: JudgingPlan, rater: str, ratings: RowFile) -> bool:
    """Whether a rater tells every kind of control that could be made."""
    results = rated_controls(plan, rater, ratings)
    return len(plan.controls.missing) < len(CONTROLS) and all(result.passed for result in results)


def fault_results(plan: JudgingPlan, rater: str, ratings: RowFile) -> dict[str, dict[str, Any]]:
    """Each fault's sensitivity on planted faults and specificity on real lines, and whether it is believed.

    Believed where sensitivity + specificity − 1 (Youden 1950, Cancer 3:32) is ``INFORMEDNESS`` or more on
    eight planted faults and eight real lines at least.
    """
    planted: dict[str, list[bool]] = {name: [] for name in fault_names()}
    clean: dict[str, list[bool]] = {name: [] for name in fault_names()}
    for case in plan.examined_controls():
        row = ratings.rows.get(plan.examination_key(rater, case))
        if row is None:
            continue
        said: Mapping[str, bool | None] = row["faults"]
        for name in fault_names():
            if case.known.get(name):
                planted[name].append(bool(said.get(name)))
            elif case.kind == "real":
                clean[name].append(bool(said.get(name)))
    return {name: _fault_row(planted[name], clean[name]) for name in fault_names()}


def _fault_row(planted: list[bool], clean: list[bool]) -> dict[str, Any]:
    sensitivity = sum(planted) / len(planted) if planted else None
    specificity = 1 - sum(clean) / len(clean) if clean else None
    enough = len(planted) >= FEWEST and len(clean) >= FEWEST
    told = enough and (sensitivity or 0) + (specificity or 0) - 1 >= INFORMEDNESS
    failing = "planted faults and real lines look alike to it" if enough else "too few controls"
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "planted": len(planted),
        "real": len(clean),
        "believed": told,
        "reason": None if told else failing,
    }
