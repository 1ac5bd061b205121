"""Arms: what a message and a conversation cost, in each place where the character can run."""

from dataclasses import dataclass, replace
from datetime import date

from understudy.cost.cache_rule import CacheRule, rule_of
from understudy.cost.conversation import Caching, Shape, Turn, chance_still_cached, conversation_usd, grow
from understudy.cost.hosting import RentedGpu
from understudy.cost.inputs import FEW_SHOT, TRIMMED, CostInputs
from understudy.cost.measured import Latency, MeasuredArm
from understudy.cost.price import Price, base_name, find_gpu, find_price
from understudy.errors import ConfigError

__all__ = ["HOSTED", "OWN", "PRICED", "RENTED", "ArmCost", "can_tune", "hosted_turns", "life", "price_arms"]
__all__ += ["shape_of"]

PRICED = "priced, not measured"
HOSTED, RENTED, OWN = "hosted", "rented GPU", "own machine"
DAYS_PER_MONTH = 30


@dataclass(frozen=True)
class ArmCost:
    """One arm in one place. ``usd`` is what a conversation costs there; ``uncached_usd`` without caching.

    ``message_usd`` is the mean over the conversation's turns; the first and the last turn stand beside
    it, because the history makes later ones dearer. ``amortised_usd`` adds the training, spread over the
    conversations of the horizon (``None`` without traffic, or where no training can be bought). ``turns``
    holds, per request, [prompt tokens, of them read from the cache].
    """

    place: str
    arm: str
    model: str
    prompt_tokens: float
    usd: float
    uncached_usd: float
    message_usd: float
    first_message_usd: float
    last_message_usd: float
    month_usd: float
    measured: bool
    note: str
    price: str
    source: str
    as_of: str
    turns: list[list[float]]
    amortised_usd: float | None = None
    latency: Latency | None = None
    reply_tokens_per_second: float | None = None


def price_arms(inputs: CostInputs) -> list[ArmCost]:
    """Every arm: hosted, on a rented GPU, and on one's own machine where a run measured it."""
    return [*_hosted_arms(inputs), *_rented_arms(inputs), *_own_arms(inputs)]


def can_tune(model: str, today: date) -> bool:
    """Whether the provider has tuned prices for the model and did not shut it down before."""
    try:
        price = find_price(f"ft:{model}")
    except ConfigError:
        return False
    return price.shutdown is None or today < price.shutdown


def life(price: Price, today: date) -> list[str]:
    """What the calendar says about a model."""
    notes = []
    if price.shutdown and today >= price.shutdown:
        notes.append(f"shut down since {price.shutdown.isoformat()}: the price is history")
    elif price.shutdown:
        notes.append(f"shuts down on {price.shutdown.isoformat()}")
    if price.tuned and price.tunable_until and today >= price.tunable_until:
        notes.append(f"no new training since {price.tunable_until.isoformat()}")
    return notes


def hosted_turns(inputs: CostInputs, shape: Shape, price: Price) -> list[Turn]:
    """The requests of a conversation with a hosted model, under its provider's caching rule."""
    rule = rule_of(price)
    caching = _caching(inputs, rule) if rule else None
    return grow(shape, caching=caching, trimming=inputs.trimming)


def shape_of(inputs: CostInputs, prompt_kind: str) -> Shape:
    """The conversation of these inputs under one of the prompts."""
    return Shape(
        prompt_tokens=inputs.prompts[prompt_kind],
        user_tokens=inputs.user_tokens,
        reply_tokens=inputs.reply_tokens,
        turns=inputs.turns,
        greeting_tokens=inputs.greeting_tokens,
    )


def _caching(inputs: CostInputs, rule: CacheRule) -> Caching:
    return Caching(rule, 1.0, chance_still_cached(inputs.conversations_per_day, rule.kept_minutes))


def _hosted_arms(inputs: CostInputs) -> list[ArmCost]:
    cheap, expensive = inputs.cheap, inputs.expensive
    plan = [("cheap+long", cheap, "long"), ("cheap+short", cheap, "short")]
    plan += [
        (arm, cheap, kind)
        for arm, kind in ((TRIMMED, "trimmed"), (FEW_SHOT, "few_shot"))
        if kind in inputs.prompts
    ]
    if can_tune(cheap, inputs.today):
        plan += [(f"tuned+{kind}", f"ft:{cheap}", kind) for kind in ("short", "none", "long")]
    plan.append(("expensive+long", expensive, "long"))
    plan += [(f"{model}+long", model, "long") for model in inputs.also if model not in (cheap, expensive)]
    return [_hosted_arm(inputs, *arm) for arm in plan]


