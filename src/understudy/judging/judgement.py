"""Judgement: what judges and persons said of two arms, as ``judgement.json`` holds it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import mean
from typing import Any

from understudy import __version__
from understudy.atomic import write_json
from understudy.evaluation.row_file import RowFile
from understudy.evaluation.words import words
from understudy.judging.agreement import krippendorff_alpha, share_equal
from understudy.judging.comparison import ORDERS, Outcome
from understudy.judging.family import families_of, protocol_breaches
from understudy.judging.fault_table import fault_agreement, fault_table
from understudy.judging.plan import JudgingPlan
from understudy.judging.prompt import load_prompt
from understudy.judging.sentence import tell_judgement
from understudy.judging.trust import outcome_of, person_withheld_reason, rated_controls, withheld_reason
from understudy.judging.win_rate import Compared, interval_row, length_adjusted, win_rate

__all__ = ["SCHEMA", "compute_judgement", "raters_of", "save_judgement"]

SCHEMA = "understudy.judgement/1"
METHOD = (
    "pairs judged in both orders, inconsistent is a tie, ties count half; persons see one seeded order; "
    "replies to one probe averaged first; 95 % interval: the wider of the cluster bootstrap and Wilson's; "
    "length-adjusted: logistic regression on the difference in words, at equal length"
)


def compute_judgement(
    plan: JudgingPlan,
    judges: Sequence[str],
    persons: Sequence[str],
    ratings: RowFile,
    *,
    complete: bool = True,
    usd: float = 0.0,
) -> dict[str, Any]:
    """Everything that follows from the ratings. Asks nobody."""
    outcomes = {rater: _outcomes(plan, rater, ratings) for rater in (*judges, *persons)}
    reasons = {judge: withheld_reason(plan, judge, ratings) for judge in judges}
    reasons |= {person: person_withheld_reason(plan, person, ratings) for person in persons}
    rows = {rater: _rater_row(plan, rater, outcomes[rater], ratings, reasons[rater]) for rater in outcomes}
    believed = [judge for judge in judges if not rows[judge]["withheld"]]
    joint = _averaged(plan, [outcomes[judge] for judge in believed])
    rate, adjusted = _rates(joint) if joint else (None, None)
    return {
        "schema": SCHEMA,
        "character": plan.briefing.name,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": plan.run.name,
        "a": plan.arms[0],
        "b": plan.arms[1],
        "complete": complete,
        "pairs": {
            "count": len(plan.pairs.pairs),
            "equal_replies": sum(pair.is_same for pair in plan.pairs.pairs),
            "left_out": plan.pairs.left_out,
            "sha256": plan.sha256(),
        },
        "win_rate": rate,
        "length_adjusted": adjusted,
        "by_category": _by_category(plan, joint),
        "sentence": tell_judgement(plan.arms, rate, rows, judges, persons),
        "judges": [rows[judge] for judge in judges],
        "persons": [rows[person] for person in persons],
        "agreement": {
            **_agreement(plan, outcomes, believed, persons),
            "faults": fault_agreement(plan, believed, ratings),
        },
        "faults": fault_table(plan, believed, ratings),
        "protocol": {
            "breaches": protocol_breaches(judges, plan.writers) if judges else [],
            "controls_missing": plan.controls.missing,
            "prompts": {name: load_prompt(name).as_row() for name in ("pairwise", "faults")},
            "seed": plan.seed,
            "temperature": 0.0,
            "method": METHOD,
        },
        "usd": round(usd, 6),
        "versions": {"understudy": __version__},
    }


def raters_of(plan: JudgingPlan, ratings: RowFile) -> tuple[list[str], list[str]]:
    """Judges and persons that have rated pairs or controls of this plan, by their first answer."""
    asked = (*plan.controls.pairs, *plan.pairs.pairs)
    found: dict[str, bool] = {}
    for row in ratings.rows.values():
        found.setdefault(row["rater"], bool(row.get("person")))
    active = [
        rater
        for rater in found
        if any(plan.comparison_key(rater, pair, order) in ratings.rows for pair in asked for order in ORDERS)
    ]
    return [r for r in active if not found[r]], [r for r in active if found[r]]


def save_judgement(plan: JudgingPlan, judgement: dict[str, Any]) -> None:
    """Write ``judgement.json`` into the run's folder."""
    write_json(plan.run / "judgement.json", judgement)


