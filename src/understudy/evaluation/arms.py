"""Arm: a model together with the prompt it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from understudy.character.character import Character
from understudy.dialogue import Dialogue
from understudy.evaluation.casting import Casting
from understudy.evaluation.short_prompts import few_shot_examples, trimmed_prompt

__all__ = ["DEPLOYED", "MINIATURE", "Arm", "build_arms"]

DEPLOYED = "tuned+short"
MINIATURE = "understudy/mini"
"""How the names of the embedded models begin; they share one tokenizer."""
LOOKED_FOR = "priced, not measured"
NOT_FOUND = "not measured: no model tuned on another character is known; name one with --wrong"
NO_EXAMPLES = "not measured: the training split has no short exchange to show"
STAR = "gpt-4.1"


@dataclass(frozen=True)
class Arm:
    """One way to play the character. ``prompt_kind`` is long, short, none, trimmed or few-shot.

    ``examples`` are questions with the character's replies that stand before the conversation as
    chat turns. ``provider`` is the server that has the model, where it is another than the run's.
    """

    name: str
    model: str
    base_model: str
    prompt_kind: str
    prompt: str
    measured: bool = True
    note: str | None = None
    examples: tuple[tuple[str, str], ...] = ()
    provider: str | None = None

    def messages(self, conversation: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        """The conversation as this arm's model gets it: system prompt and examples in front, if any."""
        system = [{"role": "system", "content": self.prompt}] if self.prompt else []
        shown = [
            {"role": role, "content": text}
            for pair in self.examples
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
        return [*system, *shown, *({"role": m["role"], "content": m["content"]} for m in conversation)]

    @property
    def prompt_text(self) -> str:
        """Everything that is sent before the conversation, to count its tokens."""
        return "\n".join([self.prompt, *(text for pair in self.examples for text in pair)]).strip()


def build_arms(
    character: Character,
    base_model: str,
    tuned_model: str,
    star_model: str | None = None,
    *,
    casting: Casting | None = None,
    training: Sequence[Dialogue] = (),
) -> list[Arm]:
    """All arms: those on the run's two models, a few cheaper ways to prompt, the control and the star.

    The star is measured only where ``star_model`` (or the casting) names one; else it stands for
    its price. The negative control is a model that was tuned on another character and is told this
    one's identity: what it reaches, training alone would give. It needs ``casting.wrong``.

    Args:
        training: Dialogues of the training split, from which cheap+few-shot shows some.
    """
    casting = casting or Casting()
    long, short = character.long_prompt(), character.identity_prompt.strip()
    trimmed, examples = trimmed_prompt(character), few_shot_examples(training)
    same = "the sheet holds no more than the identity prompt" if long.strip() == short else None
    uncut = "the sheet holds no more than the trimmed prompt" if long.strip() == trimmed else None
    star = star_model or casting.star
    arms = [
        Arm("cheap+long", base_model, base_model, "long", long, note=same),
        Arm("cheap+short", base_model, base_model, "short", short),
        Arm(DEPLOYED, tuned_model, base_model, "short", short),
        Arm("tuned+none", tuned_model, base_model, "none", ""),
        Arm("tuned+long", tuned_model, base_model, "long", long, note=same),
        Arm("cheap+trimmed", base_model, base_model, "trimmed", trimmed, note=same or uncut),
        _few_shot(base_model, short, examples),
        _control(casting.wrong, base_model, short),
        Arm(
            "expensive+long",
            star or STAR,
            star or STAR,
            "long",
            long,
            measured=star is not None,
            note=None if star else LOOKED_FOR,
        ),
    ]
    return [_placed(arm, casting) for arm in arms]


def _few_shot(model: str, prompt: str, examples: tuple[tuple[str, str], ...]) -> Arm:
    note = f"{len(examples)} exchanges of the training split as chat turns" if examples else NO_EXAMPLES
    return Arm("cheap+few-shot", model, model, "few-shot", prompt, bool(examples), note, examples=examples)


def _control(model: str | None, base_model: str, prompt: str) -> Arm:
    note = "tuned on another character, told this one's name" if model else NOT_FOUND
    return Arm("wrong+short", model or "", base_model, "short", prompt, measured=bool(model), note=note)


def _placed(arm: Arm, casting: Casting) -> Arm:
    """The arm with the model that the casting puts into it, at that model's own server."""
    placement = casting.placements.get(arm.name)
    if placement is None:
        return arm
    # A model of another server shares no base with the run's; it stands for itself.
    note = None if arm.note in (LOOKED_FOR, NOT_FOUND) else arm.note
    return replace(
        arm,
        model=placement.model,
        base_model=placement.model if placement.model != arm.model else arm.base_model,
        measured=True,
        note=note,
        provider=placement.provider,
    )
