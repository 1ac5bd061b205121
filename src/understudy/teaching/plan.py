"""Plan: which lines the star will answer, under which settings, and whether it did so already."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.character.character import Character, load_character
from understudy.client.provider import Provider
from understudy.dialogue import load_dialogues
from understudy.errors import ConfigError
from understudy.evaluation.detectors import says_it_is_ai
from understudy.folder import CharacterFolder
from understudy.teaching.composing import compose_outlines, scripted_questions
from understudy.teaching.lines_file import read_lines
from understudy.teaching.outline import Outline, choose_outlines, outlines_of
from understudy.teaching.record import TaughtRecord, file_hash, load_record
from understudy.teaching.settings import TeachingSettings, usual_temperature

__all__ = ["TeachingPlan", "plan_teaching"]

COMPOSED = 300
# Raised when the checks change, so that dialogues that passed the old ones are written anew.
CHECKS = 2


@dataclass(frozen=True)
class _Origin:
    """Where the user lines come from; ``file`` is empty for the sheet."""

    kind: str
    file: Path | None
    outlines: list[Outline]


@dataclass(frozen=True)
class TeachingPlan:
    """Everything that decides what is written. The same plan is never carried out twice.

    is_current: ``dialogues.jsonl`` is the result of this plan.
    is_changed: A star wrote ``dialogues.jsonl``, and somebody has edited it since.
    """

    folder: CharacterFolder
    character: Character
    provider: Provider
    model: str
    prompt: str
    settings: TeachingSettings
    origin: str
    origin_file: Path | None
    outlines: list[Outline]
    keys: list[str]
    is_current: bool
    is_changed: bool
    notes: tuple[str, ...]

    @property
    def inputs(self) -> str:
        return _hash([self.model, self.keys])

    @property
    def lines(self) -> int:
        return sum(len(outline.lines) for outline in self.outlines)

    def describe_origin(self) -> str:
        """Where the user lines come from, in words."""
        if self.origin == "sheet":
            return "the sheet's questions and the shipped situations"
        return f"{self.origin_file}"


def plan_teaching(
    folder: CharacterFolder,
    provider: Provider,
    model: str,
    settings: TeachingSettings | None = None,
    *,
    count: int | None = None,
    lines: Path | None = None,
    from_sheet: bool = False,
) -> TeachingPlan:
    """Choose the user lines and see what was done before.

    Without ``lines``, the lines are the user sides of the folder's dialogues; where it has none, they
    are composed from the sheet. Dialogues that a star wrote count as the lines that it was given.

    Args:
        count: Dialogues at most. Default: all that were given, or 300 composed ones.
        lines: A text or JSONL file of user lines.
        from_sheet: Compose the lines from the sheet although the folder has dialogues.

    Raises:
        CharacterError, DialogueError: A file cannot be read.
        ConfigError: No model is named, or two sources of lines.
    """
    if lines is not None and from_sheet:
        raise ConfigError("Give either --lines or --from-sheet: the user lines come from one of them.")
    if not model.strip():
        raise ConfigError("Name the model that writes the dialogues: --teacher MODEL")
    settings = settings or TeachingSettings(usual_temperature(model))
    character = load_character(folder.character)
    record = load_record(folder)
    now = file_hash(folder.dialogues)
    is_own = record is not None and now == record.output
    if from_sheet:
        origin = _composed(character, count, settings)
    else:
        origin = _origin(folder, character, record if is_own else None, settings, count, lines)
    prompt = character.long_prompt()
    keys = [_key(outline, character, provider, model, prompt, settings) for outline in origin.outlines]
    plan = TeachingPlan(
        folder,
        character,
        provider,
        model,
        prompt,
        settings,
        origin.kind,
        origin.file,
        origin.outlines,
        keys,
        is_current=False,
        is_changed=record is not None and now not in ("", record.output, record.before),
        notes=tuple(_notes(origin, character, count)),
    )
    is_current = is_own and record is not None and record.inputs == plan.inputs
    return TeachingPlan(**{**vars(plan), "is_current": is_current})


def _origin(
    folder: CharacterFolder,
    character: Character,
    own: TaughtRecord | None,
    settings: TeachingSettings,
    count: int | None,
    lines: Path | None,
) -> _Origin:
    """The lines, from where they were given first if ``dialogues.jsonl`` is a star's own work."""
    if own is not None and lines is None and own.origin == "lines":
        before = folder.root / own.origin_file
        lines = before if before.is_file() else None
    if lines is not None:
        return _Origin("lines", lines, _some(read_lines(lines), count, settings))
    source = folder.dialogues
    if own is not None and own.origin == "dialogues" and (folder.root / own.origin_file).is_file():
        source = folder.root / own.origin_file
    from_sheet = own is not None and own.origin == "sheet"
    dialogues = [] if from_sheet or not source.exists() else load_dialogues(source)
    outlines = outlines_of(dialogues, says_it_is_ai)
    if outlines:
        return _Origin("dialogues", source, _some(outlines, count, settings))
    return _composed(character, count, settings)


def _composed(character: Character, count: int | None, settings: TeachingSettings) -> _Origin:
    return _Origin("sheet", None, compose_outlines(character, count or COMPOSED, settings.seed))


def _some(outlines: list[Outline], count: int | None, settings: TeachingSettings) -> list[Outline]:
    return outlines if count is None else choose_outlines(outlines, count, settings.seed)


def _notes(origin: _Origin, character: Character, count: int | None) -> list[str]:
    notes = []
    wanted = count or (COMPOSED if origin.kind == "sheet" else 0)
    if len(origin.outlines) < wanted:
        notes.append(f"Only {len(origin.outlines)} of {wanted} conversations could be found.")
    if origin.kind != "sheet":
        return notes
    scripted = scripted_questions(character)
    single = [fact.id for fact in character.facts if len(fact.questions) == 1]
    silent = [fact.id for fact in character.facts if fact.id not in scripted]
    if single:
        notes.append(
            f"{_some_of(single)} with one question only: it is taught, and none is left to evaluate with."
        )
    if silent:
        notes.append(f"{_some_of(silent)} without a question that can be asked: not taught.")
    return notes


def _some_of(facts: list[str]) -> str:
    named = ", ".join(facts[:5]) + (", …" if len(facts) > 5 else "")
    return f"{len(facts)} fact{'s' * (len(facts) != 1)} ({named})"


def _key(
    outline: Outline,
    character: Character,
    provider: Provider,
    model: str,
    prompt: str,
    settings: TeachingSettings,
) -> str:
    """What a finished dialogue is found again by: everything that it and its checks depend on."""
    said = [[m.role, m.content] for m in (*outline.opening, *outline.lines)]
    facts = [[f.statement, f.questions, f.expected, f.forbidden] for f in character.facts]
    checks = [CHECKS, character.policies.disclosure, facts]
    asked = [provider.base_url, model, prompt, settings.sampling()]
    return _hash([outline.id, said, sorted(outline.sincere), outline.category, *asked, *checks])


def _hash(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