def _outcomes(plan: JudgingPlan, rater: str, ratings: RowFile) -> dict[str, Outcome]:
    """What a rater said, by pair; equal replies count once it has rated anything."""
    found = {p.id: outcome_of(plan, rater, p, ratings) for p in plan.pairs.pairs if not p.is_same}
    said = {pair: outcome for pair, outcome in found.items() if outcome is not None}
    if not said and any(not pair.is_same for pair in plan.pairs.pairs):
        return {}
    equal = {p.id: Outcome(0.5, True, 0.5) for p in plan.pairs.pairs if p.is_same}
    return said | equal


def _compared(plan: JudgingPlan, values: dict[str, float]) -> list[Compared]:
    return [
        Compared(
            values[pair.id], pair.group, pair.id.rpartition("#")[0], len(words(pair.a)), len(words(pair.b))
        )
        for pair in plan.pairs.pairs
        if pair.id in values
    ]


def _averaged(plan: JudgingPlan, outcomes: Sequence[dict[str, Outcome]]) -> list[Compared]:
    """The mean over raters, for the pairs that all of them rated."""
    if not outcomes:
        return []
    common = set.intersection(*(set(found) for found in outcomes))
    return _compared(plan, {pair: mean(found[pair].value for found in outcomes) for pair in common})


def _rates(compared: Sequence[Compared]) -> tuple[dict[str, Any], dict[str, Any]]:
    adjusted, slope = length_adjusted(compared)
    row = interval_row(adjusted, len(compared))
    return interval_row(win_rate(compared), len(compared)), {**row, "length_weight": slope}


def _rater_row(
    plan: JudgingPlan, rater: str, outcomes: dict[str, Outcome], ratings: RowFile, withheld: str | None
) -> dict[str, Any]:
    """One rater with its controls; its rates only where it is believed."""
    equal = {pair.id for pair in plan.pairs.pairs if pair.is_same}
    asked = [outcome for pair, outcome in outcomes.items() if pair not in equal]
    consistent = [o.consistent for o in asked if o.consistent is not None]
    compared = _compared(plan, {pair: o.value for pair, o in outcomes.items()})
    rate, adjusted = _rates(compared) if compared and not withheld else (None, None)
    return {
        "name": rater,
        "families": sorted(families_of(rater)),
        "withheld": withheld,
        "controls": [result.as_row() for result in rated_controls(plan, rater, ratings)],
        "win_rate": rate,
        "length_adjusted": adjusted,
        "consistent": mean(map(float, consistent)) if consistent else None,
        "first_taken": mean(o.first for o in asked) if asked else None,
    }


def _by_category(plan: JudgingPlan, joint: Sequence[Compared]) -> list[dict[str, Any]]:
    category = {pair.id.rpartition("#")[0]: pair.category for pair in plan.pairs.pairs}
    found: dict[str, list[Compared]] = {}
    for one in joint:
        found.setdefault(category[one.probe], []).append(one)
    return [
        {"category": name, **interval_row(win_rate(members), len(members))}
        for name, members in sorted(found.items())
    ]


def _agreement(
    plan: JudgingPlan,
    outcomes: dict[str, dict[str, Outcome]],
    believed: Sequence[str],
    persons: Sequence[str],
) -> dict[str, Any]:
    """Krippendorff's alpha (a tie is half-way), between judges, between persons, and between the two."""

    def rows(raters: Sequence[str]) -> list[dict[str, float]]:
        pairs = [pair.id for pair in plan.pairs.pairs if not pair.is_same]
        return [{r: outcomes[r][p].value for r in raters if p in outcomes[r]} for p in pairs]

    def told(units: Sequence[dict[str, float]]) -> dict[str, Any]:
        return {
            "alpha": krippendorff_alpha(units),
            "equal": share_equal(units),
            "count": sum(len(unit) > 1 for unit in units),
        }

    both = [
        {"judges": mean(j.values()), "persons": mean(p.values())}
        for j, p in zip(rows(believed), rows(persons), strict=True)
        if j and p
    ]
    return {
        "judges": told(rows(believed)),
        "persons": told(rows(persons)),
        "judges_with_persons": told(both),
    }
