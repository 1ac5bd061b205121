"""Arm: a model together with the prompt it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from understudy.character.character import Character

__all__ = ["DEPLOYED", "MINIATURE", "Arm", "build_arms"]

DEPLOYED = "tuned+short"
MINIATURE = "understudy/mini"
"""How the names of the embedded models begin; they share one tokenizer."""
LOOKED_FOR = "priced, not measured"


@dataclass(frozen=True)
class Arm:
    """One way to play the character. ``prompt_kind`` is long, short or none."""

    name: str
    model: str
    base_model: str
    prompt_kind: str
    prompt: str
    measured: bool = True
    note: str | None = None

    def messages(self, conversation: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        """The conversation as this arm's model gets it: its system prompt in front, if it has one."""
        system = [{"role": "system", "content": self.prompt}] if self.prompt else []
        return [*system, *({"role": m["role"], "content": m["content"]} for m in conversation)]


def build_arms(
    character: Character, base_model: str, tuned_model: str, star_model: str | None = None
) -> list[Arm]:
    """The five arms that are measured, and the expensive model with the long prompt.

    The star is measured only where ``star_model`` names one; else it stands for its price.
    """
    long, short = character.long_prompt(), character.identity_prompt.strip()
    prompts = {"long": long, "short": short, "none": ""}
    note = "the sheet holds no more than the identity prompt" if long.strip() == short else None
    plan = (
        ("cheap+long", base_model, "long"),
        ("cheap+short", base_model, "short"),
        (DEPLOYED, tuned_model, "short"),
        ("tuned+none", tuned_model, "none"),
        ("tuned+long", tuned_model, "long"),
    )
    arms = [
        Arm(name, model, base_model, kind, prompts[kind], note=note if kind == "long" else None)
        for name, model, kind in plan
    ]
    star = star_model or "gpt-4.1"
    return [*arms, _star(star, long, measured=star_model is not None)]


def _star(model: str, prompt: str, *, measured: bool) -> Arm:
    note = None if measured else LOOKED_FOR
    return Arm("expensive+long", model, model, "long", prompt, measured=measured, note=note)
