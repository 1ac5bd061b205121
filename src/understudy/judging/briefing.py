"""Briefing: what everybody who judges is told about the character."""

from collections.abc import Sequence
from dataclasses import dataclass

from understudy.character.character import Character
from understudy.character.prompt import render_policies
from understudy.judging.pair import Pair
from understudy.judging.prompt import JudgePrompt

__all__ = ["Briefing", "brief", "conversation_text"]


@dataclass(frozen=True)
class Briefing:
    """The character's name, long prompt, and facts that the prompt does not tell."""

    name: str
    persona: str
    facts: str

    def filled(self, prompt: JudgePrompt, **more: str) -> str:
        return prompt.filled({"name": self.name, "persona": self.persona, "facts": self.facts, **more})


def brief(character: Character) -> Briefing:
    """The persona and the gold facts.

    A prompt that was written as one text may leave out facts and policies of the sheet: they are added.
    """
    extra: Sequence[str] = ()
    if character.prompt.strip():
        extra = [
            *(fact.statement for fact in character.facts),
            *render_policies(character.policies, character.name),
        ]
    told = "\n".join(f"- {line}" for line in extra)
    return Briefing(
        character.name, character.long_prompt(), f"\nWhat is true besides:\n{told}\n" if told else ""
    )


def conversation_text(pair: Pair, name: str) -> str:
    """The conversation as a script, and the fact that is asked for, where one is."""
    rows = [f"{name if m['role'] == 'assistant' else 'Visitor'}: {m['content']}" for m in pair.messages]
    told = [f"True in {name}'s world: {pair.fact}"] if pair.fact else []
    return "\n".join(["The conversation:", *rows, *told])
