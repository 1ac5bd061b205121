"""Task: an exported evaluation in Inspect AI's words: a sample for each probe, a scorer with the pass rules.

Inspect AI is an optional part, so it is imported inside the functions that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import MissingExtraError, UnderstudyError
from understudy.evaluation.probe import Probe
from understudy.inspection.exported import ExportedEvaluation, load_exported

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import Metric, Scorer
    from inspect_ai.solver import Solver

__all__ = ["build_metrics", "build_scorer", "build_task", "require_inspect"]

OWN_SERVER = "openai-api/understudy/"
POLICIES_OFF = {"x-understudy-policies": "off"}
"""What is measured is the model, not what Understudy's server does around it; other servers do not get it."""


def require_inspect() -> None:
    """See that Inspect AI is there.

    Raises:
        MissingExtraError: It is not installed; the message has the line that installs it.
    """
    try:
        import inspect_ai  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "The task needs Inspect AI. Install it with: pip install 'understudy[inspect]'"
        ) from None


def build_task(
    folder: Path, pass_rules: Callable[[], Scorer], *, prompt: str = "short", part: str = "single"
) -> Task:
    """The task that an exported folder holds.

    Every probe is asked as often as in the evaluation, with the same sampling settings and seeds; a probe's
    value is the share of its replies that pass.

    Args:
        folder: As ``write_inspection`` wrote it.
        pass_rules: The scorer of the folder's ``task.py``, where Inspect finds it again to score a log.
        prompt: Kind of system prompt: a key of the manifest's ``prompts``.
        part: ``single``, ``further`` or ``skill``.

    Raises:
        MissingExtraError: Inspect AI is not installed.
        PrerequisiteError: Inspect's own, which it prints as one message: the folder is damaged, the rules
            decide otherwise here, or an argument is wrong.
    """
    require_inspect()
    from inspect_ai import Epochs, Task
    from inspect_ai.dataset import MemoryDataset
    from inspect_ai.model import GenerateConfig

    with _one_message():
        exported = _load(folder.resolve())
        system, probes = exported.prompt(prompt), exported.asked(part)
    settings = exported.settings
    return Task(
        dataset=MemoryDataset([_sample(probe, system) for probe in probes], name=exported.name),
        solver=_reply_solver(exported),
        scorer=pass_rules(),
        config=GenerateConfig(temperature=settings.temperature, max_tokens=settings.max_tokens),
        epochs=Epochs(settings.samples(part), "mean"),
        name=exported.name,
        version=str(exported.manifest["sha256"])[:12],
        metadata=_metadata(exported),
    )


def build_metrics() -> list[Metric]:
    """The share of probes passed with a standard error clustered by family, for all and by category.

    Raises:
        MissingExtraError: Inspect AI is not installed.
    """
    require_inspect()
    from inspect_ai.scorer import accuracy, grouped, stderr

    return [
        accuracy(),
        stderr(cluster="family"),
        grouped(accuracy(), "category", all=False, name_template="{group_name}"),
        grouped(stderr(cluster="family"), "category", all=False, name_template="{group_name} stderr"),
    ]


def build_scorer(folder: Path) -> Scorer:
    """Pass or fail with the reason, as ``understudy evaluate`` decides it.

    A request that the provider refused for its length has no score, because it is no bad reply.

    Raises:
        MissingExtraError: Inspect AI is not installed.
        PrerequisiteError: The folder is damaged, or the rules decide otherwise here.
    """
    require_inspect()
    from inspect_ai.scorer import CORRECT, INCORRECT, Score, Target
    from inspect_ai.solver import TaskState

    with _one_message():
        exported = _load(folder.resolve())

    async def score(state: TaskState, target: Target) -> Score:
        reply = state.output.completion.strip()
        if state.output.stop_reason == "model_length":
            return Score.unscored(reason="no_response", explanation=f"refused: {reply[:300]}")
        decision = exported.decide(str(state.sample_id), reply)
        return Score(value=CORRECT if decision.passed else INCORRECT, answer=reply, explanation=decision.why)

    return score


@lru_cache(maxsize=4)
def _load(folder: Path) -> ExportedEvaluation:
    """Task and scorer want the same folder, and its rules take seconds to train."""
    return load_exported(folder)


@contextmanager
def _one_message() -> Iterator[None]:
    """What the user can mend, as Inspect prints it without a traceback."""
    try:
        yield
    except UnderstudyError as error:
        raise _as_inspect_shows(error) from None


def _as_inspect_shows(error: UnderstudyError) -> Exception:
    """Inspect's own error, which has no public place; where it moved, only a traceback comes with it."""
    try:
        from inspect_ai._util.error import PrerequisiteError
    except ImportError:
        return error
    return PrerequisiteError(str(error).replace("[", r"\["))


def _sample(probe: Probe, system: str) -> Sample:
    """The probe under a system prompt. The target is the real reply where one is known; no rule reads it."""
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    kinds = {"user": ChatMessageUser, "assistant": ChatMessageAssistant}
    history = [kinds[message["role"]](content=message["content"]) for message in probe.messages]
    return Sample(
        id=probe.id,
        input=[*([ChatMessageSystem(content=system)] if system else []), *history],
        target=probe.reference or "",
        metadata={
            "category": probe.category,
            "family": probe.group,
            "kind": probe.kind,
            "part": probe.part,
            "turn": probe.turn,
        },
    )


def _reply_solver(exported: ExportedEvaluation) -> Solver:
    """One reply, with the seed that ``understudy evaluate`` gives this probe and this reply."""
    from inspect_ai.model import get_model
    from inspect_ai.solver import Generate, TaskState, solver

    @solver(name="reply")
    def reply() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            seed = exported.settings.seed_for(str(state.sample_id), state.epoch - 1)
            headers = POLICIES_OFF if str(get_model()).startswith(OWN_SERVER) else None
            return await generate(state, seed=seed, extra_headers=headers)

        return solve

    return reply()


def _metadata(exported: ExportedEvaluation) -> dict[str, Any]:
    """What a log needs so that its figures can be held against the verdict's."""
    manifest = exported.manifest
    return {
        "character": manifest["character"],
        "probe_set": manifest["probe_set"],
        "probes_sha256": manifest["sha256"],
        "thresholds": manifest["thresholds"],
        "known_replies_decided_otherwise": exported.otherwise,
    }
