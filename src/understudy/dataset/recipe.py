"""Recipe: how dialogues become training examples."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from understudy.errors import ConfigError

__all__ = ["SPLITS", "Recipe", "Shape", "Split", "SystemPrompt"]

SystemPrompt = Literal["none", "identity", "paraphrases", "full", "mix"]
Shape = Literal["pairs", "windows", "conversations"]
Learn = Literal["all", "last"]
Split = Literal["training", "validation", "development", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Recipe:
    """Settings of a dataset. The defaults are the project's recommendation, with reasons in ``reasons``.

    system_prompt: ``none``; ``identity``, the short prompt of the deployed model; ``paraphrases``, the
        short prompt in many wordings; ``full``, the long prompt; ``mix``, mostly the identity prompt,
        sometimes reworded or absent, and the long one if ``full_share`` says so.
    shape: ``conversations`` keeps each dialogue whole; ``windows`` cuts it into stretches in which every
        reply is learned once, after some of what went before; ``pairs`` makes each reply an example of its
        own, with what was said just before it.
    window_messages: Most messages of a window; half of them are what went before.
    learn: ``all`` replies of an example, or the ``last`` one only, the others being context.
    seed: Decides the split and the mix; the same seed and dialogues give the same files.
    identity_share, paraphrase_share, full_share: Shares of the training examples under ``mix``; the rest
        has no system prompt.
    most_identity, most_protective, most_general: Largest shares of the training dialogues that ask who the
        character is, that protect (sincere questions, danger, attempts to break the role, other worlds), and
        that are anybody's tasks; what is above is left out. 1 leaves all in.
    protect: Add shipped truthful answers to sincere questions where the dialogues hold none.
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
    window_messages: int = 8
    learn: Learn = "all"
    full_share: float = 0.0
    most_identity: float = 1.0
    most_protective: float = 1.0
    most_general: float = 0.1
    protect: bool = True

    def __post_init__(self) -> None:
        _one_of("--system-prompt", self.system_prompt, get_args(SystemPrompt))
        _one_of("--shape", self.shape, get_args(Shape))
        _one_of("--learn", self.learn, get_args(Learn))
        mixed = [self.identity_share, self.paraphrase_share, self.full_share]
        if min(mixed) < 0 or sum(mixed) > 1 + 1e-9:
            raise ConfigError("The shares of --mix must be 0 or more each, and 1 or less together.")
        for kind in ("identity", "protective", "general"):
            if not 0 <= getattr(self, f"most_{kind}") <= 1:
                raise ConfigError(f"--most-{kind} must be between 0 and 1.")
        if self.window_messages < 2:
            raise ConfigError("--window must be 2 or more: a line and a reply.")
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
            "paraphrases": "trained with the short prompt in seven wordings, so that the character does not "
            "hang on one",
            "full": "trained with the long prompt; deploy it with the long prompt too, because a trait "
            "trained under a prompt that asks for it fades without it",
            "mix": f"{self.identity_share:.0%} with the short prompt of the deployed model, "
            f"{self.paraphrase_share:.0%} reworded"
            + (f", {self.full_share:.0%} with the long one" if self.full_share else "")
            + " and the rest without, so that the character does not hang on one wording"
            + (
                "; in one study examples under the long prompt hurt where the model is deployed without it"
                if self.full_share
                else ""
            ),
        }
        shapes = {
            "pairs": "each reply is an example of its own; the model does not see longer talks",
            "windows": f"stretches of at most {self.window_messages} messages, every reply learned once "
            "after some of what went before; for talks longer than the model reads in training",
            "conversations": "each dialogue is one example, so that the model learns to stay in character "
            "as a talk goes on",
        }
        split = (
            "whole groups only; a line that is nearly the same as a held-out one never sits in training; "
            f"seed {self.seed}"
        )
        learn = {
            "all": "every reply is learned; replies of weight 0 stay as context",
            "last": "only the last reply of each example is learned, as where the earlier ones are somebody "
            "else's",
        }
        return {
            "system_prompt": prompts[self.system_prompt],
            "shape": shapes[self.shape],
            "learn": learn[self.learn],
            "balance": self._balance_reason(),
            "split": split,
        }

    def _balance_reason(self) -> str:
        named = (("who it is", self.most_identity), ("protective", self.most_protective))
        limits = [f"at most {share:.0%} {what}" for what, share in named if share < 1]
        limits.append(
            f"at most {self.most_general:.0%} anybody's tasks in its voice: a few keep the model able"
            if self.most_general < 1
            else "anybody's tasks without limit"
        )
        return "; ".join(limits) + "; no curriculum: the order is left to chance"


def _one_of(flag: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{flag} {value!r} is not one of {', '.join(allowed)}.")
