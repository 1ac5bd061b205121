"""Measurement: what a cell scored, with what every probe gave to it, kept in its folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.atomic import write_json
from understudy.evaluation.comparison import Comparison, compare
from understudy.evaluation.probe import Measured
from understudy.evaluation.score import DIRECTIONS, Score
from understudy.evaluation.statistics import Interval, bootstrap_ratio

__all__ = [
    "DEPLOYED",
    "Board",
    "Measurement",
    "difference",
    "load_measurement",
    "pool_seeds",
    "save_measurement",
]

SCHEMA = "understudy.measurement/1"
FILE = "measurement.json"
DEPLOYED = "tuned+short"
Board = dict[str, dict[str, Measured]]


@dataclass(frozen=True)
class Measurement:
    """Scores by arm and name. ``fingerprint`` is equal where the same would be measured again.

    by_turn: For each arm, style and leaks by turn of replayed conversations. training: its jobs.
    seconds: ``training`` and ``evaluation``, as far as this run did them.
    """

    name: str
    fingerprint: str
    arms: Board
    by_turn: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    training: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def score(self, score: str, arm: str = DEPLOYED) -> Measured | None:
        """One score, or ``None`` where it was not measured or could not be computed."""
        found = self.arms.get(arm, {}).get(score)
        return found if found is not None and found.score.value is not None else None


def save_measurement(place: Path, measurement: Measurement) -> None:
    """Write a cell's ``measurement.json``; its presence means that the cell is done."""
    arms = {
        arm: {name: _as_row(measured) for name, measured in scores.items()}
        for arm, scores in measurement.arms.items()
    }
    write_json(
        place / FILE,
        {
            "schema": SCHEMA,
            "name": measurement.name,
            "fingerprint": measurement.fingerprint,
            "arms": arms,
            "by_turn": measurement.by_turn,
            "training": measurement.training,
            "seconds": measurement.seconds,
            "notes": measurement.notes,
        },
    )


def load_measurement(place: Path, fingerprint: str | None = None) -> Measurement | None:
    """What ``save_measurement`` wrote, or ``None`` where it is missing, damaged or of another fingerprint."""
    try:
        values = json.loads((place / FILE).read_text(encoding="utf-8"))
        if values["schema"] != SCHEMA or fingerprint not in (None, values["fingerprint"]):
            return None
        arms = {
            arm: {name: _from_row(row) for name, row in scores.items()}
            for arm, scores in values["arms"].items()
        }
        rest = {
            key: values[key] for key in ("name", "fingerprint", "by_turn", "training", "seconds", "notes")
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Measurement(arms=arms, **rest)


def _as_row(measured: Measured) -> dict[str, Any]:
    return {
        "score": measured.score.as_row(),
        "values": {key: round(value, 6) for key, value in measured.values.items()},
        "groups": dict(measured.groups),
        "weights": dict(measured.weights) if measured.weights is not None else None,
        "binary": measured.binary,
    }


def _from_row(row: Mapping[str, Any]) -> Measured:
    return Measured(Score(**row["score"]), row["values"], row["groups"], row["weights"], row["binary"])


def pool_seeds(measured: Sequence[Measured], draws: int = 10_000) -> Measured:
    """One measure of the same cell under several seeds: the mean of what each probe got.

    The interval is over the held-out material, as for one seed. It does not hold what another seed would
    change; that is shown beside it as the spread of the seeds.

    Args:
        measured: Of the same score and arm, one for each seed, at least one.
    """
    if len(measured) == 1:
        return measured[0]
    common = [key for key in measured[0].values if all(key in one.values for one in measured)]
    values = {key: sum(one.values[key] for one in measured) / len(measured) for key in common}
    groups = {key: measured[0].groups[key] for key in common}
    first = measured[0].weights
    weights = {key: first[key] for key in common} if first is not None else None
    divisors = [weights[key] if weights else 1.0 for key in common]
    interval = Interval(None, None, None)
    if common:
        interval = bootstrap_ratio(
            [values[key] for key in common], divisors, [groups[key] for key in common], draws=draws
        )
    shown = measured[0].score
    method = f"mean over {len(measured)} seeds; {shown.method}"
    score = Score.of(interval, count=len(common), unit=shown.unit, method=method, note=shown.note)
    return Measured(score, values, groups, weights)


def difference(score: str, a: Measured, b: Measured, names: tuple[str, str] = ("a", "b")) -> Comparison:
    """a − b on the probes that both answered, with its 95 % interval; ``better`` speaks of a."""
    return compare(
        "nll_per_token" if score == "nll_later" else score,
        names,
        a,
        b,
        margin=float("inf"),
        draws=10_000,
        seed=0,
    )


def direction(score: str) -> int:
    """1 where more is better, −1 where less is."""
    return -1 if score == "nll_later" else DIRECTIONS.get(score, 1) or -1
