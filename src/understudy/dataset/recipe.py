"""Recipe: how dialogues become training examples."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from understudy.errors import ConfigError

__all__ = ["SPLITS", "Recipe", "Shape", "Split", "SystemPrompt"]

SystemPrompt = Literal["none", "identity", "full", "mix"]
Shape = Literal["pairs", "conversations"]
Split = Literal["training", "validation", "development", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Recipe:
    """Settings of a dataset. The defaults are the project's recommendation, with reasons in ``reasons``.

    system_prompt: ``none``; ``identity``, the short prompt of the deployed model; ``full``, the long
        prompt; ``mix``, mostly the identity prompt, sometimes reworded or absent.
    shape: ``conversations`` keeps each dialogue whole; ``pairs`` makes each reply an example of its own,
        with what was said just before it.
    seed: Decides the split and the mix; the same seed and dialogues give the same files.
    identity_share, paraphrase_share: Shares of the training examples under ``mix``; the rest has no
        system prompt.
    validation_share, development_share, test_share: Shares of the dialogues; the rest is trained.
    near_duplicate: Jaccard similarity from which two lines count as the same (0 to 1).
    max_tokens: Examples that are longer are named in the notes, because training cuts their end off.
    """

    system_prompt: SystemPrompt = "mix"
    shape: Shape = "conversations"
    seed: int = 0
    identity_share: float = 0.7
    paraphrase_share: float = 0.15
    validation_share: float = 0.08
    development_share: float = 0.08
    test_share: float = 0.14
    near_duplicate: float = 0.7
    max_tokens: int = 2048

    def __post_init__(self) -> None:
        _one_of("--system-prompt", self.system_prompt, get_args(SystemPrompt))
        _one_of("--shape", self.shape, get_args(Shape))
        if (
            self.identity_share < 0
            or self.paraphrase_share < 0
            or self.identity_share + self.paraphrase_share > 1
        ):
            raise ConfigError(
                "identity_share and paraphrase_share must be 0 or more, and 1 or less together."
            )
        held_out = [self.validation_share, self.development_share, self.test_share]
        if min(held_out) < 0 or sum(held_out) > 0.9:
            raise ConfigError(
                "The shares of validation, development and test must be 0 or more, and 0.9 or less "
                "together, so that something is left to train on."
            )
        if not 0.3 <= self.near_duplicate <= 1:
            raise ConfigError("near_duplicate must be between 0.3 and 1.")
        if self.max_tokens < 1:
            raise ConfigError("max_tokens must be 1 or more.")

    def shares(self) -> dict[Split, float]:
        """Share of the dialogues for each split; sums to 1."""
        held_out = self.validation_share + self.development_share + self.test_share
        return {
            "training": 1 - held_out,
            "validation": self.validation_share,
            "development": self.development_share,
            "test": self.test_share,
        }

    def as_dict(self) -> dict[str, Any]:
        """The recipe as the manifest holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """The recipe of a manifest; keys of other versions are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})

    def reasons(self) -> dict[str, str]:
        """Why each choice stands as it does, one sentence per setting."""
        prompts = {
            "none": "trained without a system prompt, so that the deployed model needs none",
            "identity": "trained with the short prompt that the deployed model gets",
            "full": "trained with the long prompt; deploy it with the long prompt too, because a trait "
            "trained under a prompt that asks for it fades without it",
            "mix": f"{self.identity_share:.0%} with the short prompt of the deployed model, "
            f"{self.paraphrase_share:.0%} reworded and the rest without, so that the character "
            "does not hang on one wording",
        }
        shapes = {
            "pairs": "each reply is an example of its own; the model does not see longer talks",
            "conversations": "each dialogue is one example, so that the model learns to stay in character "
            "as a talk goes on",
        }
        split = (
            "whole groups only; a line that is nearly the same as a held-out one never sits in training; "
            f"seed {self.seed}"
        )
        return {"system_prompt": prompts[self.system_prompt], "shape": shapes[self.shape], "split": split}


def _one_of(flag: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{flag} {value!r} is not one of {', '.join(allowed)}.")
