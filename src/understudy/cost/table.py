"""Table: what every arm costs, and when training has paid for itself."""

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from understudy.atomic import write_json
from understudy.cost.arms import (
    HOSTED,
    PRICED,
    RENTED,
    ArmCost,
    TrainingCost,
    can_tune,
    price_arms,
    price_training,
)
from understudy.cost.breakeven import BreakEven, break_even
from understudy.cost.conversation import chance_still_cached
from understudy.cost.inputs import CostInputs
from understudy.cost.price import cache_rule, find_price, list_tunable

__all__ = ["Claim", "CostTable", "compute_costs", "save_costs", "tuned_price_ratio"]

SCHEMA = "understudy.cost/1"


@dataclass(frozen=True)
class Claim:
    """How many times the base price a tuned model cost or costs."""

    model: str
    when: str
    input_ratio: float
    output_ratio: float
    source: str


@dataclass(frozen=True)
class CostTable:
    """The whole answer; ``answers`` are sentences, the discouraging ones first."""

    schema: str
    character: str
    created_on: str
    answers: list[str]
    settings: dict[str, Any]
    tokens: dict[str, Any]
    training: list[TrainingCost]
    arms: list[ArmCost]
    break_evens: list[BreakEven]
    claims: list[Claim]
    notes: list[str]


def compute_costs(inputs: CostInputs) -> CostTable:
    """Price every arm on hosted models, on a rented GPU, and on one's own machine where measured.

    Raises:
        ConfigError: A model, GPU or setting is unknown.
    """
    training, arms = price_training(inputs), price_arms(inputs)
    pairs = _break_evens(inputs, arms, training)
    return CostTable(
        schema=SCHEMA,
        character=inputs.character,
        created_on=inputs.today.isoformat(),
        answers=_answers(inputs, arms, pairs),
        settings=_settings(inputs),
        tokens=_tokens(inputs),
        training=training,
        arms=arms,
        break_evens=pairs,
        claims=_claims(),
        notes=_notes(inputs),
    )


def save_costs(table: CostTable, run: Path) -> Path:
    """Write ``cost.json`` into a run's folder."""
    path = run / "cost.json"
    write_json(path, asdict(table))
    return path


def tuned_price_ratio(model: str, *, on: date | None = None) -> tuple[float, float]:
    """Price of the tuned model over that of its base, for input and for output."""
    base, tuned = find_price(model, on=on), find_price(f"ft:{model}", on=on)
    return tuned.input / base.input, tuned.output / base.output


def _break_evens(inputs: CostInputs, arms: list[ArmCost], training: list[TrainingCost]) -> list[BreakEven]:
    """Every tuned arm against every prompted arm of its place; on a rented GPU also against hosted ones.

    What a run measured on one's own machine may be a model of any size, so it is compared only with
    the same model there.
    """
    cost_of = {cost.place: cost.usd for cost in training}
    pairs = []
    for tuned in arms:
        if not tuned.arm.startswith("tuned") or tuned.place not in cost_of:
            continue
        for other in arms:
            across = tuned.place == RENTED and other.place == HOSTED
            if other.arm.startswith("tuned") or not (other.place == tuned.place or across):
                continue
            shutdown = find_price(tuned.model).shutdown if tuned.place == HOSTED else None
            pairs.append(
                break_even(
                    _label(tuned),
                    _label(other),
                    training_usd=cost_of[tuned.place],
                    tuned_usd=tuned.usd,
                    other_usd=other.usd,
                    conversations_per_day=inputs.conversations_per_day,
                    today=inputs.today,
                    shutdown=shutdown,
                )
            )
    return pairs


def _label(arm: ArmCost) -> str:
    if arm.place != HOSTED:
        return f"{arm.arm} ({arm.place})"
    return arm.arm if arm.arm.startswith(arm.model) else f"{arm.arm} ({arm.model})"


