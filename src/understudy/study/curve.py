"""Curve: how much more dialogues bring, trained for equally many steps on ever larger parts of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from understudy import __version__
from understudy.atomic import write_json, write_text
from understudy.errors import ConfigError
from understudy.study.cell import Cell
from understudy.study.cell_plan import CellPlan, Terms, plan_cells
from understudy.study.effects import SHOWN, spread
from understudy.study.material import Material
from understudy.study.measurement import Measurement
from understudy.study.run_cells import Measured
from understudy.study.site import Site
from understudy.study.sizes import find_stops
from understudy.study.stopping import RULE

__all__ = ["CurvePlan", "plan_curve", "save_curve", "usual_sizes"]

SCHEMA = "understudy.curve/1"
SMALLEST = 25
# A last point with all dialogues is worth its training where it has this many times those of the one before.
WORTH_A_POINT = 1.2


@dataclass(frozen=True)
class CurvePlan:
    """The cells of a curve. ``left_out`` are sizes that were asked for and are not there, with the reason."""

    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    cells: tuple[CellPlan, ...]
    terms: Terms
    base: str
    left_out: tuple[str, ...] = ()

    def at(self, size: int) -> list[CellPlan]:
        """The cells of one size, a seed each."""
        return [plan for plan in self.cells if plan.cell.examples == size]


def usual_sizes(pool: int) -> list[int]:
    """25, 50, 100 … as far as the dialogues reach, and all of them.

    Raises:
        ConfigError: There are not enough for two sizes.
    """
    sizes = []
    size = SMALLEST
    while size <= pool:
        sizes.append(size)
        size *= 2
    if not sizes or pool >= WORTH_A_POINT * sizes[-1]:
        sizes.append(pool)
    if len(sizes) < 2:
        raise ConfigError(
            f"Only {pool} dialogues can be trained on, too few for a curve. Import or write more, or name "
            "sizes: --sizes 10,20,40"
        )
    return sizes


def plan_curve(
    material: Material,
    terms: Terms,
    base: str,
    seeds: Sequence[int] = (1,),
    sizes: Sequence[int] | None = None,
) -> CurvePlan:
    """Plan the points of a curve; a point of more dialogues than there are is left out, and said.

    Raises:
        ConfigError: Fewer than two sizes are left, or a size cannot be shown in so few steps.
    """
    pool = len(material.pool)
    wanted = sorted(set(sizes)) if sizes else usual_sizes(pool)
    chosen = [size for size in wanted if size <= pool]
    left_out = [f"{size:,}: only {pool:,} dialogues can be trained on" for size in wanted if size > pool]
    if left_out and chosen and pool >= WORTH_A_POINT * chosen[-1]:
        chosen.append(pool)
    if len(chosen) < 2:
        raise ConfigError(
            f"A curve needs two sizes or more, and {pool:,} dialogues can be trained on. Name smaller ones: "
            f"--sizes {max(10, pool // 4)},{max(20, pool // 2)},{max(40, pool)}"
        )
    cells = [Cell(examples=size, base=base, seed=seed) for size in chosen for seed in seeds]
    plans = plan_cells(material, cells, cells[0], terms)
    return CurvePlan(tuple(chosen), tuple(seeds), tuple(plans), terms, base, tuple(left_out))


def save_curve(site: Site, plan: CurvePlan, measured: Measured) -> dict[str, Any]:
    """Write ``curve.json`` and ``curve.html``; returns what the first holds.

    Raises:
        ConfigError: Fewer than two sizes were measured, so there is no curve.
    """
    from understudy.study.curve_page import render_curve

    document = _document(site, plan, measured)
    write_json(site.place / "curve.json", document)
    write_text(site.place / "curve.html", render_curve(document))
    return document


def _document(site: Site, plan: CurvePlan, measured: Measured) -> dict[str, Any]:
    points = {size: _measurements(plan, size, measured) for size in plan.sizes}
    points = {size: found for size, found in points.items() if found}
    if len(points) < 2:
        reasons = "; ".join(measured.failed.values())
        raise ConfigError(
            f"{site.place}: fewer than two sizes were measured, so there is no curve. {reasons}"
        )
    stops = find_stops(points)
    material = site.material
    return {
        "schema": SCHEMA,
        "character": material.character.name,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "base": plan.base,
        "sentence": stops[0].sentence if stops else "No score could be computed.",
        "rule": RULE,
        "stopping": [stop.as_dict() for stop in stops],
        "points": [_point(plan, size, found) for size, found in points.items()],
        "untuned": _untuned(measured.untuned.get(plan.base)),
        "seeds": list(plan.seeds),
        "terms": {"steps": plan.terms.steps, "batch_size": plan.terms.batch_size, "equal": plan.terms.equal},
        "held_out": {
            "dialogues": len(material.held_out), "groups": len({d.group for d in material.held_out})
        },
        "pool": len(material.pool),
        "left_out": [*plan.left_out, *(f"{name}: {why}" for name, why in measured.failed.items())],
        "limits": _limits(plan),
        "settings": measured.settings,
        "probes": measured.probes,
        "hashes": material.hashes,
        "versions": {"understudy": __version__},
    }  # fmt: skip


def _measurements(plan: CurvePlan, size: int, measured: Measured) -> list[Measurement]:
    """All seeds of a size, or nothing where one is missing: a mean over other seeds is another thing."""
    found = [measured.cells.get(cell.cell.name) for cell in plan.at(size)]
    return [one for one in found if one is not None] if all(found) else []


def _point(plan: CurvePlan, size: int, found: Sequence[Measurement]) -> dict[str, Any]:
    first = plan.at(size)[0]
    scores = {score: one.as_dict() for score in SHOWN if (one := spread(found, score))}
    times = [one.seconds.get("training") for one in found]
    return {
        "size": size,
        "examples": len(first.examples.rows),
        "passes": first.stages[0].schedule.epochs,
        "steps": first.steps,
        "learned_tokens": first.learned_tokens,
        "training_seconds": times,
        "scores": scores,
    }


def _untuned(found: Measurement | None) -> dict[str, Any]:
    """Scores of the base as it is, by arm, for the lines across the plots."""
    if found is None:
        return {}
    return {
        arm: {score: one.as_dict() for score in SHOWN if (one := spread([found], score, arm))}
        for arm in found.arms
    }


def _limits(plan: CurvePlan) -> list[str]:
    base = plan.base
    limits = [
        f"The figure holds for {base}. Another base has a curve of its own; --base measures it.",
        f"Every point was trained for about {plan.terms.steps:,} steps of {plan.terms.batch_size} examples: "
        "small sizes repeat themselves often, and whoever trains by passes instead gets another curve.",
        "Intervals are over the held-out dialogues. What another draw of dialogues or another order of "
        "training "
        + (
            f"changes is seen in the {len(plan.seeds)} seeds only."
            if len(plan.seeds) > 1
            else "changes was not measured: there is one seed (--seeds 3 measures it)."
        ),
        "Sizes are parts of these dialogues. Others, better or worse written, have a curve of their own.",
    ]
    if base.startswith("understudy/"):
        limits.append(
            "The base is a miniature of a few million parameters; nothing is claimed for larger models."
        )
    return limits
