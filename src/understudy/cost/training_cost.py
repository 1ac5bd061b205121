"""Training cost: what one training costs in each place, and over how many conversations it is spread."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from understudy.cost.arms import HOSTED, OWN, PRICED, RENTED, ArmCost, can_tune, life
from understudy.cost.inputs import CostInputs, auto_epochs
from understudy.cost.price import find_price, list_tunable, open_training

__all__ = ["TrainingCost", "amortise", "days_of_use", "price_training"]


@dataclass(frozen=True)
class TrainingCost:
    """One training of the character in one place. ``days`` is how long the model can be used for it."""

    place: str
    model: str
    trained_tokens: float | None
    epochs: int | None
    usd: float
    note: str
    source: str
    as_of: str
    days: int


def price_training(inputs: CostInputs) -> list[TrainingCost]:
    """One training in each place where it can still be had."""
    return [*_hosted_training(inputs), _rented_training(inputs), *_own_training(inputs)]


def days_of_use(horizon_days: int, today: date, shutdown: date | None) -> int:
    """Days for which a model trained today serves: the horizon, or until its shutdown."""
    return horizon_days if shutdown is None else max(0, min(horizon_days, (shutdown - today).days))


def amortise(
    arms: Sequence[ArmCost], training: Sequence[TrainingCost], conversations_per_day: float
) -> list[ArmCost]:
    """The arms with the training of the tuned ones spread over the conversations of its days of use.

    amortised = c + K / (conversations per day x days)
    """
    at = {row.place: row for row in training}
    return [replace(arm, amortised_usd=_amortised(arm, at, conversations_per_day)) for arm in arms]


def _amortised(arm: ArmCost, at: dict[str, TrainingCost], conversations_per_day: float) -> float | None:
    if not arm.arm.startswith("tuned"):
        return arm.usd
    row = at.get(arm.place)
    conversations = conversations_per_day * row.days if row else 0
    return arm.usd + row.usd / conversations if row and conversations else None


def _hosted_training(inputs: CostInputs) -> list[TrainingCost]:
    if not can_tune(inputs.cheap, inputs.today) or inputs.cheap not in list_tunable(inputs.today):
        return []
    price = find_price(f"ft:{inputs.cheap}")
    epochs = inputs.epochs or auto_epochs(inputs.examples)
    tokens = inputs.trained_tokens * epochs
    return [
        TrainingCost(
            place=HOSTED,
            model=inputs.cheap,
            trained_tokens=tokens,
            epochs=epochs,
            usd=price.training_usd(tokens),
            note="; ".join([PRICED, *life(price, inputs.today)]),
            source=f"{price.source}: ${price.training:g} per million trained tokens",
            as_of=price.as_of,
            days=days_of_use(inputs.horizon_days, inputs.today, price.shutdown),
        )
    ]


def _rented_training(inputs: CostInputs) -> TrainingCost:
    row = open_training(inputs.billions)
    epochs = inputs.epochs or auto_epochs(inputs.examples)
    tokens = inputs.trained_tokens * epochs
    minimum = f"; minimum ${row.minimum_usd:g} a job" if row.minimum_usd else ""
    return TrainingCost(
        place=RENTED,
        model=f"open {inputs.billions:g}B at {row.host}",
        trained_tokens=tokens,
        epochs=epochs,
        usd=row.training_usd(tokens),
        note=PRICED,
        source=f"{row.source}: ${row.usd_per_million:g} per million trained tokens{minimum}",
        as_of=row.as_of,
        days=inputs.horizon_days,
    )


def _own_training(inputs: CostInputs) -> list[TrainingCost]:
    if inputs.training_seconds is None:
        return []
    paid = "electricity and hire" if inputs.machine.usd_per_hour else "electricity only"
    return [
        TrainingCost(
            place=OWN,
            model="this machine",
            trained_tokens=None,
            epochs=None,
            usd=inputs.machine.usd(inputs.training_seconds),
            note=f"measured: {inputs.training_seconds:,.0f} s; {paid}",
            source="seconds measured in this run",
            as_of=inputs.today.isoformat(),
            days=inputs.horizon_days,
        )
    ]