def _answers(inputs: CostInputs, arms: list[ArmCost], pairs: list[BreakEven]) -> list[str]:
    """The deployed arm against the prompted ones, 'never' first; then the cheapest, and what caching does."""
    deployed = [pair for pair in pairs if pair.tuned.startswith("tuned+short (ft:")]
    if not deployed:
        deployed = [pair for pair in pairs if pair.tuned.startswith("tuned+short")]
    never = [pair for pair in deployed if pair.conversations is None]
    late = [pair for pair in deployed if pair.conversations is not None and pair.in_time is False]
    rest = [pair for pair in deployed if pair not in late and pair not in never]
    answers = [_never(never)] if never else []
    answers += [pair.sentence for pair in late]
    answers += [_paid(rest)] if rest else []
    hosted = [arm for arm in arms if arm.place == HOSTED]
    cheapest = min(hosted, key=lambda arm: arm.usd)
    saving = [arm for arm in hosted if arm.arm == "cheap+long" and arm.usd < arm.uncached_usd * 0.999]
    answers.append(
        f"Cheapest hosted arm for {inputs.turns} turns: {_label(cheapest)}, "
        f"${1000 * cheapest.usd:.2f} per 1,000 conversations."
    )
    if saving:
        share = 1 - saving[0].usd / saving[0].uncached_usd
        answers.append(f"Caching takes {share:.0%} off {_label(saving[0])}, without any training.")
    return answers


def _never(pairs: list[BreakEven]) -> str:
    more = ", ".join(f"${-1000 * pair.saved_usd_per_conversation:.2f} than {pair.other}" for pair in pairs)
    return f"Never cheaper at these prices: per 1,000 conversations {pairs[0].tuned} costs more by {more}."


def _paid(pairs: list[BreakEven]) -> str:
    after = ", ".join(
        f"{pair.conversations:,} conversations against {pair.other}"
        + (f" ({pair.days:,.1f} days)" if pair.days is not None else "")
        for pair in pairs
    )
    tuned = pairs[0].tuned
    return f"The training of {tuned} has paid for itself after {after}; twice that if a first one fails."


def _settings(inputs: CostInputs) -> dict[str, Any]:
    rule = cache_rule()
    return {
        "turns": inputs.turns,
        "conversations_per_day": inputs.conversations_per_day,
        "history": f"{inputs.trimming.kind}-{inputs.trimming.limit}" if inputs.trimming.limit else "all",
        "cheap": inputs.cheap,
        "expensive": inputs.expensive,
        "still_tunable": list_tunable(inputs.today),
        "cache": asdict(rule),
        "chance_prompt_is_cached": chance_still_cached(inputs.conversations_per_day, rule.kept_minutes),
        "machine": asdict(inputs.machine),
    }


def _tokens(inputs: CostInputs) -> dict[str, Any]:
    return {
        "prompts": dict(inputs.prompts),
        "user": inputs.user_tokens,
        "reply": inputs.reply_tokens,
        "greeting": inputs.greeting_tokens,
        "source": inputs.tokens_source,
        "training_per_epoch": inputs.trained_tokens,
        "training_source": inputs.trained_source,
        "examples": inputs.examples,
        "vocabulary": "o200k",
        "measured": [asdict(arm) for arm in inputs.measured],
    }


def _claims() -> list[Claim]:
    """The price of tuned use over base use: at the launch of 2023, a quarter later, and now."""
    past = [("gpt-3.5-turbo", date(2023, 8, 22)), ("gpt-3.5-turbo", date(2023, 11, 6))]
    claims = [_claim(model, on.isoformat(), on) for model, on in past]
    return claims + [_claim(model, "today", None) for model in ("gpt-4.1", "gpt-4.1-mini", "gpt-4o-mini")]


def _claim(model: str, when: str, on: date | None) -> Claim:
    ratio_in, ratio_out = tuned_price_ratio(model, on=on)
    price = find_price(f"ft:{model}", on=on)
    return Claim(model, when, round(ratio_in, 3), round(ratio_out, 3), f"{price.source}, {price.as_of}")


def _notes(inputs: CostInputs) -> list[str]:
    rule = cache_rule()
    chance = chance_still_cached(inputs.conversations_per_day, rule.kept_minutes)
    notes = [
        f"Hosted figures are {PRICED}: token counts times the list price of the date shown.",
        f"Caching: from {rule.minimum_tokens:,} tokens in steps of {rule.step_tokens}; within a conversation "
        f"the previous request is taken as still cached, the system prompt of another conversation with "
        f"probability {chance:.0%} (kept {rule.kept_minutes:g} minutes, even traffic). "
        f"Source: {rule.source}, {rule.as_of}.",
        "A price says nothing about quality: arms on different models compare only where both were measured.",
        "A system prompt below the minimum gets no discount by itself; a long history brings it there.",
        "OpenAI starts new training only for organisations that fine-tuned before, and for nobody from "
        "2027-01-06; gpt-4o, gpt-4.1 and their tuned models stop on 2027-01-14 (OpenAI deprecations page).",
    ]
    if not can_tune(inputs.cheap, inputs.today):
        notes.insert(0, f"{inputs.cheap} cannot be fine-tuned, so its tuned arms have no price here.")
    return notes
