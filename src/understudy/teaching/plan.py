"""Plan: ``plan.yaml``, what is to be written for a character, made to be read and edited by a person."""

import textwrap
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from understudy.atomic import write_text
from understudy.errors import ConfigError
from understudy.folder import CharacterFolder, typed
from understudy.teaching.typing_style import TYPING_STYLES
from understudy.yamlfile import parse_yaml

__all__ = [
    "Facts",
    "Filter",
    "Plan",
    "Situation",
    "User",
    "load_plan",
    "plan_path",
    "render_plan",
    "save_plan",
]

TEMPERAMENTS = {"friendly": 4, "curious": 3, "shy": 1, "impatient": 1, "doubtful": 1, "talkative": 1}
MOST = 1_000_000
Weights = dict[str, Annotated[int, Field(ge=0, le=1000)]]
Lines = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class User(_Part):
    """Who talks with the character."""

    played_by: Literal["auto", "teacher", "lines"] = "auto"
    extra_turns: int = Field(default=4, ge=0, le=100)
    temperaments: Weights = Field(default_factory=lambda: dict(TEMPERAMENTS))
    typing: Weights = Field(default_factory=lambda: {"careful": 6, "hurried": 2, "lower_case": 1, "slips": 1})
    languages: Weights = Field(default_factory=lambda: {"English": 1})

    @field_validator("typing")
    @classmethod
    def _known(cls, values: Weights) -> Weights:
        unknown = [name for name in values if name not in TYPING_STYLES]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no way of typing; there are {', '.join(TYPING_STYLES)}")
        return values

    @field_validator("temperaments", "typing", "languages")
    @classmethod
    def _some(cls, values: Weights) -> Weights:
        if not any(values.values()):
            raise ValueError("needs at least one entry with a weight above 0")
        return values


class Filter(_Part):
    """What a reply has to be, besides in the role."""

    fewest_words: int = Field(default=1, ge=1)
    most_words: int = Field(default=150, ge=1)
    stage_directions: Literal["unwanted", "wanted"] = "unwanted"
    similarity: float = Field(default=0.8, gt=0, le=1)
    most_repeats: int = Field(default=3, ge=1)
    overused: float = Field(default=0.15, gt=0, le=1)
    same_openings: int = Field(default=1, ge=0)
    tone: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _in_order(self) -> "Filter":
        if self.fewest_words > self.most_words:
            raise ValueError("fewest_words must not be more than most_words")
        return self


class Facts(_Part):
    """Conversations about the facts of the sheet: questions by fact, and wrong statements to be set right."""

    count: int = Field(default=0, ge=0, le=MOST)
    questions: dict[str, Lines] = Field(default_factory=dict)
    false_premises: dict[str, Lines] = Field(default_factory=dict)


class Situation(_Part):
    """Lines about one subject, in their order; ``count`` conversations are made of them."""

    count: int = Field(default=1, ge=0, le=MOST)
    lines: Lines
    returning: str = ""
    leading: bool = True

    @field_validator("lines")
    @classmethod
    def _said(cls, values: list[str]) -> list[str]:
        if not values or not all(line.strip() for line in values):
            raise ValueError("needs at least one line, and no empty one")
        return values


class Plan(_Part):
    """What is to be written: a tree of situations, category by category, with counts."""

    version: Literal[1] = 1
    character: str
    seed: int = Field(default=0, ge=0)
    student_history: float = Field(default=0.2, ge=0, le=1)
    user: User = Field(default_factory=User)
    filter: Filter = Field(default_factory=Filter)
    facts: Facts = Field(default_factory=Facts)
    situations: dict[str, dict[str, Situation]] = Field(default_factory=dict)

    @property
    def dialogues(self) -> int:
        return self.facts.count + sum(
            s.count for subjects in self.situations.values() for s in subjects.values()
        )

    def counts(self) -> dict[str, int]:
        """Conversations by category."""
        counts = {"worldview": self.facts.count} if self.facts.count else {}
        for category, subjects in self.situations.items():
            counts[category] = counts.get(category, 0) + sum(s.count for s in subjects.values())
        return {category: count for category, count in counts.items() if count}


COMMENTS = {
    "version": "What is to be written for {character}. Edit it, then: understudy generate {folder}",
    "student_history": "Share of the conversations in which the earlier replies are the student's own "
    "(weight 0, not learned), so that it learns to come back into the role: generate --student MODEL",
    "user": "Who plays the people that talk with the character. `auto`: the teacher, or for a miniature the "
    "lines below. extra_turns: how much longer the teacher may make long conversations. The numbers behind "
    "temperaments, ways of typing and languages are weights.",
    "filter": "What a reply has to be. similarity, most_repeats: how alike replies to different lines may "
    "be, and how often. overused: the share of replies that may begin alike. same_openings: how many replies "
    "of one conversation may begin with the same words; sayings of the sheet may come again, but not three "
    "times in a row; 0 turns it off. tone: below this probability of being the character's, a reply is "
    "refused; 0 turns it off.",
    "facts": "Conversations about the facts of character.yaml. Each fact comes equally often. The first "
    "wordings are the sheet's, the others ours; change or delete them as you like. Wordings that the "
    "evaluation keeps for itself are not here, and are left out if you add them.",
    "situations": "Category, subject, number of conversations, and lines that a person may say. A "
    "conversation begins with the first line, unless `leading: false`; others may be left out. `returning` "
    "is a last line that goes back to the first. In sincere_ai every line but the first asks sincerely.",
}


def plan_path(folder: CharacterFolder) -> Path:
    return folder.root / "plan.yaml"


def load_plan(folder: CharacterFolder, path: Path | None = None) -> Plan:
    """Read the plan of a character, ``plan.yaml`` in its folder unless another file is named.

    Raises:
        ConfigError: It is missing or broken; every problem is named with its line.
    """
    path = path or plan_path(folder)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file. Make a plan first: understudy plan {typed(folder.root)}"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error
    return parse_yaml(text, str(path), Plan, ConfigError, "'character:' and 'situations:'")


def save_plan(path: Path, plan: Plan, *, folder: str, estimate: str) -> None:
    """Write the plan with its comments. ``estimate``: tokens and prices, as text."""
    write_text(path, render_plan(plan, folder=folder, estimate=estimate))


def render_plan(plan: Plan, *, folder: str, estimate: str) -> str:
    """The plan as YAML; each section stands under its explanation."""
    values: dict[str, Any] = plan.model_dump(mode="json")
    for subjects in values["situations"].values():
        for situation in subjects.values():
            for key, usual in (("returning", ""), ("leading", True)):
                if situation[key] == usual:
                    del situation[key]
    head = COMMENTS["version"].format(character=plan.character, folder=folder)
    comments = COMMENTS | {"version": f"{head}\n{estimate}"}
    sections = []
    for key, value in values.items():
        body = yaml.safe_dump({key: value}, allow_unicode=True, sort_keys=False, width=110)
        sections.append(_comment(comments[key]) + body if key in comments else body)
    return "".join(sections).lstrip("\n")


def _comment(text: str) -> str:
    """Text as comment lines; its own line ends stay."""
    lines = [line for part in text.split("\n") for line in textwrap.wrap(part, 108) or [""]]
    return "\n" + "".join(f"# {line}".rstrip() + "\n" for line in lines)
