"""Character: who plays, and the two prompts that a run compares."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

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


Lines = Annotated[list[str], BeforeValidator(_as_list)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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

    name: str = Field(min_length=1, description="The character's name.")
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
            problem is named with its place.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise CharacterError(
            f"{path}: no such file. Create a character first: understudy init NAME"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CharacterError(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise CharacterError(
            f"{path}{line}: is not valid YAML "
            f"({getattr(error, 'problem', None) or error}). "
            "Quote the text, or indent it as its neighbours."
        ) from error
    if not isinstance(values, dict):
        raise CharacterError(f"{path}: must hold keys such as 'name:' and 'tone:'.")
    try:
        return Character.model_validate(values)
    except ValidationError as error:
        problems = [f"{path}: {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
        raise CharacterError("\n".join(problems)) from error


class _BlockText(str):
    pass


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _BlockText, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|")
)


def _blocks(value: Any) -> Any:
    """Mark multi-line text so that YAML keeps it readable."""
    if isinstance(value, dict):
        return {key: _blocks(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_blocks(item) for item in value]
    return _BlockText(value) if isinstance(value, str) and "\n" in value else value


def save_character(path: Path, character: Character) -> None:
    """Write ``character.yaml`` with the line that lets editors complete it."""
    values = json.loads(character.model_dump_json(exclude_defaults=False))
    body = yaml.dump(_blocks(values), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=96)
    write_text(path, "# yaml-language-server: $schema=./character.schema.json\n" + body)
