"""Hosting: what a reply costs on a rented GPU or on one's own machine."""

from dataclasses import dataclass

from understudy.cost.conversation import Turn
from understudy.cost.price import Gpu
from understudy.errors import ConfigError

__all__ = ["OwnMachine", "RentedGpu"]


@dataclass(frozen=True)
class RentedGpu:
    """A GPU paid by the hour, whether it works or waits.

    Rates are totals over all requests in flight. ``utilisation`` is the share of the paid
    hours in which it works at these rates; the rest is paid as well.

    The default rates are assumptions for a model of about 8 billion parameters with a LoRA
    adapter on one A100: vLLM measured 7.6 requests a second there in December 2024 (its pull
    request 11267), taken as 200 reply tokens each; a prompt is read about ten times faster
    than a reply is written. Measure your own and pass them.
    """

    gpu: Gpu
    reply_tokens_per_second: float = 1500.0
    prompt_tokens_per_second: float = 15000.0
    utilisation: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.utilisation <= 1:
            raise ConfigError(f"Utilisation must be above 0 and at most 1, not {self.utilisation:g}.")
        if min(self.reply_tokens_per_second, self.prompt_tokens_per_second) <= 0:
            raise ConfigError("Tokens per second must be above 0.")

    def conversation_usd(self, turns: list[Turn]) -> float:
        """GPU seconds of all requests x price per second / utilisation.

        The server keeps no prefix: every prompt is read again in full.
        """
        seconds = sum(
            turn.prompt_tokens / self.prompt_tokens_per_second
            + turn.reply_tokens / self.reply_tokens_per_second
            for turn in turns
        )
        return seconds * self.gpu.usd_per_hour / 3600 / self.utilisation

    def always_on_usd(self, conversations_per_day: float) -> float:
        """Price per conversation of a GPU rented around the clock for this traffic alone."""
        return 24 * self.gpu.usd_per_hour / conversations_per_day if conversations_per_day else float("inf")


@dataclass(frozen=True)
class OwnMachine:
    """The machine on which a run was measured: electricity of the working seconds, and its price by the hour.

    Watts and tariff are assumptions (a laptop or small desktop at work, a household tariff). With
    ``usd_per_hour`` 0 the machine itself is taken as bought; for a rented one give its price, and
    ``utilisation``, the share of the paid hours in which it works at the measured speed.
    """

    watts: float = 65.0
    usd_per_kilowatt_hour: float = 0.30
    usd_per_hour: float = 0.0
    utilisation: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.utilisation <= 1:
            raise ConfigError(f"Utilisation must be above 0 and at most 1, not {self.utilisation:g}.")
        if min(self.watts, self.usd_per_kilowatt_hour, self.usd_per_hour) < 0:
            raise ConfigError("Watts and prices cannot be negative.")

    def usd(self, seconds: float) -> float:
        """``seconds`` of work: hours x (kW x tariff + price per hour / utilisation)."""
        electricity = self.watts / 1000 * self.usd_per_kilowatt_hour
        return seconds / 3600 * (electricity + self.usd_per_hour / self.utilisation)

    def describe(self) -> str:
        """The rates, for a reader."""
        text = f"{self.watts:g} W at ${self.usd_per_kilowatt_hour:.2f} per kWh"
        if self.usd_per_hour:
            text += f", ${self.usd_per_hour:.2f} an hour, {self.utilisation:.0%} in use"
        return f"{text} (assumptions)"
