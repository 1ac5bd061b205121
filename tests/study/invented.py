"""Invented figures for every cell of a plan: noise, and what a test adds to some cells on purpose."""

import numpy as np

from understudy.evaluation.probe import Measured as Score
from understudy.evaluation.score import Score as Row
from understudy.evaluation.statistics import bootstrap_ratio
from understudy.study.measurement import Measurement
from understudy.study.run_cells import Measured

MEANS = {"nll_per_token": 1.5, "nll_later": 1.4, "style": 0.8, "fact_recall": 0.3, "in_fiction_leak": 0.2,
         "honesty": 0.7, "probes_passed": 0.5}  # fmt: skip
GROUPS = 60


def score_of(name, shift, seed):
    """Two probes in each of sixty groups; probes are hard or easy for all cells alike."""
    common, own = np.random.default_rng(7), np.random.default_rng(seed)
    level = MEANS[name] + 0.2 * common.standard_normal(2 * GROUPS)
    values = level + shift + 0.05 * own.standard_normal(2 * GROUPS)
    keys = [f"probe{i}#{i}" for i in range(2 * GROUPS)]
    groups = [f"g{i // 2}" for i in range(2 * GROUPS)]
    weights = [1.0] * len(keys)
    interval = bootstrap_ratio(values, weights, groups, draws=1000)
    row = Row.of(interval, count=len(keys), unit="", method="invented")
    found = dict(zip(keys, map(float, values), strict=True))
    return Score(row, found, dict(zip(keys, groups, strict=True)))


def measurement(name, seed, shifts=None, arms=("tuned+short",)):
    scores = {
        arm: {score: score_of(score, (shifts or {}).get(score, 0.0), seed) for score in MEANS} for arm in arms
    }
    turns = [{"turn": turn, "style": 0.8, "leak": 0.1 * turn, "count": 20} for turn in (1, 4, 8)]
    seconds = {"training": 30.0, "evaluation": 10.0}
    return Measurement(name, "invented", scores, dict.fromkeys(arms, turns), [], seconds)


def invent(plan_cells, base, shifts_of=lambda cell: None):
    """What ``run_cells`` would return."""
    cells = {
        plan.cell.name: measurement(plan.cell.name, 100 + number, shifts_of(plan.cell))
        for number, plan in enumerate(plan_cells)
    }
    lower = {"style": -0.3, "in_fiction_leak": 0.5, "nll_per_token": 0.8}
    untuned = measurement("untuned", 5, lower, ("cheap+short", "cheap+long"))
    probes = {"counts": {"fact": 60}, "sha256": "0", "notes": []}
    return Measured(cells, {base: untuned}, {}, {"probe_set": "development"}, probes)