def _hosted_arm(inputs: CostInputs, arm: str, model: str, kind: str) -> ArmCost:
    price = find_price(model)
    ran = _ran_hosted(inputs, arm, model)
    shape = shape_of(inputs, kind)
    if ran is not None:
        shape = replace(shape, reply_tokens=ran.reply_tokens)
    turns = hosted_turns(inputs, shape, price)
    usd = conversation_usd(turns, price)
    return ArmCost(
        place=HOSTED,
        arm=arm,
        model=price.model,
        prompt_tokens=inputs.prompts[kind],
        usd=usd,
        uncached_usd=conversation_usd(grow(shape, trimming=inputs.trimming), price),
        message_usd=usd / inputs.turns,
        first_message_usd=conversation_usd(turns[:1], price),
        last_message_usd=conversation_usd(turns[-1:], price),
        month_usd=_month(usd, inputs),
        measured=ran is not None,
        note="; ".join([_what_was_measured(ran), *life(price, inputs.today)]),
        price=_rates(price),
        source=price.source,
        as_of=price.as_of,
        turns=_pairs(turns),
        latency=ran.latency if ran else None,
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


def _rented_arms(inputs: CostInputs) -> list[ArmCost]:
    gpu = find_gpu(inputs.gpu)
    rate = inputs.gpu_reply_tokens_per_second
    rented = RentedGpu(gpu, rate, 10 * rate, inputs.utilisation)
    note = f"{PRICED}; around the clock for this traffic alone: ${24 * gpu.usd_per_hour:,.2f} a day"
    arms = []
    for arm, kind in (("cheap+long", "long"), ("tuned+short", "short")):
        turns = grow(shape_of(inputs, kind), trimming=inputs.trimming)
        usd = rented.conversation_usd(turns)
        arms.append(
            ArmCost(
                place=RENTED,
                arm=arm,
                model=f"open {inputs.billions:g}B on {gpu.name} ({gpu.host})",
                prompt_tokens=inputs.prompts[kind],
                usd=usd,
                uncached_usd=usd,
                message_usd=usd / inputs.turns,
                first_message_usd=rented.conversation_usd(turns[:1]),
                last_message_usd=rented.conversation_usd(turns[-1:]),
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
    """Arms that a run measured on this machine: working seconds as electricity and hire."""
    local = [arm for arm in inputs.measured if not (_is_hosted(arm.model) or _is_hosted(arm.base_model))]
    return [_own_arm(inputs, arm) for arm in local]


def _own_arm(inputs: CostInputs, arm: MeasuredArm) -> ArmCost:
    turns = [inputs.machine.usd(arm.seconds_of_turn(turn)) for turn in range(1, inputs.turns + 1)]
    usd = sum(turns)
    grows = f", {1000 * arm.growth:.1f} ms more each turn" if arm.growth else ""
    paid = "electricity and hire" if inputs.machine.usd_per_hour else "electricity only"
    return ArmCost(
        place=OWN,
        arm=arm.name,
        model=arm.base_model or arm.model,
        prompt_tokens=round(arm.prompt_tokens, 1),
        usd=usd,
        uncached_usd=usd,
        message_usd=usd / inputs.turns,
        first_message_usd=turns[0],
        last_message_usd=turns[-1],
        month_usd=_month(usd, inputs),
        measured=True,
        note=f"measured: {arm.seconds:.3f} s of machine time a reply, mean of {arm.count}{grows}, "
        f"{arm.reply_tokens_per_second:,.0f} reply tokens/s; {paid}",
        price=inputs.machine.describe(),
        source="seconds measured in this run",
        as_of=inputs.today.isoformat(),
        turns=[],
        latency=arm.latency,
        reply_tokens_per_second=arm.reply_tokens_per_second,
    )


def _is_hosted(model: str) -> bool:
    if not model or "/" in model:
        return False
    try:
        find_price(model)
    except ConfigError:
        return False
    return True


def _month(usd: float, inputs: CostInputs) -> float:
    return usd * inputs.conversations_per_day * DAYS_PER_MONTH


def _pairs(turns: list[Turn]) -> list[list[float]]:
    return [[round(turn.prompt_tokens, 1), round(turn.cached_tokens, 1)] for turn in turns]


def _rates(price: Price) -> str:
    cached = "not cached" if price.cached_input is None else f"{price.cached_input:g} cached"
    write = "" if price.cache_write is None else f" / {price.cache_write:g} cache write"
    return f"${price.input:g} in / {cached}{write} / {price.output:g} out per million"
