"""Teaching plan: which lines the star will answer, under which settings, and whether it did so already."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.character.character import Character, load_character
from understudy.client.provider import Provider
from understudy.dialogue import load_dialogues
from understudy.errors import ConfigError
from understudy.evaluation.detectors import says_it_is_ai
from understudy.folder import CharacterFolder
from understudy.teaching.budget import Rate, find_rate
from understudy.teaching.composing import Composed, compose_plan
from understudy.teaching.drafting import draft_plan, reserved_questions, scripted_questions, usual_filter
from understudy.teaching.judge import Judge
from understudy.teaching.lines_file import read_lines
from understudy.teaching.outline import Outline, choose_outlines, outlines_of
from understudy.teaching.plan import Filter, Plan, User
from understudy.teaching.record import TaughtRecord, file_hash, load_record
from understudy.teaching.settings import TeachingSettings, usual_settings
from understudy.teaching.simulated_user import can_play_user
from understudy.teaching.teacher import Student

__all__ = ["Company", "TeachingPlan", "compose_outlines", "plan_teaching"]

COMPOSED = 300
# Raised when the checks change, so that dialogues that passed the old ones are written anew.
CHECKS = 5


@dataclass(frozen=True)
class _Origin:
    """Where the user lines come from; ``file`` is empty for the sheet."""

    kind: str
    file: Path | None
    outlines: list[Outline]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Company:
    """Who takes part besides the star, and what may be spent.

    student: Model whose own replies are the history of some conversations, under the identity prompt.
    judge: Model that grades; ``judge_file`` is its instruction, a shipped one where it is ``None``.
    budget_usd: Never passed, over everything that ``calls.jsonl`` holds.
    rate: Price of the star, where it is not known here. batch: Ask in batches, at half the price.
    """

    student: str | None = None
    judge: str | None = None
    judge_file: Path | None = None
    judge_at_least: int = 3
    budget_usd: float | None = None
    rate: Rate | None = None
    batch: bool = False


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
    rules: Filter = field(default_factory=Filter)
    played: bool = False
    company: Company = Company()

    @property
    def inputs(self) -> str:
        company = self.company
        judged = [company.judge, company.judge_at_least, self.judge.instruction() if self.judge else ""]
        return _hash([self.model, self.keys, company.student, judged])

    @property
    def judge(self) -> Judge | None:
        company = self.company
        if company.judge is None:
            return None
        return Judge(
            company.judge, self.character.name, self.prompt, company.judge_at_least, company.judge_file
        )

    @property
    def student(self) -> Student | None:
        if self.company.student is None:
            return None
        return Student(self.company.student, self.character.identity_prompt)

    def rates(self) -> dict[str, Rate]:
        """Price by model; none where nothing is paid."""
        if not self.provider.paid and self.company.rate is None:
            return {}
        found = {name: find_rate(name) for name in (self.company.judge, self.company.student) if name}
        found[self.model] = self.company.rate or find_rate(self.model)
        known = {name: rate for name, rate in found.items() if rate is not None}
        return {name: rate.halved() for name, rate in known.items()} if self.company.batch else known

    @property
    def lines(self) -> int:
        return sum(len(outline.lines) for outline in self.outlines)

    def describe_origin(self) -> str:
        """Where the user lines come from, in words."""
        if self.origin == "sheet":
            return "the sheet's questions and the shipped situations"
        if self.origin == "plan":
            return "the plan"
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
    written: Plan | None = None,
    company: Company | None = None,
) -> TeachingPlan:
    """Choose the user lines and see what was done before.

    Without ``lines``, the lines are the user sides of the folder's dialogues; where it has none, they
    are composed from the sheet. Dialogues that a star wrote count as the lines that it was given.

    Args:
        count: Dialogues at most. Default: all that were given, or 300 composed ones.
        lines: A text or JSONL file of user lines.
        from_sheet: Compose the lines from the sheet although the folder has dialogues.
        written: The plan of ``plan.yaml``, carried out instead of all that.
        company: Student, judge and budget.

    Raises:
        CharacterError, DialogueError: A file cannot be read.
        ConfigError: No model is named, two sources of lines, or a budget without a known price.
    """
    company = company or Company()
    if lines is not None and from_sheet:
        raise ConfigError("Give either --lines or --from-sheet: the user lines come from one of them.")
    if not model.strip():
        raise ConfigError("Name the model that writes the dialogues: --teacher MODEL")
    settings = settings or usual_settings(model)
    character = load_character(folder.character)
    record = load_record(folder)
    now = file_hash(folder.dialogues)
    is_own = record is not None and now == record.output
    rules, played = (written.filter if written else usual_filter(character)), False
    if not settings.tells_reason:
        # Without a reason, a miniature begins the next reply as the last: most of a talk would be lost.
        rules = rules.model_copy(update={"same_openings": 0})
    if written is not None:
        played = written.user.played_by == "teacher" or (
            written.user.played_by == "auto" and can_play_user(model)
        )
        origin = _planned(written, character, played, company)
    elif from_sheet:
        origin = _composed(character, count, settings)
    else:
        origin = _origin(folder, character, record if is_own else None, settings, count, lines)
    prompt = character.long_prompt()
    asked = [provider.base_url, model, prompt, settings.sampling(), rules.model_dump(), played]
    facts = [[f.statement, f.questions, f.expected, f.forbidden] for f in character.facts]
    shared = _hash([*asked, CHECKS, character.policies.disclosure, facts])
    keys = [_key(outline, shared) for outline in origin.outlines]
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
        notes=(*_notes(origin, character, count), *origin.notes),
        rules=rules,
        played=played,
        company=company,
    )
    _refuse_unknown_price(plan)
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
    from_sheet = own is not None and own.origin in ("sheet", "plan")
    dialogues = [] if from_sheet or not source.exists() else load_dialogues(source)
    outlines = outlines_of(dialogues, says_it_is_ai)
    if outlines:
        return _Origin("dialogues", source, _some(outlines, count, settings))
    return _composed(character, count, settings)


def _refuse_unknown_price(plan: TeachingPlan) -> None:
    """A budget can only be kept where every price is known."""
    company = plan.company
    if company.budget_usd is None or not plan.provider.paid:
        return
    named = {plan.model, company.judge, company.student} - {None}
    unknown = sorted(str(name) for name in named if name not in plan.rates())
    if unknown:
        raise ConfigError(
            f"--budget needs the price of {', '.join(unknown)}, which is not known here. Give that of the "
            "teacher with --price READ/WRITTEN in US dollars per million tokens."
        )


def compose_outlines(character: Character, count: int, seed: int = 0) -> list[Outline]:
    """The conversations of a plan drafted from the sheet, in plain typing, with the plan's own lines.

    The same sheet and seed give the same outlines, and a smaller ``count`` some of them.
    """
    return _compose(character, count, seed).outlines


def _compose(character: Character, count: int, seed: int) -> Composed:
    plan = draft_plan(character, count, seed)
    plain = User(played_by="lines", temperaments={"friendly": 1}, typing={"careful": 1})
    plan = plan.model_copy(update={"user": plain, "student_history": 0.0})
    return compose_plan(plan, character, reserved_questions(character))


def _composed(character: Character, count: int | None, settings: TeachingSettings) -> _Origin:
    return _Origin("sheet", None, compose_outlines(character, count or COMPOSED, settings.seed))


def _planned(plan: Plan, character: Character, played: bool, company: Company) -> _Origin:
    """The outlines of ``plan.yaml``, with notes on what could not be made of it."""
    if plan.character != character.name:
        raise ConfigError(
            f"The plan is for {plan.character!r}, and the character is {character.name!r}. Draft one for it: "
            "understudy plan NAME --again"
        )
    if company.student is None:
        plan = plan.model_copy(update={"student_history": 0.0})
    composed = compose_plan(plan, character, reserved_questions(character), played=played)
    if not composed.outlines:
        raise ConfigError("The plan holds no conversation: every count is 0, or there are no lines.")
    notes = []
    if composed.left_out:
        notes.append(
            f"{len(composed.left_out)} lines of the plan are left out, because the evaluation asks them in "
            f"nearly these words: {'; '.join(composed.left_out[:3])}"
        )
    if composed.missing:
        notes.append(f"{composed.missing} conversations of the plan could not be made without repeating one.")
    return _Origin("plan", None, composed.outlines, tuple(notes))


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


def _key(outline: Outline, shared: str) -> str:
    """What a finished dialogue is found again by: everything that it and its checks depend on."""
    said = [[m.role, m.content] for m in (*outline.opening, *outline.lines)]
    places = [sorted(outline.sincere), sorted(outline.premises), sorted(outline.free), outline.facts]
    places.append(sorted(outline.follows))
    manner = [outline.manner.temperament, outline.manner.typing, outline.manner.language]
    return _hash(
        [outline.id, said, places, manner, outline.student_turns, outline.loose, outline.category, shared]
    )


def _hash(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
