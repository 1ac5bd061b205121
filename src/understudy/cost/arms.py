"""Arms: what a conversation and a training cost, in each place where the character can run."""

from dataclasses import dataclass, replace
from datetime import date

from understudy.cost.conversation import Caching, Shape, Turn, chance_still_cached, conversation_usd, grow
from understudy.cost.hosting import RentedGpu
from understudy.cost.inputs import CostInputs, MeasuredArm, auto_epochs
from understudy.cost.price import Price, base_name, cache_rule, find_gpu, find_price, open_training
from understudy.errors import ConfigError

__all__ = [
    "HOSTED",
    "OWN",
    "PRICED",
    "RENTED",
    "ArmCost",
    "TrainingCost",
    "can_tune",
    "price_arms",
    "price_training",
]

PRICED = "priced, not measured"
HOSTED, RENTED, OWN = "hosted", "rented GPU", "own machine"
DAYS_PER_MONTH = 30


@dataclass(frozen=True)
class ArmCost:
    """One arm in one place. ``usd`` is what a conversation costs there; ``uncached_usd`` without caching.

    ``turns`` holds, per request, [prompt tokens, of them read from the cache].
    """

    place: str
    arm: str
    model: str
    prompt_tokens: float
    usd: float
    uncached_usd: float
    message_usd: float
    month_usd: float
    measured: bool
    note: str
    price: str
    source: str
    as_of: str
    turns: list[list[float]]


@dataclass(frozen=True)
class TrainingCost:
    """One training of the character in one place."""

    place: str
    model: str
    trained_tokens: float | None
    epochs: int | None
    usd: float
    note: str
    source: str
    as_of: str


def price_arms(inputs: CostInputs) -> list[ArmCost]:
    """Every arm: hosted, on a rented GPU, and on one's own machine where a run measured it."""
    return [*_hosted_arms(inputs), *_rented_arms(inputs), *_own_arms(inputs)]


def price_training(inputs: CostInputs) -> list[TrainingCost]:
    """One training in each of these places."""
    return [*_hosted_training(inputs), _rented_training(inputs), *_own_training(inputs)]


def _shape(inputs: CostInputs, prompt_kind: str) -> Shape:
    return Shape(
        prompt_tokens=inputs.prompts[prompt_kind],
        user_tokens=inputs.user_tokens,
        reply_tokens=inputs.reply_tokens,
        turns=inputs.turns,
        greeting_tokens=inputs.greeting_tokens,
    )


def _caching(inputs: CostInputs) -> Caching:
    rule = cache_rule()
    return Caching(rule, 1.0, chance_still_cached(inputs.conversations_per_day, rule.kept_minutes))


def can_tune(model: str, today: date) -> bool:
    """Whether the provider has tuned prices for the model and did not shut it down before."""
    try:
        price = find_price(f"ft:{model}")
    except ConfigError:
        return False
    return price.shutdown is None or today < price.shutdown


def _hosted_arms(inputs: CostInputs) -> list[ArmCost]:
    cheap, expensive = inputs.cheap, inputs.expensive
    plan = [("cheap+long", cheap, "long"), ("cheap+short", cheap, "short")]
    if can_tune(cheap, inputs.today):
        plan += [(f"tuned+{kind}", f"ft:{cheap}", kind) for kind in ("short", "none", "long")]
    plan.append(("expensive+long", expensive, "long"))
    plan += [(f"{model}+long", model, "long") for model in inputs.also if model not in (cheap, expensive)]
    return [_hosted_arm(inputs, *arm) for arm in plan]


def _hosted_arm(inputs: CostInputs, arm: str, model: str, kind: str) -> ArmCost:
    price = find_price(model)
    ran = _ran_hosted(inputs, arm, model)
    shape = _shape(inputs, kind)
    if ran is not None:
        shape = replace(shape, reply_tokens=ran.reply_tokens)
    plain = grow(shape, trimming=inputs.trimming)
    turns = plain
    if price.cached_input is not None:
        turns = grow(shape, caching=_caching(inputs), trimming=inputs.trimming)
    usd = conversation_usd(turns, price)
    return ArmCost(
        place=HOSTED,
        arm=arm,
        model=price.model,
        prompt_tokens=inputs.prompts[kind],
        usd=usd,
        uncached_usd=conversation_usd(plain, price),
        message_usd=usd / inputs.turns,
        month_usd=_month(usd, inputs),
        measured=ran is not None,
        note="; ".join([_what_was_measured(ran), *_life(price, inputs.today)]),
        price=_rates(price),
        source=price.source,
        as_of=price.as_of,
        turns=_pairs(turns),
    )


def _ran_hosted(inputs: CostInputs, arm: str, model: str) -> MeasuredArm | None:
    """The arm as a run measured it, if it ran on this very model."""
    for measured in inputs.measured:
        tuned = measured.model.startswith("ft:") == model.startswith("ft:")
        if measured.name == arm and tuned and base_name(measured.model) == base_name(model):
            return measured
    return None


