"""Evaluation: probes are fixed, arms are asked, replies are scored, and the verdict is written last."""

import asyncio
import hashlib
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from understudy import __version__
from understudy.atomic import write_jsonl
from understudy.character.character import Character, load_character
from understudy.dataset import Manifest, load_manifest, split_dialogues
from understudy.dialogue import Dialogue
from understudy.errors import EvaluationError
from understudy.evaluation.arms import MINIATURE, Arm, build_arms
from understudy.evaluation.connection import Connection
from understudy.evaluation.drift import measure_drift
from understudy.evaluation.gap_closed import Likelihood
from understudy.evaluation.headline import draw_headline
from understudy.evaluation.limits import list_limits
from understudy.evaluation.probe import Answer, Measured, Probe
from understudy.evaluation.probes import ProbeSet, build_probes
from understudy.evaluation.replies import Progress, Row, RowFile, ask, score_conversations
from understudy.evaluation.run_record import RunRecord, read_run
from understudy.evaluation.scoreboard import compare_arms, score_arms
from understudy.evaluation.settings import Settings
from understudy.evaluation.spending import Spending, foresee_spending
from understudy.evaluation.style import Line
from understudy.evaluation.verdict import ArmVerdict, Verdict, load_verdict, save_verdict
from understudy.evaluation.yardsticks import (
    Yardsticks,
    describe_detectors,
    train_yardsticks,
    training_questions,
)
from understudy.folder import CharacterFolder

__all__ = ["current_verdict", "evaluate", "foresee"]

Report = Callable[[Progress], None]
LIBRARIES = ("numpy", "openai", "scikit-learn", "scipy")


@dataclass(frozen=True)
class _Case:
    """What is evaluated: the character, its data by side of the split, and the trained run."""

    folder: CharacterFolder
    run: RunRecord
    character: Character
    manifest: Manifest
    training: list[Dialogue]
    test: list[Dialogue]
    settings: Settings
    star_model: str | None

    def hashes(self) -> dict[str, str]:
        """Hashes of everything that goes in; equal ones mean that a verdict is current."""
        return {
            "character.yaml": _sha256(self.folder.character.read_bytes()),
            "dialogues.jsonl": self.manifest.inputs.get("dialogues.jsonl", ""),
            "manifest.json": _sha256((self.folder.dataset / "manifest.json").read_bytes()),
            "models": _sha256(f"{self.run.base_model}\n{self.run.tuned_model}\n{self.star_model}".encode()),
            "settings": self.settings.sha256(),
            "program": _sha256(b"".join(p.read_bytes() for p in _program_files())),
        }


@dataclass(frozen=True)
class _Asked:
    """What the models gave: rows and likelihoods by arm, the untuned model's plain answers."""

    rows: dict[str, list[Row]]
    likelihoods: dict[str, list[Likelihood]]
    plain: list[Line]
    note: str | None


def evaluate(
    folder: CharacterFolder,
    run: Path,
    connection: Connection,
    settings: Settings | None = None,
    *,
    star_model: str | None = None,
    report: Report = lambda progress: None,
) -> Verdict:
    """Compare the tuned model with the prompted one on held-out probes; write ``run/verdict.json``.

    Replies are kept in ``run/replies.jsonl`` as they come and likelihoods in ``run/likelihoods.jsonl``,
    so an evaluation that was stopped goes on where it was. The probes are written to
    ``run/probes.jsonl`` before any model sees them.

    Args:
        connection: Where the models answer and score.
        star_model: A model to measure as expensive+long; without one that arm is only priced.

    Raises:
        EvaluationError: The run has no model, or does not fit the dataset, or nothing can be asked.
        ProviderError: The provider stopped answering; what came is kept.
    """
    case = _open_case(folder, run, settings or Settings(), star_model)
    probes = build_probes(case.character, case.training, case.test, case.settings)
    write_jsonl(run / "probes.jsonl", probes.rows())
    arms = build_arms(case.character, case.run.base_model, case.run.tuned_model, star_model)
    asked = asyncio.run(_ask_everything(connection, case, arms, probes, report))
    yardsticks = train_yardsticks(case.character, case.training, asked.plain, case.settings.seed)
    verdict = _judge(case, arms, probes, asked, yardsticks)
    save_verdict(run, verdict)
    return verdict


