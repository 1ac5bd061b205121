"""Fault table: how often each fault was seen in both arms, by the judges that can see it."""

from collections.abc import Sequence
from typing import Any

from understudy.evaluation.row_file import RowFile
from understudy.evaluation.statistics import paired_share_difference, share
from understudy.judging.agreement import krippendorff_alpha, nominal
from understudy.judging.faults import fault_names
from understudy.judging.plan import JudgingPlan
from understudy.judging.trust import fault_results
from understudy.judging.win_rate import interval_row

__all__ = ["fault_agreement", "fault_table"]


def fault_table(plan: JudgingPlan, judges: Sequence[str], ratings: RowFile) -> list[dict[str, Any]]:
    """Each fault: its share in both arms by every judge that is believed about it, and their difference."""
    table = []
    for judge in judges:
        quality = fault_results(plan, judge, ratings)
        said = _said_of_replies(plan, judge, ratings)
        if not said:
            continue
        for name in fault_names():
            table.append({"judge": judge, "fault": name, **quality[name], **_fault_shares(plan, said, name)})
            if not quality[name]["believed"]:
                table[-1] |= {"a": None, "b": None, "difference": None}
    return table


def _said_of_replies(
    plan: JudgingPlan, judge: str, ratings: RowFile
) -> dict[tuple[str, str], dict[str, bool | None]]:
    found = {}
    for case in plan.examined():
        row = ratings.rows.get(plan.examination_key(judge, case))
        if row is not None:
            found[case.pair.id, case.side] = row["faults"]
    return found


def _fault_shares(
    plan: JudgingPlan, said: dict[tuple[str, str], dict[str, bool | None]], name: str
) -> dict[str, Any]:
    both = [
        (said[p.id, "a"][name], said[p.id, "b"][name], p.group)
        for p in plan.pairs.pairs
        if (p.id, "a") in said and (p.id, "b") in said
    ]
    known = [(float(a), float(b), group) for a, b, group in both if a is not None and b is not None]
    a, b, groups = [k[0] for k in known], [k[1] for k in known], [k[2] for k in known]
    return {
        "a": interval_row(share(a, groups), len(a)),
        "b": interval_row(share(b, groups), len(b)),
        "difference": interval_row(paired_share_difference(a, b, groups), len(a)) if known else None,
    }


def fault_agreement(plan: JudgingPlan, judges: Sequence[str], ratings: RowFile) -> dict[str, float | None]:
    """Krippendorff's alpha (nominal) of judges about each fault."""
    said = {judge: _said_of_replies(plan, judge, ratings) for judge in judges}
    keys = sorted({key for found in said.values() for key in found})
    result: dict[str, float | None] = {}
    for name in fault_names():
        units = [
            {j: float(bool(said[j][k][name])) for j in judges if said[j].get(k, {}).get(name) is not None}
            for k in keys
        ]
        result[name] = krippendorff_alpha(units, nominal)
    return result
