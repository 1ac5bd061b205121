"""Estimate: requests, tokens and price of a plan for each teacher model, before anything is spent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from statistics import median

from understudy.character.character import Character
from understudy.dataset import count_text_tokens
from understudy.evaluation.arms import MINIATURE
from understudy.teaching.budget import find_rate
from understudy.teaching.composing import compose_plan
from understudy.teaching.drafting import reserved_questions
from understudy.teaching.plan import Plan
from understudy.teaching.settings import usual_settings
from understudy.teaching.simulated_user import can_play_user
from understudy.teaching.spending import foresee_cost

__all__ = ["Estimate", "describe_assumption", "estimate_plan", "known_teachers", "usual_reply_tokens"]

USUAL_REPLY_TOKENS = 60
FEWEST_EXAMPLES = 5


@dataclass(frozen=True)
class Estimate:
    """What a plan takes with one teacher. ``usd`` is ``None`` where the price is not known.

    reply_length: Tokens that a reply is supposed to have. played: Whether the model plays the user too.
    """

    model: str
    requests: int
    prompt_tokens: int
    reply_tokens: int
    usd: float | None
    priced: str
    free: bool
    reply_length: int
    played: bool


def known_teachers(on: date | None = None) -> list[str]:
    """The embedded star, and hosted models of the price table that still answer."""
    from understudy.cost.price import list_models

    return [f"{MINIATURE}-star", *list_models(on)]


def usual_reply_tokens(character: Character) -> int:
    """The median length of the sheet's own example replies, or 60 tokens where there are fewer than five."""
    replies = [turn.content for example in character.examples for turn in example if turn.role == "assistant"]
    if len(replies) < FEWEST_EXAMPLES:
        return USUAL_REPLY_TOKENS
    return max(1, round(median(map(count_text_tokens, replies))))


def estimate_plan(plan: Plan, character: Character, teachers: Iterable[str]) -> list[Estimate]:
    """An estimate for each teacher, as the plan would be carried out with it."""
    reserved, length = reserved_questions(character), usual_reply_tokens(character)
    plan = plan.model_copy(update={"student_history": 0.0})
    by_player = {}
    estimates = []
    for model in dict.fromkeys(teachers):
        wanted = plan.user.played_by
        played = wanted == "teacher" or (wanted == "auto" and can_play_user(model))
        if played not in by_player:
            outlines = compose_plan(plan, character, reserved, played=played).outlines
            by_player[played] = foresee_cost(
                outlines,
                model,
                character.long_prompt(),
                usual_settings(model),
                paid=False,
                played=played,
                usual_reply=length,
            )
        cost, free, rate = by_player[played], model.startswith(MINIATURE), find_rate(model)
        usd = None if free or rate is None else rate.usd(cost.prompt_tokens, cost.reply_tokens)
        source = "on this machine, free" if free else rate.source if rate else "the price is not known here"
        estimates.append(
            Estimate(
                model, cost.requests, cost.prompt_tokens, cost.reply_tokens, usd, source, free, length, played
            )
        )
    return estimates


def describe_assumption(estimates: Iterable[Estimate]) -> list[str]:
    """What the figures suppose, and where the prices are from, in lines."""
    found = list(estimates)
    sources = sorted({e.priced for e in found if e.usd is not None})
    lengths = sorted({e.reply_length for e in found})
    rows = [
        "Supposes no refusals, no discount for cached prompts, and replies of "
        f"{', '.join(map(str, lengths))} tokens."
    ]
    return rows + [f"Prices: {source}" for source in sources]
