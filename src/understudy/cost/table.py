"""Table: what every arm costs, and when training has paid for itself."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from understudy.atomic import write_json
from understudy.cost.answers import answer_costs, label
from understudy.cost.arms import HOSTED, PRICED, RENTED, ArmCost, can_tune, price_arms
from understudy.cost.breakeven import BreakEven, break_even
from understudy.cost.cache_rule import CacheRule, rule_of
from understudy.cost.claims import Claim, list_claims
from understudy.cost.conversation import chance_still_cached
from understudy.cost.history import HistoryCost, price_history
from understudy.cost.inputs import CostInputs
from understudy.cost.price import find_price, list_tunable
from understudy.cost.training_cost import TrainingCost, amortise, price_training

__all__ = ["SCHEMA", "CostTable", "compute_costs", "save_costs"]

SCHEMA = "understudy.cost/2"


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
    history: list[HistoryCost]
    claims: list[Claim]
    notes: list[str]


def compute_costs(inputs: CostInputs) -> CostTable:
    """Price every arm on hosted models, on a rented GPU, and on one's own machine where measured.

    Raises:
        ConfigError: A model, GPU or setting is unknown.
    """
    training = price_training(inputs)
    arms = amortise(price_arms(inputs), training, inputs.conversations_per_day)
    pairs = _break_evens(inputs, arms, training)
    history = price_history(inputs, arms)
    return CostTable(
        schema=SCHEMA,
        character=inputs.character,
        created_on=inputs.today.isoformat(),
        answers=answer_costs(inputs, arms, pairs, training, history),
        settings=_settings(inputs),
        tokens=_tokens(inputs),
        training=training,
        arms=arms,
        break_evens=pairs,
        history=history,
        claims=list_claims(),
        notes=_notes(inputs),
    )


def save_costs(table: CostTable, run: Path) -> Path:
    """Write ``cost.json`` into a run's folder."""
    path = run / "cost.json"
    write_json(path, asdict(table))
    return path


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
                    label(tuned),
                    label(other),
                    training_usd=cost_of[tuned.place],
                    tuned_usd=tuned.usd,
                    other_usd=other.usd,
                    conversations_per_day=inputs.conversations_per_day,
                    today=inputs.today,
                    shutdown=shutdown,
                )
            )
    return pairs


def _settings(inputs: CostInputs) -> dict[str, Any]:
    return {
        "turns": inputs.turns,
        "conversations_per_day": inputs.conversations_per_day,
        "horizon_days": inputs.horizon_days,
        "history": str(inputs.trimming),
        "cheap": inputs.cheap,
        "expensive": inputs.expensive,
        "still_tunable": list_tunable(inputs.today),
        "caching": {rule.provider: asdict(rule) for rule in _rules(inputs)},
        "gpu": inputs.gpu,
        "gpu_reply_tokens_per_second": inputs.gpu_reply_tokens_per_second,
        "utilisation": inputs.utilisation,
        "machine": asdict(inputs.machine),
    }


def _rules(inputs: CostInputs) -> list[CacheRule]:
    """The caching rules of the models that are priced, each provider's first."""
    found: dict[str, CacheRule] = {}
    for model in (inputs.cheap, inputs.expensive, *inputs.also):
        rule = rule_of(find_price(model))
        if rule:
            found.setdefault(rule.provider, rule)
    return list(found.values())


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


def _notes(inputs: CostInputs) -> list[str]:
    notes = [
        f"Hosted figures are {PRICED}: token counts times the list price of the date shown.",
        *(_caching_note(rule, inputs.conversations_per_day) for rule in _rules(inputs)),
        *_not_cached(inputs),
        "A price says nothing about quality: arms on different models compare only where both were measured.",
        "A system prompt below the minimum gets no discount by itself; a long history brings it there.",
        "OpenAI starts new training only for organisations that fine-tuned before, and for nobody from "
        "2027-01-06; gpt-4o, gpt-4.1 and their tuned models stop on 2027-01-14 (OpenAI deprecations page).",
    ]
    if not can_tune(inputs.cheap, inputs.today):
        notes.insert(0, f"{inputs.cheap} cannot be fine-tuned, so its tuned arms have no price here.")
    return notes


def _caching_note(rule: CacheRule, conversations_per_day: float) -> str:
    chance = chance_still_cached(conversations_per_day, rule.kept_minutes)
    marked = ", only what a request marks" if rule.explicit else ""
    return (
        f"Caching ({rule.provider}{marked}): from {rule.minimum_tokens:,} tokens in steps of "
        f"{rule.step_tokens}; within a conversation the previous request is taken as still cached, the "
        f"system prompt of another conversation with probability {chance:.0%} "
        f"(kept {rule.kept_minutes:g} minutes, even traffic). Source: {rule.source}, {rule.as_of}."
    )


def _not_cached(inputs: CostInputs) -> list[str]:
    prices = [find_price(model) for model in (inputs.cheap, inputs.expensive, *inputs.also)]
    models = [price.model for price in prices if price.cached_input is not None and not rule_of(price)]
    return [f"The table has no caching rule for {', '.join(models)}: priced without."] if models else []
