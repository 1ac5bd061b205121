"""Claims: how many times the base price a tuned model cost to use, then and now, from the dated table."""

from dataclasses import dataclass
from datetime import date

from understudy.cost.price import find_price

__all__ = ["Claim", "list_claims", "tuned_price_ratio"]

PAST = (("gpt-3.5-turbo", date(2023, 8, 22)), ("gpt-3.5-turbo", date(2023, 11, 6)))
PRESENT = ("gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini")


@dataclass(frozen=True)
class Claim:
    """Tuned use over base use. Prices are US dollars per million tokens; cached input where it is sold."""

    model: str
    when: str
    input_ratio: float
    output_ratio: float
    source: str
    base_input: float
    base_output: float
    tuned_input: float
    tuned_output: float
    base_cached: float | None
    tuned_cached: float | None
    sentence: str


def tuned_price_ratio(model: str, *, on: date | None = None) -> tuple[float, float]:
    """Price of the tuned model over that of its base, for input and for output."""
    base, tuned = find_price(model, on=on), find_price(f"ft:{model}", on=on)
    return tuned.input / base.input, tuned.output / base.output


def list_claims() -> list[Claim]:
    """At the launch of 2023, a quarter later, and now."""
    claims = [_claim(model, on.isoformat(), on) for model, on in PAST]
    return claims + [_claim(model, "today", None) for model in PRESENT]


def _claim(model: str, when: str, on: date | None) -> Claim:
    base, tuned = find_price(model, on=on), find_price(f"ft:{model}", on=on)
    ratio_in, ratio_out = (round(ratio, 3) for ratio in tuned_price_ratio(model, on=on))
    times = f"{ratio_in:g} times" if ratio_in == ratio_out else f"{ratio_in:g} and {ratio_out:g} times"
    return Claim(
        model=model,
        when=when,
        input_ratio=ratio_in,
        output_ratio=ratio_out,
        source=f"{tuned.source}, {tuned.as_of}; base: {base.source}, {base.as_of}",
        base_input=base.input,
        base_output=base.output,
        tuned_input=tuned.input,
        tuned_output=tuned.output,
        base_cached=base.cached_input,
        tuned_cached=tuned.cached_input,
        sentence=f"{when}: using a tuned {model} costs {times} its base "
        f"(${tuned.input:g} / ${tuned.output:g} against ${base.input:g} / ${base.output:g} per million).",
    )
