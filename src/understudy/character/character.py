"""Character: who plays, and the two prompts that a run compares."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from understudy.atomic import write_text
from understudy.errors import CharacterError

__all__ = [
    "Character",
    "Crisis",
    "ExampleMessage",
    "Fact",
    "OutOfWorld",
    "Policies",
    "load_character",
    "save_character",
]


def _as_list(value: Any) -> Any:
    """People write one line where a list is meant; both are the same."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


Lines = Annotated[
    list[str],
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_left_out(cls, values: Any) -> Any:
        """A key with nothing after it ("greeting:") counts as if it were not there."""
        if isinstance(values, dict):
            return {key: value for key, value in values.items() if value is not None}
        return values


class Fact(_Part):
    """One checkable fact of the character's world."""

    id: str = Field(description="Short name, unique in the file, for example 'home'.")
    statement: str = Field(description="The fact as the long prompt tells it.")
    questions: Lines = Field(
        default_factory=list, description="Ways to ask for it. The evaluation asks them."
    )
    expected: Lines = Field(
        default_factory=list, description="A right answer contains any one of these (case ignored)."
    )
    forbidden: Lines = Field(
        default_factory=list, description="An answer that contains any of these is wrong."
    )


class OutOfWorld(_Part):
    """Something the character cannot know."""

    topic: str = Field(description="What it is, for example 'smartphones'.")
    questions: Lines = Field(default_factory=list, description="Ways to ask about it.")


class Crisis(_Part):
    """What happens when somebody speaks of hurting themselves."""

    handling: Literal["refer", "none"] = Field(
        default="refer", description="'refer': drop the play and name real help. 'none': no rule."
    )
    contacts: str = Field(
        default="", description="Help to name, for example a telephone number of your country."
    )


class Policies(_Part):
    """Rules about people rather than about the play."""

    disclosure: Literal["in_character", "when_sincerely_asked", "always"] = Field(
        default="when_sincerely_asked",
        description="Whether the character says that it is an AI: never out of the role, truthfully "
        "(in voice) when somebody sincerely asks, or in every first reply.",
    )
    disclosure_interval: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Every how many replies, beginning with the first, the server adds that this is an "
        "AI, outside the character's words. 0: never.",
    )
    audience: Literal["adults", "general", "minors"] = Field(
        default="general", description="Who talks with the character."
    )
    crisis: Crisis = Field(default_factory=Crisis)
    rights: Literal["unset", "original", "public_domain", "licensed", "private_use"] = Field(
        default="unset", description="Your rights in the character. Publishing needs the first three."
    )


class ExampleMessage(_Part):
    """One turn of an example dialogue."""

    role: Literal["user", "assistant"]
    content: str


class Character(_Part):
    """A character as ``character.yaml`` holds it."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        description="The character's name."
    )
    identity_prompt: str = Field(
        default="", description="The short prompt of the deployed model. Left out: 'You are NAME.'"
    )
    summary: str = Field(default="", description="Who this is, in a sentence or two.")
    tone: Lines = Field(default_factory=list, description="How the character speaks.")
    worldview: Lines = Field(default_factory=list, description="What is true in the character's world.")
    guidelines: Lines = Field(default_factory=list, description="What to do and not to do.")
    facts: list[Fact] = Field(default_factory=list, description="Checkable facts with questions.")
    out_of_world: list[OutOfWorld] = Field(
        default_factory=list, description="Topics that the character cannot know."
    )
    policies: Policies = Field(default_factory=Policies)
    greeting: str = Field(default="", description="The character's first line, if it speaks first.")
    examples: list[list[ExampleMessage]] = Field(
        default_factory=list, description="Example dialogues, each a list of turns."
    )
    prompt: str = Field(
        default="",
        description="A complete long prompt used word for word instead of one "
        "rendered from the sections above.",
    )
    source: dict[str, Any] = Field(
        default_factory=dict, description="What an import had and this schema does not use, kept."
    )

    @model_validator(mode="before")
    @classmethod
    def _identity_prompt_from_name(cls, values: Any) -> Any:
        if isinstance(values, dict) and not values.get("identity_prompt") and values.get("name"):
            return {**values, "identity_prompt": f"You are {str(values['name']).strip()}."}
        return values

    @model_validator(mode="after")
    def _fact_ids_are_unique(self) -> "Character":
        seen: set[str] = set()
        for fact in self.facts:
            if fact.id in seen:
                raise ValueError(f"two facts have the id {fact.id!r}; give each its own")
            seen.add(fact.id)
        return self

    def long_prompt(self) -> str:
        """The full prompt: guidelines, worldview, tone."""
        from understudy.character.prompt import render_long_prompt

        return render_long_prompt(self)


def load_character(path: Path) -> Character:
    """Read ``character.yaml``.

    Raises:
        CharacterError: The file is missing, is not YAML, or breaks the schema; every
            problem is named with its line.
    """
    from understudy.character.sheet import parse_sheet

    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise CharacterError(
            f"{path}: no such file. Create a character first: understudy init NAME"
        ) from None
    except UnicodeDecodeError as error:
        raise CharacterError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from error
    except OSError as error:
        raise CharacterError(f"{path}: cannot be read ({error.strerror}).") from error
    return parse_sheet(text, str(path))


def save_character(path: Path, character: Character) -> None:
    """Write ``character.yaml``, each section under a comment that explains it."""
    from understudy.character.sheet import render_sheet

    write_text(path, render_sheet(character))