def current_verdict(
    folder: CharacterFolder, run: Path, settings: Settings | None = None, *, star_model: str | None = None
) -> dict[str, Any] | None:
    """The run's verdict if nothing that it rests on has changed since, else ``None``."""
    found = load_verdict(run)
    if found is None:
        return None
    case = _open_case(folder, run, settings or Settings(), star_model)
    known = found.get("hashes") or {}
    return found if all(known.get(name) == digest for name, digest in case.hashes().items()) else None


def foresee(
    folder: CharacterFolder, run: Path, settings: Settings | None = None, star_model: str | None = None
) -> Spending:
    """What an evaluation would ask of a provider that charges. Asks nothing."""
    case = _open_case(folder, run, settings or Settings(), star_model)
    probes = build_probes(case.character, case.training, case.test, case.settings)
    arms = build_arms(case.character, case.run.base_model, case.run.tuned_model, star_model)
    plain = training_questions(case.training, case.settings.style_questions)
    return foresee_spending(arms, probes.probes, plain, case.settings)


def _open_case(folder: CharacterFolder, run: Path, settings: Settings, star_model: str | None) -> _Case:
    manifest = load_manifest(folder)
    record = read_run(run, manifest)
    # Validation and development dialogues steered the training, so they count as seen.
    training = [
        d for split in ("training", "validation", "development") for d in split_dialogues(folder, split)
    ]
    test = split_dialogues(folder, "test")
    real = [m.content for d in training for m in d.messages if m.role == "assistant"]
    character = load_character(folder.character)
    resolved = settings.with_room_for(real)
    return _Case(folder, record, character, manifest, training, test, resolved, star_model)


async def _ask_everything(
    connection: Connection, case: _Case, arms: Sequence[Arm], probes: ProbeSet, report: Report
) -> _Asked:
    settings, run = case.settings, case.run.folder
    measured = [arm for arm in arms if arm.measured]
    replies, plain = RowFile(run / "replies.jsonl"), RowFile(run / "plain_replies.jsonl")
    likelihoods = RowFile(run / "likelihoods.jsonl")
    questions = training_questions(case.training, settings.style_questions)
    untuned = Arm("cheap+none", case.run.base_model, case.run.base_model, "none", "")
    try:
        rows = await ask(connection, measured, probes.probes, settings, replies, report)
        answers = await ask(connection, [untuned], questions, settings, plain, report)
        scored, note = await score_conversations(
            connection, measured, probes.conversations, settings, likelihoods, report
        )
    except BaseException:
        for file in (replies, plain, likelihoods):
            file.close()
        raise
    replies.close(keep=[row["key"] for arm_rows in rows.values() for row in arm_rows])
    plain.close()
    likelihoods.close()
    lines = [Line(row["reply"], row["group"]) for row in answers["cheap+none"] if row["reply"]]
    return _Asked(rows, scored, lines, note)


def _judge(
    case: _Case, arms: Sequence[Arm], probes: ProbeSet, asked: _Asked, yardsticks: Yardsticks
) -> Verdict:
    """Score what was asked. Nothing here reaches a model."""
    settings = case.settings
    measured = [arm for arm in arms if arm.measured]
    answers = {arm.name: _answers(asked.rows[arm.name], probes.probes) for arm in measured}
    _refuse_silence(answers)
    board = score_arms(measured, answers, asked.likelihoods, yardsticks, case.character, settings)
    comparisons = compare_arms(board, settings)
    scores = {name: {score: m.score for score, m in row.items()} for name, row in board.items()}
    missing = {a.name: len(probes.probes) - len(answers[a.name]) for a in measured}
    headline = draw_headline(case.character.name, scores, comparisons, settings.margin)
    return Verdict(
        character=case.character.name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        run_id=case.run.id,
        headline=headline,
        arms=[_arm_verdict(arm, asked, board, answers, yardsticks) for arm in arms],
        comparisons=comparisons,
        detectors=describe_detectors(),
        classifiers=yardsticks.describe(case.character, case.test),
        probes={
            "counts": probes.counts(),
            "sha256": probes.sha256(),
            "dropped": probes.dropped,
            "notes": list(probes.notes),
        },
        training=case.run.training(case.manifest),
        settings=settings.as_dict(),
        seeds=_seeds(case),
        hashes={**case.hashes(), "replies.jsonl": _sha256((case.run.folder / "replies.jsonl").read_bytes())},
        versions=_versions(),
        limits=list_limits(case.run.base_model, case.character, probes, missing, asked.note),
    )