def _what_was_measured(ran: MeasuredArm | None) -> str:
    return f"reply tokens measured, mean of {ran.count}; priced by the list" if ran else PRICED


def _rented(inputs: CostInputs) -> RentedGpu:
    rate = inputs.gpu_reply_tokens_per_second
    return RentedGpu(find_gpu(inputs.gpu), rate, 10 * rate, inputs.utilisation)


def _rented_arms(inputs: CostInputs) -> list[ArmCost]:
    rented, gpu = _rented(inputs), find_gpu(inputs.gpu)
    arms = []
    for arm, kind in (("cheap+long", "long"), ("tuned+short", "short")):
        turns = grow(_shape(inputs, kind), trimming=inputs.trimming)
        usd = rented.conversation_usd(turns)
        note = f"{PRICED}; around the clock for this traffic alone: ${24 * gpu.usd_per_hour:,.2f} a day"
        arms.append(
            ArmCost(
                place=RENTED,
                arm=arm,
                model=f"open {inputs.billions:g}B on {gpu.name} ({gpu.host})",
                prompt_tokens=inputs.prompts[kind],
                usd=usd,
                uncached_usd=usd,
                message_usd=usd / inputs.turns,
                month_usd=_month(usd, inputs),
                measured=False,
                note=note,
                price=f"${gpu.usd_per_hour:.2f} an hour, {rented.utilisation:.0%} in use, "
                f"{rented.reply_tokens_per_second:,.0f} reply tokens/s (assumption)",
                source=gpu.source,
                as_of=gpu.as_of,
                turns=_pairs(turns),
            )
        )
    return arms


def _own_arms(inputs: CostInputs) -> list[ArmCost]:
    """Arms that a run measured on this machine: working seconds as electricity."""
    arms = []
    for arm in inputs.measured:
        if _is_hosted(arm.model) or _is_hosted(arm.base_model):
            continue
        usd = inputs.machine.usd(arm.seconds) * inputs.turns
        arms.append(
            ArmCost(
                place=OWN,
                arm=arm.name,
                model=arm.base_model or arm.model,
                prompt_tokens=round(arm.prompt_tokens, 1),
                usd=usd,
                uncached_usd=usd,
                message_usd=usd / inputs.turns,
                month_usd=_month(usd, inputs),
                measured=True,
                note=f"measured: {arm.seconds:.3f} s of machine time a reply, mean of {arm.count}; "
                "electricity only",
                price=f"{inputs.machine.watts:g} W at ${inputs.machine.usd_per_kilowatt_hour:.2f} per kWh "
                "(assumptions)",
                source="seconds measured in this run",
                as_of=inputs.today.isoformat(),
                turns=[],
            )
        )
    return arms


def _is_hosted(model: str) -> bool:
    if not model or "/" in model:
        return False
    try:
        find_price(model)
    except ConfigError:
        return False
    return True


def _hosted_training(inputs: CostInputs) -> list[TrainingCost]:
    if not can_tune(inputs.cheap, inputs.today):
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
            note="; ".join([PRICED, *_life(price, inputs.today)]),
            source=f"{price.source}: ${price.training:g} per million trained tokens",
            as_of=price.as_of,
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
    )


def _own_training(inputs: CostInputs) -> list[TrainingCost]:
    if inputs.training_seconds is None:
        return []
    return [
        TrainingCost(
            place=OWN,
            model="this machine",
            trained_tokens=None,
            epochs=None,
            usd=inputs.machine.usd(inputs.training_seconds),
            note=f"measured: {inputs.training_seconds:,.0f} s; electricity only",
            source="seconds measured in this run",
            as_of=inputs.today.isoformat(),
        )
    ]


def _month(usd: float, inputs: CostInputs) -> float:
    return usd * inputs.conversations_per_day * DAYS_PER_MONTH


def _pairs(turns: list[Turn]) -> list[list[float]]:
    return [[round(turn.prompt_tokens, 1), round(turn.cached_tokens, 1)] for turn in turns]


def _rates(price: Price) -> str:
    cached = "not cached" if price.cached_input is None else f"{price.cached_input:g} cached"
    write = "" if price.cache_write is None else f" / {price.cache_write:g} cache write"
    return f"${price.input:g} in / {cached}{write} / {price.output:g} out per million"


def _life(price: Price, today: date) -> list[str]:
    """What the calendar says about a model."""
    notes = []
    if price.shutdown and today >= price.shutdown:
        notes.append(f"shut down since {price.shutdown.isoformat()}: the price is history")
    elif price.shutdown:
        notes.append(f"shuts down on {price.shutdown.isoformat()}")
    if price.tuned and price.tunable_until and today >= price.tunable_until:
        notes.append(f"no new training since {price.tunable_until.isoformat()}")
    return notes
