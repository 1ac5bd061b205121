"""Study: every cell against the baseline, and what the figures say to the six questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from understudy import __version__
from understudy.atomic import write_json, write_text
from understudy.errors import EvaluationError
from understudy.study.answers import answer_questions
from understudy.study.design import Row, StudyPlan
from understudy.study.effects import SHOWN, effect, spread
from understudy.study.expense import find_expense
from understudy.study.measurement import DEPLOYED, Measurement
from understudy.study.run_cells import Measured
from understudy.study.site import Site
from understudy.study.sizes import find_stops

__all__ = ["save_study"]

SCHEMA = "understudy.study/1"
SCORES = (*SHOWN, "nll_later")


def save_study(site: Site, plan: StudyPlan, measured: Measured) -> dict[str, Any]:
    """Write ``study.json`` and ``study.html``; returns what the first holds.

    Raises:
        EvaluationError: The baseline was not measured, so nothing can be compared with it.
    """
    from understudy.study.study_page import render_study

    document = _document(site, plan, measured)
    write_json(site.place / "study.json", document)
    write_text(site.place / "study.html", render_study(document))
    return document


def _document(site: Site, plan: StudyPlan, measured: Measured) -> dict[str, Any]:
    found = {id(row): _measurements(row, measured) for row in plan.rows}
    baseline = found[id(plan.rows[0])]
    if not baseline:
        reason = measured.failed.get(plan.rows[0].cell.name, "it was not run")
        raise EvaluationError(
            f"{site.place}: the baseline has no figures, so nothing can be compared: {reason}"
        )
    material, base = site.material, plan.rows[0].cell.base
    untuned = measured.untuned.get(base)
    cells = [_cell(row, found[id(row)], baseline) for row in plan.rows if found[id(row)]]
    document = {
        "schema": SCHEMA,
        "character": material.character.name,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "baseline": plan.rows[0].cell.factors(),
        "terms": {
            "steps": plan.terms.steps, "batch_size": plan.terms.batch_size, "equal": plan.terms.equal,
            "teacher": plan.terms.teacher,
        },
        "seeds": list(plan.seeds),
        "pool": len(material.pool),
        "held_out": {
            "dialogues": len(material.held_out), "groups": len({d.group for d in material.held_out})
        },
        "cells": cells,
        "untuned": _untuned(untuned),
        "against_untuned": _against_untuned(baseline, untuned),
        "stopping": [stop.as_dict() for stop in find_stops(_sizes(plan, found))],
        "expense": find_expense(site, plan.rows[0].plans[0], baseline),
        "left_out": [*plan.left_out, *(f"{name}: {why}" for name, why in measured.failed.items())],
        "limits": _limits(plan, cells, base),
        "settings": measured.settings,
        "probes": measured.probes,
        "hashes": material.hashes,
        "versions": {"understudy": __version__},
    }  # fmt: skip
    document["answers"] = [answer.as_dict() for answer in answer_questions(document, site.folder.root.name)]
    return document


def _measurements(row: Row, measured: Measured) -> list[Measurement]:
    """All seeds of a row, or nothing where one is missing."""
    found = [measured.cells.get(plan.cell.name) for plan in row.plans]
    return [one for one in found if one is not None] if all(found) else []


def _cell(row: Row, found: Sequence[Measurement], baseline: Sequence[Measurement]) -> dict[str, Any]:
    first = row.plans[0]
    compared = {} if not row.changed else {"effects": _effects(found, baseline)}
    return {
        "name": row.cell.name,
        "title": row.title,
        "changed": row.changed,
        "factors": row.cell.factors(),
        "dialogues": len(first.examples.dialogues),
        "examples": len(first.examples.rows),
        "passes": first.stages[0].schedule.epochs,
        "steps": first.steps,
        "tokens": first.tokens,
        "learned_tokens": first.learned_tokens,
        "training_seconds": [one.seconds.get("training") for one in found],
        "scores": {arm: _scores(found, arm) for arm in found[0].arms},
        "by_turn": found[0].by_turn.get(DEPLOYED, []),
        **compared,
    }


def _scores(found: Sequence[Measurement], arm: str) -> dict[str, Any]:
    return {score: one.as_dict() for score in SCORES if (one := spread(found, score, arm))}


def _effects(found: Sequence[Measurement], baseline: Sequence[Measurement]) -> dict[str, Any]:
    """Against the baseline: under the short prompt, and asked as the cell was trained where that differs."""
    pairs = {DEPLOYED: DEPLOYED, "tuned+none": DEPLOYED, "tuned+long": DEPLOYED}
    return {
        arm: rows
        for arm, other in pairs.items()
        if (
            rows := {
                score: one.as_dict()
                for score in SCORES
                if (one := effect(found, baseline, score, arm=arm, arm_b=other))
            }
        )
    }


def _untuned(found: Measurement | None) -> dict[str, Any]:
    return {arm: _scores([found], arm) for arm in found.arms} if found else {}


def _against_untuned(baseline: Sequence[Measurement], untuned: Measurement | None) -> dict[str, Any]:
    """The baseline under its short prompt against the untuned base, under each prompt."""
    if untuned is None:
        return {}
    return {
        arm: {
            score: one.as_dict()
            for score in SCORES
            if (one := effect(baseline, [untuned], score, arm=DEPLOYED, arm_b=arm))
        }
        for arm in untuned.arms
    }


def _sizes(plan: StudyPlan, found: Mapping[int, list[Measurement]]) -> dict[int, list[Measurement]]:
    """Cells that differ in the number of dialogues alone, the baseline among them."""
    rows = [plan.rows[0], *plan.single("examples")]
    return {len(row.plans[0].examples.dialogues): found[id(row)] for row in rows if found[id(row)]}


def _limits(plan: StudyPlan, cells: Sequence[Mapping[str, Any]], base: str) -> list[str]:
    compared = sum(len(cell.get("effects", {}).get(DEPLOYED, {})) for cell in cells)
    equal = "learned tokens" if plan.terms.equal == "learned_tokens" else "optimiser steps"
    limits = [
        f"{compared} differences from the baseline are shown, each with a 95 % interval of its own. Were "
        f"none of them real, about {max(1, round(compared / 20))} would still exclude zero. Believe a "
        "pattern over several scores, or what another seed shows again, before a single one.",
        "“Not shown” means that the interval includes zero, or that seeds disagree. It never means equal.",
        f"Cells are equal in {equal}. Under another budget, differences can shrink, grow or turn round.",
        "One factor is changed at a time; only the named interactions say whether changes add up.",
        "Intervals are over the held-out dialogues. "
        + (
            f"What other draws and orders change is seen in {len(plan.seeds)} seeds only."
            if len(plan.seeds) > 1
            else "There is one seed: each difference is one between two trained models, and another order of "
            "training alone can change style, leaks and probes passed by more than the intervals say."
        ),
        "Choices were compared on the validation and development dialogues. The test dialogues were left for "
        "the verdict.",
    ]
    if base.startswith("understudy/"):
        limits.append(
            "The base is a miniature of a few million parameters; nothing is claimed for larger models."
        )
    return limits