def _answers(rows: Sequence[Row], probes: Sequence[Probe]) -> list[Answer]:
    """Replies beside their probes; refused requests are missing, not bad."""
    return [
        Answer(probe, row["reply"])
        for row, probe in zip(rows, probes, strict=True)
        if row["finish_reason"] != "refused"
    ]


def _refuse_silence(answers: Mapping[str, Sequence[Answer]]) -> None:
    silent = [name for name, given in answers.items() if not given]
    if silent:
        raise EvaluationError(
            f"{', '.join(silent)}: every request was refused, so the arms cannot be compared. The "
            f"reasons stand in "
            "replies.jsonl; where the prompt is too long for the model, shorten the sheet or choose "
            "another base."
        )


def _arm_verdict(
    arm: Arm,
    asked: _Asked,
    board: Mapping[str, Mapping[str, Measured]],
    answers: Mapping[str, Sequence[Answer]],
    yardsticks: Yardsticks,
) -> ArmVerdict:
    if not arm.measured:
        return ArmVerdict(arm, _count_tokens(arm), {}, [])
    scores = {name: measured.score for name, measured in board[arm.name].items()}
    by_turn = measure_drift(answers[arm.name], yardsticks.style).by_turn
    return ArmVerdict(arm, _prompt_tokens(arm, asked.rows), scores, by_turn)


def _prompt_tokens(arm: Arm, rows: Mapping[str, Sequence[Row]]) -> int | None:
    """Tokens of the system prompt, by the model's own count: with the prompt less without it."""
    if not arm.prompt:
        return 0
    bare = {
        row["probe_id"]: row["prompt_tokens"] for row in rows.get("tuned+none", []) if row["prompt_tokens"]
    }
    extra = [
        row["prompt_tokens"] - bare[row["probe_id"]]
        for row in rows[arm.name]
        if row["prompt_tokens"] and row["probe_id"] in bare
    ]
    counted = {r["model"] for name in ("cheap+short", "tuned+none") for r in rows.get(name, [])}
    return int(median(extra)) if extra and _share_tokenizer(arm.model, counted) else _count_tokens(arm)


def _share_tokenizer(model: str, counted: Collection[str]) -> bool:
    """Whether ``model`` counts tokens as those of ``counted`` do; the miniatures have one tokenizer."""
    if model in counted:
        return True
    return model.startswith(MINIATURE) and any(
        name.startswith((MINIATURE, f"ft:{MINIATURE}")) for name in counted
    )


def _count_tokens(arm: Arm) -> int:
    from understudy.dataset import count_text_tokens

    return count_text_tokens(arm.prompt)


def _seeds(case: _Case) -> dict[str, int]:
    trained = case.run.config.get("seed")
    seeds = {"evaluation": case.settings.seed, "split": case.manifest.recipe.seed}
    return {**seeds, "training": trained} if isinstance(trained, int) else seeds


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _program_files() -> list[Path]:
    """The evaluation's own code and lists: when they change, figures may."""
    here = Path(__file__).parent
    return sorted(p for p in here.rglob("*") if p.suffix in (".py", ".yaml", ".jsonl"))


def _versions() -> dict[str, str]:
    versions = {"understudy": __version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions
