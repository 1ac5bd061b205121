"""Evaluation: probes are frozen, arms are asked, replies are scored, and the verdict is written last."""

import asyncio
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from understudy import __version__
from understudy.atomic import write_jsonl
from understudy.errors import EvaluationError
from understudy.evaluation.arms import MINIATURE, Arm
from understudy.evaluation.asking import Asked, Report, ask_everything
from understudy.evaluation.case import Case, open_case, sha256
from understudy.evaluation.casting import Casting
from understudy.evaluation.connection import Connection
from understudy.evaluation.drift import measure_drift
from understudy.evaluation.frozen_probes import FrozenProbes
from understudy.evaluation.headline import Headline, draw_headline
from understudy.evaluation.limits import list_limits
from understudy.evaluation.looks import record_look
from understudy.evaluation.pass_rules import RULES, Decision, PassRules
from understudy.evaluation.primary import Passed, find_primary, measure_passed
from understudy.evaluation.probe import Answer, Measured
from understudy.evaluation.probes import ProbeSet
from understudy.evaluation.row_file import Row
from understudy.evaluation.scoreboard import compare_arms, score_arms
from understudy.evaluation.secondary import draw_secondary
from understudy.evaluation.settings import Settings
from understudy.evaluation.spending import Spending, foresee_spending
from understudy.evaluation.training_seeds import refresh_seeds
from understudy.evaluation.verdict import ArmVerdict, Verdict, load_verdict, save_verdict
from understudy.evaluation.yardsticks import (
    Yardsticks,
    describe_detectors,
    train_yardsticks,
    training_questions,
)
from understudy.folder import CharacterFolder

__all__ = ["current_verdict", "evaluate", "foresee", "library_versions"]

LIBRARIES = ("numpy", "openai", "scikit-learn", "scipy")
Decisions = Mapping[str, Sequence[Decision]]


def evaluate(
    folder: CharacterFolder,
    run: Path,
    connection: Connection,
    settings: Settings | None = None,
    *,
    casting: Casting | None = None,
    elsewhere: Mapping[str, Connection] | None = None,
    report: Report = lambda progress: None,
) -> Verdict:
    """Compare the tuned model with the prompted one on held-out probes; write ``run/verdict.json``.

    Probes are frozen in the character's folder before any model sees them. Replies are kept in
    ``run/replies.jsonl`` as they come and likelihoods in ``run/likelihoods.jsonl``, so an evaluation that
    was stopped goes on where it was. With ``settings.probe_set`` ``"development"`` the files are named for
    that set and the verdict on the final probes stays untouched.

    Args:
        connection: Where the models answer and score.
        casting: Models beside the run's own: a star for expensive+long, which is only priced without one, a
            model tuned on another character as control, other models in any arm.
        elsewhere: Where arms answer that the casting places on another server, by arm name.

    Raises:
        EvaluationError: The run has no model, or does not fit the dataset, the frozen probes were changed,
            or nothing can be asked.
        ProviderError: The provider stopped answering; what came is kept.
    """
    case = open_case(folder, run, settings or Settings(), casting or Casting())
    frozen = case.freeze()
    probes = frozen.set.asked(case.settings)
    write_jsonl(case.file("probes"), probes.rows())
    arms = case.arms()
    asked = asyncio.run(ask_everything(connection, case, arms, probes, report, elsewhere or {}))
    yardsticks = train_yardsticks(case.character, case.training, asked.plain, case.settings.seed)
    verdict = _judge(case, arms, frozen, probes, asked, yardsticks)
    save_verdict(case.run.folder, verdict, case.settings.probe_set)
    if case.settings.probe_set == "final":
        refresh_seeds(folder.runs)
        return _beside_other_seeds(verdict, load_verdict(run) or {})
    return verdict


def _beside_other_seeds(verdict: Verdict, stored: Mapping[str, Any]) -> Verdict:
    """The verdict as it was stored once the runs of other training seeds were known."""
    primary = replace(verdict.primary, seeds=stored["primary"]["seeds"])
    headline = Headline(stored["headline"]["answer"], stored["headline"]["sentence"])
    return replace(verdict, primary=primary, headline=headline)


def current_verdict(
    folder: CharacterFolder, run: Path, settings: Settings | None = None, *, casting: Casting | None = None
) -> dict[str, Any] | None:
    """The run's verdict if nothing that it rests on has changed since, else ``None``."""
    settings = settings or Settings()
    found = load_verdict(run, settings.probe_set)
    if found is None:
        return None
    case = open_case(folder, run, settings, casting or Casting())
    known = found.get("hashes") or {}
    if not all(known.get(name) == digest for name, digest in case.hashes().items()):
        return None
    return found if case.freeze().sha256 == found["probes"]["sha256"] else None


def foresee(
    folder: CharacterFolder,
    run: Path,
    settings: Settings | None = None,
    casting: Casting | None = None,
    *,
    placed_only: Collection[str] | None = None,
) -> Spending:
    """What an evaluation would ask of a provider that charges. Asks nothing.

    Args:
        placed_only: Names of arms at servers that charge, where the run's own server is free.
    """
    case = open_case(folder, run, settings or Settings(), casting or Casting())
    probes = case.freeze().set.asked(case.settings)
    arms = [arm for arm in case.arms() if placed_only is None or arm.name in placed_only]
    plain = training_questions(case.training, case.settings.style_questions) if placed_only is None else []
    return foresee_spending(arms, probes, plain, case.settings)


