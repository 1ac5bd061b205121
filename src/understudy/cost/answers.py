"""Answers: a cost table in sentences, the discouraging ones first."""

from collections.abc import Sequence

from understudy.cost.arms import HOSTED, ArmCost
from understudy.cost.breakeven import BreakEven
from understudy.cost.history import HistoryCost
from understudy.cost.inputs import CostInputs
from understudy.cost.price import find_price
from understudy.cost.training_cost import TrainingCost
from understudy.errors import ConfigError

__all__ = ["answer_costs", "label"]


def label(arm: ArmCost) -> str:
    """``tuned+short (ft:gpt-4.1-mini)``; elsewhere than at the provider the place in brackets."""
    if arm.place != HOSTED:
        return f"{arm.arm} ({arm.place})"
    return arm.arm if arm.arm.startswith(arm.model) else f"{arm.arm} ({arm.model})"


def answer_costs(
    inputs: CostInputs,
    arms: Sequence[ArmCost],
    pairs: Sequence[BreakEven],
    training: Sequence[TrainingCost],
    history: Sequence[HistoryCost],
) -> list[str]:
    """Whether the long prompt is cheaper; then break-even, 'never' first; the calendar; caching, trimming."""
    hosted = [arm for arm in arms if arm.place == HOSTED]
    cheapest = min(hosted, key=lambda arm: arm.usd)
    answers = [
        _long_prompt_or_tuning(inputs, hosted, training),
        *_break_evens(pairs),
        _calendar(inputs, training),
        f"Cheapest hosted arm for {inputs.turns} turns, training left out: {label(cheapest)}, "
        f"${1000 * cheapest.usd:.2f} per 1,000 conversations.",
        _caching(hosted),
        _trimming(history),
    ]
    return [answer for answer in answers if answer]


def _long_prompt_or_tuning(
    inputs: CostInputs, hosted: Sequence[ArmCost], training: Sequence[TrainingCost]
) -> str:
    """The user's traffic decides: the tuned arm with its training against the prompted ones with caching."""
    tuned = next((arm for arm in hosted if arm.arm == "tuned+short"), None)
    days = next((row.days for row in training if row.place == HOSTED), None)
    if tuned is None or days is None:
        return ""
    long = sorted((arm for arm in hosted if arm.prompt_tokens and _is_prompted(arm)), key=lambda arm: arm.usd)
    if tuned.amortised_usd is None:
        return "Without traffic no training is paid back: give --conversations-per-day."
    mine = f"${1000 * tuned.amortised_usd:.2f}"
    traffic = f"{inputs.conversations_per_day:g} conversations a day"
    spread = f"its training spread over the {days:,} days it can be used"
    cheaper = [arm for arm in long if arm.usd <= tuned.amortised_usd]
    if not cheaper:
        return (
            f"At {traffic}, tuning is cheaper than every long prompt priced here, caching counted: per "
            f"1,000 conversations {label(tuned)} costs {mine} with {spread}, {label(long[0])} "
            f"${1000 * long[0].usd:.2f}."
        )
    those = ", ".join(f"{label(arm)} ${1000 * arm.usd:.2f}" for arm in cheaper)
    return (
        f"A long prompt with caching is cheaper than tuning at {traffic}: per 1,000 conversations {those}; "
        f"{label(tuned)} costs {mine} with {spread}."
    )


def _is_prompted(arm: ArmCost) -> bool:
    return not arm.arm.startswith("tuned") and arm.arm.endswith("+long")


def _break_evens(pairs: Sequence[BreakEven]) -> list[str]:
    """The deployed arm against the prompted ones: never, too late, in time."""
    deployed = [pair for pair in pairs if pair.tuned.startswith("tuned+short (ft:")]
    if not deployed:
        deployed = [pair for pair in pairs if pair.tuned.startswith("tuned+short")]
    never = [pair for pair in deployed if pair.conversations is None]
    late = [pair for pair in deployed if pair.conversations is not None and pair.in_time is False]
    rest = [pair for pair in deployed if pair not in late and pair not in never]
    answers = [_never(never)] if never else []
    answers += [pair.sentence for pair in late]
    return answers + ([_paid(rest)] if rest else [])


def _never(pairs: Sequence[BreakEven]) -> str:
    more = ", ".join(f"${-1000 * pair.saved_usd_per_conversation:.2f} than {pair.other}" for pair in pairs)
    return f"Never cheaper at these prices: per 1,000 conversations {pairs[0].tuned} costs more by {more}."


def _paid(pairs: Sequence[BreakEven]) -> str:
    after = ", ".join(
        f"{pair.conversations:,} conversations against {pair.other}"
        + (f" ({pair.days:,.1f} days)" if pair.days is not None else "")
        for pair in pairs
    )
    tuned = pairs[0].tuned
    late = [pair.other for pair in pairs if pair.twice_in_time is False]
    fails = f"; then too late against {', '.join(late)}" if late else ""
    return (
        f"The training of {tuned} has paid for itself after {after}; twice that if a first one fails{fails}."
    )


def _calendar(inputs: CostInputs, training: Sequence[TrainingCost]) -> str:
    """What is left of a hosted tuned model."""
    try:
        price = find_price(f"ft:{inputs.cheap}")
    except ConfigError:
        return ""
    if price.shutdown is None or inputs.today >= price.shutdown:
        return ""
    left = (price.shutdown - inputs.today).days
    until = price.tunable_until
    if not any(row.place == HOSTED for row in training):
        closed = f" since {until.isoformat()}" if until else ""
        return (
            f"No new training of {inputs.cheap} can be bought{closed}; a tuned one that you have goes dark "
            f"on {price.shutdown.isoformat()}, in {left} days."
        )
    traffic = f", {left * inputs.conversations_per_day:,.0f} conversations at this traffic"
    last = f"no new training from {until.isoformat()} on, and " if until else ""
    return (
        f"The provider stops: {last}{price.model} goes dark on {price.shutdown.isoformat()}, "
        f"in {left} days{traffic}."
    )


def _caching(hosted: Sequence[ArmCost]) -> str:
    arm = next((arm for arm in hosted if arm.arm == "cheap+long"), None)
    if arm is None or arm.usd >= arm.uncached_usd * 0.999:
        return ""
    return f"Caching takes {1 - arm.usd / arm.uncached_usd:.0%} off {label(arm)}, without any training."


def _trimming(history: Sequence[HistoryCost]) -> str:
    """Said only where a usual way of trimming costs more than it saves."""
    dearer = [row for row in history if row.arm == "cheap+long" and row.saved_usd < -1e-9]
    if not dearer:
        return ""
    worst = min(dearer, key=lambda row: row.saved_usd)
    return (
        f"Trimming can cost more than it saves: with history {worst.policy}, {worst.arm} ({worst.model}) "
        f"costs ${-1000 * worst.saved_usd:.2f} more per 1,000 conversations, because requests then begin "
        f"anew after the system prompt."
    )
