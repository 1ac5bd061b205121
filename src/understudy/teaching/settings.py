"""Teaching settings: how the star replies."""

import hashlib
from dataclasses import dataclass
from typing import Any

from understudy.errors import ConfigError
from understudy.evaluation.arms import MINIATURE

__all__ = ["TeachingSettings", "usual_settings", "usual_temperature"]

HIGHEST_TEMPERATURE = 2.0
MINIATURE_TEMPERATURE = 0.3
WARMER = 0.1  # A repeat is asked for a little more freely, or a sure model would say the same again.


def usual_temperature(model: str) -> float:
    """0.7, or 0.3 for the miniatures: models of a few million parameters lose the thread at 0.7."""
    is_miniature = model.startswith(MINIATURE)
    return MINIATURE_TEMPERATURE if is_miniature else TeachingSettings.temperature


@dataclass(frozen=True)
class TeachingSettings:
    """How the star replies.

    temperature: 0.7 gives variety (but see ``usual_temperature``); at 0 all answers to one question would
    be the same line.
    max_tokens: A reply that needs more is cut off, and therefore refused.
    repeats: How often a refused reply is asked for again.
    rounds: How often replies that are refused beside all others (repeats, openings, tone, the judge) are
    asked for again before they are dropped.
    tells_reason: Whether a repeat is told why the reply before was refused. A miniature makes nothing of it;
    where a fact is asked its repeats read that fact alone instead of the whole sheet.
    """

    temperature: float = 0.7
    max_tokens: int = 300
    seed: int = 0
    repeats: int = 3
    concurrency: int = 16
    rounds: int = 1
    tells_reason: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= HIGHEST_TEMPERATURE:
            raise ConfigError(f"--temperature {self.temperature:g} must be between 0 and 2.")
        if self.max_tokens < 1 or self.concurrency < 1:
            raise ConfigError("--max-tokens and --concurrency must be 1 or more.")

    def sampling(self) -> dict[str, Any]:
        """What a dialogue depends on besides its lines, the model and the prompt."""
        return {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "repeats": self.repeats,
            "rounds": self.rounds,
            "tells_reason": self.tells_reason,
        }

    def temperature_of(self, attempt: int) -> float:
        """The temperature of an attempt, counted from 0."""
        return min(HIGHEST_TEMPERATURE, round(self.temperature + WARMER * attempt, 3))

    def seed_of(self, outline_id: str, turn: int, attempt: int) -> int:
        """A seed of its own for every attempt at every turn, the same in every run."""
        digest = hashlib.sha256(f"{self.seed}\x1f{outline_id}\x1f{turn}\x1f{attempt}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1


def usual_settings(model: str, **chosen: Any) -> TeachingSettings:
    """Settings for a model: a miniature replies at 0.3, is told no reasons, and is not asked a second round.

    Args:
        chosen: What the user set; ``None`` takes the usual value.
    """
    usual: dict[str, Any] = {"temperature": usual_temperature(model)}
    if model.startswith(MINIATURE):
        usual |= {"rounds": 0, "tells_reason": False}
    return TeachingSettings(**usual | {name: value for name, value in chosen.items() if value is not None})