def _judge(
    case: Case,
    arms: Sequence[Arm],
    frozen: FrozenProbes,
    probes: ProbeSet,
    asked: Asked,
    yardsticks: Yardsticks,
) -> Verdict:
    """Score what was asked. Nothing here reaches a model."""
    settings = case.settings
    measured = [arm for arm in arms if arm.measured]
    answers = asked.answers(probes.probes)
    _refuse_silence(answers)
    rules = PassRules.of(case.character, yardsticks)
    decisions = {name: rules.decide(given) for name, given in answers.items()}
    _publish(case, asked.rows, answers, decisions)
    passed = {name: _passed(given, decisions[name]) for name, given in answers.items()}
    board = score_arms(measured, answers, asked.likelihoods, yardsticks, case.character, settings)
    for name, row in board.items():
        row["probes_passed"] = measure_passed(passed[name], probes.probes)
    comparisons = compare_arms(board, settings)
    primary = find_primary(
        passed,
        probes.probes,
        margin=settings.margin,
        replies_per_probe=settings.samples("single"),
        draws=settings.draws,
        seed=settings.seed,
    )
    scores = {name: {score: m.score for score, m in found.items()} for name, found in board.items()}
    secondary = draw_secondary(scores, comparisons, settings.margin)
    return Verdict(
        character=case.character.name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        run_id=case.run.id,
        headline=draw_headline(case.character.name, primary.as_row(), secondary.sentence, secondary.worse),
        primary=primary,
        secondary=secondary,
        arms=[_arm_verdict(arm, asked, board, answers, yardsticks) for arm in arms],
        comparisons=comparisons,
        detectors=describe_detectors(),
        classifiers=yardsticks.describe(case.character, case.held_out),
        probes=_describe_probes(case, frozen, probes, rules),
        training=case.run.training(case.manifest),
        settings=settings.as_dict(),
        seeds=_seeds(case),
        hashes={**case.hashes(), "replies.jsonl": sha256(case.file("replies").read_bytes())},
        versions=library_versions(),
        limits=list_limits(case.run.base_model, case.character, probes, _missing(asked), asked.note),
    )


def _describe_probes(case: Case, frozen: FrozenProbes, probes: ProbeSet, rules: PassRules) -> dict[str, Any]:
    looks = record_look(
        frozen.folder,
        name=frozen.set.name,
        sha256=frozen.sha256,
        run_id=case.run.id,
        model=case.run.tuned_model,
        settings=case.settings.as_dict(),
    )
    return {
        **frozen.describe(looks),
        "counts": probes.counts(),
        "dropped": probes.dropped,
        "notes": list(probes.notes),
        "pass_rules": RULES,
        "thresholds": rules.thresholds.as_dict(),
        "ceiling": _ceiling(rules, probes),
    }


def _ceiling(rules: PassRules, probes: ProbeSet) -> dict[str, float | int | None]:
    """What the real replies would pass, where a probe's real reply is known: the rules are no target of 1."""
    real = [Answer(p, p.reference) for p in probes.single() if p.reference]
    passed = [decision.passed for decision in rules.decide(real)]
    return {"passed": sum(passed) / len(passed) if passed else None, "count": len(passed)}


def _passed(answers: Sequence[Answer], decisions: Sequence[Decision]) -> Passed:
    """Share of the replies to each probe that pass."""
    found: dict[str, list[bool]] = {}
    for answer, decision in zip(answers, decisions, strict=True):
        found.setdefault(answer.probe.id, []).append(decision.passed)
    return Passed({probe: sum(given) / len(given) for probe, given in found.items()})


def _publish(
    case: Case,
    rows: Mapping[str, Sequence[Row]],
    answers: Mapping[str, Sequence[Answer]],
    decisions: Decisions,
) -> None:
    """Write every reply with whether it passed and why; a refused one did neither."""
    published = []
    for arm, given in rows.items():
        decided = {
            (answer.probe.id, answer.sample): decision
            for answer, decision in zip(answers[arm], decisions[arm], strict=True)
        }
        for row in given:
            decision = decided.get((row["probe_id"], row["sample"]))
            told = {"passed": decision.passed, "why": decision.why} if decision else {}
            published.append({**row, **({"passed": None, "why": "refused"} | told)})
    write_jsonl(case.file("replies"), published)


def _missing(asked: Asked) -> dict[str, int]:
    return {name: sum(row["finish_reason"] == "refused" for row in rows) for name, rows in asked.rows.items()}


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
    asked: Asked,
    board: Mapping[str, Mapping[str, Measured]],
    answers: Mapping[str, Sequence[Answer]],
    yardsticks: Yardsticks,
) -> ArmVerdict:
    if not arm.measured:
        return ArmVerdict(arm, _count_tokens(arm), {}, None)
    scores = {name: measured.score for name, measured in board[arm.name].items()}
    drift = measure_drift(answers[arm.name], yardsticks.style)
    return ArmVerdict(arm, _prompt_tokens(arm, asked.rows), scores, drift)


def _prompt_tokens(arm: Arm, rows: Mapping[str, Sequence[Row]]) -> int | None:
    """Tokens of the system prompt, by the model's own count: with the prompt less without it."""
    if not arm.prompt_text:
        return 0
    bare = {
        row["probe_id"]: row["prompt_tokens"]
        for row in rows.get("tuned+none", [])
        if row["prompt_tokens"] and row["part"] == "single"
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

    return count_text_tokens(arm.prompt_text)


def _seeds(case: Case) -> dict[str, int]:
    trained = case.run.config.get("seed")
    seeds = {"evaluation": case.settings.seed, "split": case.manifest.recipe.seed}
    return {**seeds, "training": trained} if isinstance(trained, int) else seeds


def library_versions() -> dict[str, str]:
    """What figures may depend on, by name."""
    versions = {"understudy": __version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions
